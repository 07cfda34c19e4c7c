"""README's table of results and its picture, docs/images/pareto.png, and the table of docs/records.md, from
results/records/ in the folder --root."""

import hashlib
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.ranking import PEERS, Entry, our_entries, read_peers, read_results
from benchmarks.shared import FLOOR, RECORDS, run, write_table
from tiny_jepa.course import COURSE_SETS, SETS
from tiny_jepa.plotting import MISSED, OURS, THEIRS, pyplot, save
from tiny_jepa.probing.results import Result
from tiny_jepa.tables import markdown, number, size

PICTURE, RECORDS_PAGE = Path("docs/images/pareto.png"), Path("docs/records.md")
SHOWN = ("50", "100", "2k", "dead reckoning")  # in README's table
TITLES = {
    "normal": "normal: ordinary trajectories",
    "wall": "wall: runs into the wall",
    "wall_other": "wall_other: unseen wall columns",
    "expert": "expert: long horizon (procedural: an easier set)",
}
NOTE = f"""
Errors in px², 64 px uint8 / 65 px float32 frames, same weights: means over training seeds ([all
records](docs/records.md)). Published figures are of the course's own data. Written from `{RECORDS}/`
by `python -m benchmarks.readme`."""


def draw(ours: Sequence[Entry], peers: Sequence[Entry], path: Path, note: str = "") -> Path:
    """Four log-log panels -> PNG. Our entries without a parameter are levels, not points."""
    plt = pyplot()
    figure, axes = plt.subplots(2, 2, figsize=(11, 8), sharex=True, layout="constrained")
    for axis, name in zip(axes.flat, COURSE_SETS, strict=True):
        axis.set(xscale="log", yscale="log", title=TITLES[name], ylabel="probing error, px²")
        axis.margins(x=0.07, y=0.18)
        draw_published(axis, peers, name)
        draw_ours(axis, ours, name)
    for axis in axes[1]:
        axis.set_xlabel("trainable parameters")
    dot = {"marker": "o", "ls": ""}
    legend = {
        "tiny_jepa": dot | {"color": OURS},
        "published, checked as fair": dot | {"color": THEIRS},
        "published, unchecked": dot | {"color": THEIRS, "mfc": "none"},
        "no parameter at all": {"ls": "--", "color": MISSED},
    }
    handles = [plt.Line2D([], [], label=name, **style) for name, style in legend.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    data = ", ".join(sorted({entry.source for entry in ours})) or "no"
    figure.suptitle(f"Error against size: lower left is better\nours on {data}, published models on the course's data")
    return save(figure, path, note)


def draw_published(axis: Any, peers: Sequence[Entry], name: str) -> None:
    shown = [p for p in peers if p.parameters and p.losses[name] is not None and p.mark in ("fair", "unchecked")]
    for peer in shown:
        fill = THEIRS if peer.mark == "fair" else "none"
        axis.plot(peer.parameters, peer.losses[name], "o", ms=6, color=THEIRS, mfc=fill, alpha=0.8)
    fair = [peer for peer in shown if peer.mark == "fair"]
    best, smallest = (min(fair, key=key) for key in (lambda p: p.losses[name] or 0, lambda p: p.parameters or 0))
    for peer, what, where in ((best, "best", {"va": "top"}), (smallest, "smallest", {"ha": "right"})):
        label(axis, peer.parameters, peer.losses[name], f"{what} published\n{peer.losses[name]:.2g}", THEIRS, **where)


def draw_ours(axis: Any, ours: Sequence[Entry], name: str) -> None:
    known = [entry for entry in ours if entry.losses[name] is not None]
    trained = [entry for entry in known if entry.mark == "ours"]
    sizes, heights = [entry.parameters for entry in trained], [max(entry.losses[name], FLOOR) for entry in trained]
    axis.plot(sizes, heights, "o-", ms=8, color=OURS)
    for i, entry in enumerate(trained):  # a label stands where the line does not go
        before, after = heights[max(i - 1, 0)] - heights[i], heights[min(i + 1, len(heights) - 1)] - heights[i]
        va, ha = "top" if min(before, after) >= 0 else "bottom", "left" if before > 0 > after else "center"
        label(axis, sizes[i], heights[i], entry.name.split()[-1], OURS, va, "right" if before < 0 < after else ha)
    for entry in known:
        if entry.mark == "reference" and not entry.parameters:
            loss, where = entry.losses[name], ("axes fraction", "data")
            level = max(loss, FLOOR)
            axis.axhline(level, ls="--", color=MISSED, zorder=0)
            text = f"{entry.name}: {loss:.2g}" + (f", below {FLOOR:g}" if loss < FLOOR else "")
            across, ha = (0.01, "left") if level > 1 else (0.99, "right")  # where nothing else is
            axis.annotate(text, (across, level), xycoords=where, va="bottom", ha=ha, color=THEIRS, fontsize=9)


def label(axis: Any, x: Any, y: Any, text: str, color: str, va: str = "bottom", ha: str = "center") -> None:
    offset = (-7 if ha == "right" else 0, -8 if va == "top" else 8)
    axis.annotate(text, (x, y), xytext=offset, textcoords="offset points", va=va, ha=ha, color=color, fontsize=9)


def best_published(peers: Sequence[Entry]) -> dict[str, float]:
    """The least figure of each column among the rows marked `fair`, px²."""
    fair = [peer for peer in peers if peer.mark == "fair" and peer.parameters]
    return {name: min(value for peer in fair if (value := peer.losses[name]) is not None) for name in COURSE_SETS}


def rows(results: Sequence[Result]) -> list[list[str]]:
    """A row a model, trained ones first, each cell its means on every kind of frames."""
    shown = [result for result in results if result.lift and result.kind != "untrained"]
    shown.sort(key=lambda result: (result.kind != "trained", result.parameters, result.model, result.frames))
    found = []
    for (kind, model), group in groupby(shown, key=lambda result: (result.kind, result.model)):
        each = list(group)
        cells = [" / ".join(number(result.mean(name)) for result in each) for name in SETS]
        found.append([f"**{model}**" if kind == "trained" else model, size(each[0].parameters), *cells])
    return found


def tables(records: Path) -> dict[Path, str]:
    """What stands between the marks of each page."""
    every, best = rows(read_results(records)), best_published(read_peers())
    some = [row for row in every if row[0].strip("*") in SHOWN]
    some.append(["best published, each column", "–", *(number(best.get(name)) for name in SETS)])
    return {
        Path("README.md"): markdown(["model", "parameters", *SETS], some) + f"\n{NOTE}",
        RECORDS_PAGE: markdown(["budget", "parameters", *SETS], every),
    }


def digest(records: Path) -> str:
    """Hash of all that the picture shows; it stands in the picture's description."""
    parts = [PEERS, *sorted(records.glob("*.json"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in parts)).hexdigest()[:16]


def main(root: Path = Path()) -> None:
    records = root / RECORDS
    for page, table in tables(records).items():
        write_table(root / page, table)
    print(f"wrote {draw(our_entries(read_results(records)), read_peers(), root / PICTURE, digest(records))}")


if __name__ == "__main__":
    run(main)
