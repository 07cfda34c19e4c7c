"""Parameters against error, one panel a set: where our models stand beside the published ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tiny_jepa.course.ranking import Entry
from tiny_jepa.plotting import MISSED, OURS, THEIRS, pyplot, save
from tiny_jepa.probing.measure import COURSE_SETS

TITLES = {
    "normal": "normal: ordinary trajectories",
    "wall": "wall: runs into the wall",
    "wall_other": "wall_other: unseen wall columns",
    "expert": "expert: long horizon (procedural: an easier set)",
}
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
    figure.suptitle(f"Error against size: lower left is better (ours on {data} data, the others on the course's)")
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
    _label(axis, smallest, name, "smallest published", (-2, 8), THEIRS)


def _ours(axis: Any, ours: Sequence[Entry], name: str) -> None:
    known = sorted((e for e in ours if e.losses[name] is not None), key=lambda e: e.parameters or 0)
    trained = [entry for entry in known if entry.mark == "ours"]
    axis.plot([e.parameters for e in trained], [_height(e, name) for e in trained], "o-", ms=8, color=OURS)
    for i, entry in enumerate(trained):  # above and below in turn: neighbours would write over each other
        _label(
            axis, entry, name, entry.name.split()[-1], (0, -7 if i % 2 else 7), OURS, va="top" if i % 2 else "bottom"
        )
    for entry in known:
        if entry.mark == "reference" and entry.parameters:
            axis.plot(entry.parameters, _height(entry, name), "x", ms=8, color=OURS)
            _label(axis, entry, name, entry.name, (0, 7), OURS)
        elif entry.mark == "reference":
            axis.axhline(_height(entry, name), ls="--", color=MISSED, zorder=0)
            below = "" if (entry.losses[name] or 0) >= FLOOR else f", below {FLOOR:g}"
            text, place = f"{entry.name}: {entry.losses[name]:.2g}{below}", (0.01, _height(entry, name))
            axis.annotate(text, place, xycoords=("axes fraction", "data"), va="bottom", color=THEIRS, fontsize=9)
    axis.margins(x=0.07, y=0.18)


def _height(entry: Entry, name: str) -> float:
    return max(entry.losses[name] or 0, FLOOR)


def _label(
    axis: Any, entry: Entry, name: str, text: str, offset: tuple[int, int], color: str, va: str = "bottom"
) -> None:
    place, text = (entry.parameters, _height(entry, name)), f"{text}\n{entry.losses[name]:.2g}"
    axis.annotate(text, place, xytext=offset, textcoords="offset points", va=va, ha="center", color=color, fontsize=9)
