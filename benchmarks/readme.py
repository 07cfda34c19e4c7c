"""The README's table of results and its picture, docs/images/pareto.png, from results/records/.

python -m benchmarks.readme
"""

import argparse
import hashlib
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from tiny_jepa.commands.score import RECORDS
from tiny_jepa.course import COURSE_SETS, SETS
from tiny_jepa.course.ranking import PEERS, Entry, our_entries, read_peers
from tiny_jepa.errors import UserError, run_cli
from tiny_jepa.files import read_text, write_text
from tiny_jepa.plotting import MISSED, OURS, THEIRS, pyplot, save
from tiny_jepa.probing.results import Result, read_results
from tiny_jepa.tables import markdown, number, replaced, size

PICTURE = Path("docs/images/pareto.png")
SHOWN = ("50", "100", "2k", "dead reckoning")
"""Models in the table; docs/records.md has them all."""
TITLES = {
    "normal": "normal: ordinary trajectories",
    "wall": "wall: runs into the wall",
    "wall_other": "wall_other: unseen wall columns",
    "expert": "expert: long horizon (procedural: an easier set)",
}
LABEL: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "color": OURS, "fontsize": 9}
FLOOR = 1e-5
"""px²: what is below is drawn here."""


def draw(ours: Sequence[Entry], peers: Sequence[Entry], path: Path, note: str = "") -> Path:
    """Four log-log panels -> PNG. Entries without a parameter are levels, not points."""
    plt = pyplot()
    figure, axes = plt.subplots(2, 2, figsize=(11, 8), sharex=True, layout="constrained")
    for axis, name in zip(axes.flat, COURSE_SETS, strict=True):
        axis.set(xscale="log", yscale="log", title=TITLES[name])
        _published(axis, peers, name)
        _ours(axis, ours, name)
    for axis in axes[1]:
        axis.set_xlabel("trainable parameters")
    for axis in axes[:, 0]:
        axis.set_ylabel("probing error, px²")
    handles = [
        plt.Line2D([], [], marker="o", ls="", color=OURS, label="tiny_jepa"),
        plt.Line2D([], [], marker="o", ls="", color=THEIRS, label="published, checked as fair"),
        plt.Line2D([], [], marker="o", ls="", mfc="none", color=THEIRS, label="published, unchecked"),
        plt.Line2D([], [], ls="--", color=MISSED, label="no parameter at all"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    data = ", ".join(sorted({entry.source for entry in ours})) or "no"
    figure.suptitle(f"Error against size: lower left is better\nours on {data}, published models on the course's data")
    return save(figure, path, note)


def _published(axis: Any, peers: Sequence[Entry], name: str) -> None:
    shown = [p for p in peers if p.parameters and p.losses[name] is not None and p.mark in ("fair", "unchecked")]
    for peer in shown:
        fill = THEIRS if peer.mark == "fair" else "none"
        axis.plot(peer.parameters, peer.losses[name], "o", ms=6, color=THEIRS, mfc=fill, alpha=0.8)
    fair = [peer for peer in shown if peer.mark == "fair"]
    best = min(fair, key=lambda peer: peer.losses[name] or 0)
    smallest = min(fair, key=lambda peer: peer.parameters or 0)
    _label(axis, best, name, "best published", (0, -8), THEIRS, va="top")
    _label(axis, smallest, name, "smallest published", (-7, 5), THEIRS, ha="right")


def _ours(axis: Any, ours: Sequence[Entry], name: str) -> None:
    known = sorted((e for e in ours if e.losses[name] is not None), key=lambda e: e.parameters or 0)
    trained = [entry for entry in known if entry.mark == "ours"]
    axis.plot([e.parameters for e in trained], [_height(e, name) for e in trained], "o-", ms=8, color=OURS)
    heights = [_height(entry, name) for entry in trained]
    for i, entry in enumerate(trained):  # a label stands where the line does not go
        left, right = heights[max(i - 1, 0)] - heights[i], heights[min(i + 1, len(heights) - 1)] - heights[i]
        under = left >= 0 and right >= 0
        ha = "center" if under or left * right >= 0 else "left" if left > 0 else "right"
        style = {**LABEL, "ha": ha, "va": "top" if under else "bottom"}
        axis.annotate(
            entry.name.split()[-1], (entry.parameters or 0, heights[i]), xytext=(0, -8 if under else 8), **style
        )
    for entry in known:
        if entry.mark == "reference" and entry.parameters:
            axis.plot(entry.parameters, _height(entry, name), "x", ms=8, color=OURS)
            _label(axis, entry, name, entry.name, (0, 7), OURS)
        elif entry.mark == "reference":
            axis.axhline(_height(entry, name), ls="--", color=MISSED, zorder=0)
            below = "" if (entry.losses[name] or 0) >= FLOOR else f", below {FLOOR:g}"
            text = f"{entry.name}: {entry.losses[name]:.2g}{below}"
            across, ha = (0.01, "left") if _height(entry, name) > 1 else (0.99, "right")  # where nothing else is
            place = (across, _height(entry, name))
            axis.annotate(text, place, xycoords=("axes fraction", "data"), va="bottom", ha=ha, color=THEIRS, fontsize=9)
    axis.margins(x=0.07, y=0.18)


def _height(entry: Entry, name: str) -> float:
    return max(entry.losses[name] or 0, FLOOR)


def _label(axis: Any, entry: Entry, name: str, text: str, offset: tuple[int, int], color: str, **where: str) -> None:
    place, text = (entry.parameters, _height(entry, name)), f"{text}\n{entry.losses[name]:.2g}"
    style = {**LABEL, "color": color, "va": "bottom", **where}
    axis.annotate(text, place, xytext=offset, **style)


def best_published(peers: Sequence[Entry]) -> dict[str, float]:
    """The least figure of each column among the rows marked `fair`, px²."""
    fair = [peer for peer in peers if peer.mark == "fair" and peer.parameters]
    return {name: min(value for peer in fair if (value := peer.losses[name]) is not None) for name in COURSE_SETS}


def results_table(results: Sequence[Result], peers: Sequence[Entry]) -> str:
    """The README's table: some of our rows, each cell its mean on every kind of frames, and the best published."""
    rows = []
    shown = [r for r in results if r.model in SHOWN and r.lift]
    for (kind, model), group in groupby(sorted(shown, key=row_order), key=lambda r: (r.kind, r.model)):
        each = sorted(group, key=lambda r: r.frames)
        cells = [" / ".join(number(result.mean(name)) for result in each) for name in SETS]
        rows.append([f"**{model}**" if kind == "trained" else model, size(each[0].parameters), *cells])
    best, blank = best_published(peers), ["–"] * (len(SETS) - len(COURSE_SETS))
    rows.append(["best published, each column", "–", *(number(best[name]) for name in COURSE_SETS), *blank])
    return markdown(["model", "parameters", *SETS], rows)


def row_order(result: Result) -> tuple:
    return (result.kind != "trained", result.parameters, result.model)


def section(records: Path) -> str:
    """What stands between the marks."""
    return (
        f"{results_table(read_results(records), read_peers())}\n\n"
        "Errors in px², 64 px uint8 / 65 px float32 frames, same weights: means over training seeds ([all\n"
        "records](docs/records.md)). Published figures are of the course's own data. Written from "
        f"`{records.parent.name}/{records.name}/`\n"
        "by `python -m benchmarks.readme`.\n"
    )


def digest(records: Path) -> str:
    """Hash of all that the picture shows; it stands in the picture's description."""
    parts = [PEERS, *sorted(records.glob("*.json"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in parts)).hexdigest()[:16]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readme", description="Writes the README's results.")
    parser.add_argument("--root", type=Path, default=Path(), help="folder of README.md, results/ and docs/ (here)")
    root = parser.parse_args().root
    records, page = root / RECORDS, root / "README.md"
    if not records.is_dir() or not page.is_file():
        raise UserError(f"{root.resolve()} has no {RECORDS}/ or no README.md; run this in the project's root")
    text = replaced(read_text(page, "run this in the project's root"), section(records), page)
    ours = our_entries(read_results(records))
    print(f"wrote {draw(ours, read_peers(), root / PICTURE, digest(records))}")
    write_text(page, text)
    print(f"wrote the results of {page}")


if __name__ == "__main__":
    run_cli(main)
