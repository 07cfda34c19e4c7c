"""Pictures of the deeper looks. Each says on itself what it shows; solid or red is the model, dashed or grey is dead
reckoning."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tiny_jepa.looks.readout import ReadOut, binned, examples, looks
from tiny_jepa.models.predictor import GatedCell
from tiny_jepa.plotting import FLOOR, MISSED, OURS, TRUE, animate, pyplot, save

DRAWN: dict[str, Any] = {"interpolation": "nearest", "cmap": "Greys", "vmin": 0, "vmax": 1.3}
PIXELS = {"xlabel": "column, px", "ylabel": "row, px"}
PATHS: tuple[dict[str, Any], ...] = (
    {"color": MISSED, "ls": ":", "lw": 2, "label": "dead reckoning (walls ignored)"},
    {"color": TRUE, "marker": "o", "ms": 4, "lw": 1, "label": "true path"},
    {"color": OURS, "marker": "x", "ms": 6, "ls": "", "label": "predicted from the first frame and the actions"},
)


def over_time(sets: dict[str, ReadOut], name: str, path: Path) -> Path:
    """Error at each time step: short sets beside long ones."""
    panels = [{key: read for key, read in sets.items() if (read.true.shape[1] > 30) == long} for long in (False, True)]
    title = f"{name}: how the error grows as the model predicts further ahead"
    label = "time step (0 is the only frame seen)"
    return curves(panels, lambda read, reckoned: read.errors(reckoned).mean(0), label, title, path)


def near_wall(sets: dict[str, ReadOut], name: str, path: Path) -> Path:
    """Error by the agent's distance to the nearest drawn pixel."""
    edges, label = np.arange(0, 16), "distance of the agent from the nearest drawn pixel, whole px"
    title = f"{name}: error near walls and borders, and far from them"
    return curves([sets], lambda read, who: binned(read.errors(who), edges, read.distance), label, title, path)


def curves(
    panels: Sequence[dict[str, ReadOut]],
    errors: Callable[[ReadOut, bool], np.ndarray],
    label: str,
    title: str,
    path: Path,
) -> Path:
    """A curve of `errors(read, reckoned)` each for the model and for dead reckoning, a colour a set."""
    figure, axes = pyplot().subplots(1, len(panels), figsize=(3 + 4 * len(panels), 4.4), layout="constrained")
    colours = {key: f"C{i}" for i, key in enumerate(key for sets in panels for key in sets)}
    for axis, sets in zip(np.atleast_1d(axes), panels, strict=True):
        for key, read in sets.items():
            axis.plot(np.maximum(errors(read, False), FLOOR), color=colours[key], label=key, lw=2)
            axis.plot(np.maximum(errors(read, True), FLOOR), "--", color=colours[key], alpha=0.5)
        axis.set(yscale="log", xlabel=label, ylabel=f"error, px² (below {FLOOR:g}: drawn there)")
    axis.plot([], [], "--", color=MISSED, label="dead reckoning (walls ignored)")
    figure.legend(loc="outside lower center", ncols=6)
    figure.suptitle(title)
    return save(figure, path)


def maps(read: ReadOut, name: str, path: Path) -> Path:
    """Where in the room the error is made: the model beside dead reckoning."""
    from matplotlib.colors import LogNorm

    side, (x, y), image = read.drawn.shape[-1], np.moveaxis(read.true, -1, 0), None
    edges = np.linspace(0, side, side // 3)
    figure, axes = pyplot().subplots(1, 2, figsize=(10, 4.8), layout="constrained")
    for axis, who in zip(axes, (name, "dead reckoning"), strict=True):
        cells = np.clip(binned(read.errors(reckoned=who != name), edges, y, x), FLOOR, 1e2)
        image = axis.pcolormesh(edges, edges, cells, norm=LogNorm(FLOOR, 1e2), cmap="magma_r")
        axis.set(title=who, aspect="equal", ylim=(side, 0), **PIXELS)
        axis.grid(False)
    figure.colorbar(image, ax=axes, label="mean error, px² (white: nobody was there)", shrink=0.6)
    figure.suptitle("Where the error is made: agent's true place on the normal set, all time steps")
    return save(figure, path)


def reads(cell: GatedCell, read: ReadOut, name: str, path: Path) -> Path:
    """What the gate reads of a few moves: the cells that each passes, in the colour of the gate's logit there, and the
    pixels that it is told of."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import CenteredNorm

    seen = looks(cell, read)
    figure, axes = pyplot().subplots(1, 3, figsize=(12, 4.2), layout="constrained")
    strongest = max((np.abs(each.logits).max() for each in seen), default=1)
    shade = ScalarMappable(CenteredNorm(halfrange=strongest), "RdBu")
    for axis, each in zip(axes, seen, strict=False):
        axis.imshow(each.drawn, alpha=0.4, **DRAWN)
        for corner, logit in zip(each.cells, each.logits, strict=True):
            square = corner + np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
            axis.fill(*square.T, fc=shade.to_rgba(logit, alpha=0.7), ec="black")
            axis.annotate(f"{logit:+.0f}", corner + 0.5, ha="center", va="center", fontsize=8)
        axis.plot(*each.told.T, "o", mfc="white", mec="black", ms=5)
        axis.annotate("", each.move[1], each.move[0], arrowprops={"arrowstyle": "->", "lw": 2, "color": "black"})
        x, y = each.move.mean(0)
        axis.set(xlim=(x - 4.5, x + 4.5), ylim=(y + 4.5, y - 4.5), **PIXELS)
        axis.set_title(f"the least is {each.logits.min():+.0f}: {'made' if each.logits.min() > 0 else 'blocked'}")
        axis.grid(False)
    figure.colorbar(shade, ax=axes, label="logit of the gate for each cell: blue lets pass", shrink=0.7)
    figure.suptitle(f"{name}: cells that a move (arrow) passes, and pixels that the gate is told of (circles)")
    return save(figure, path)


def rollouts(sets: dict[str, ReadOut], name: str, path: Path, animation: Path) -> Path:
    """True and predicted paths over the layout, as a strip and as a GIF."""
    shown, lines = examples(sets, 4), []
    rows = len(shown) // 4
    figure, axes = pyplot().subplots(rows, 4, figsize=(12, 3.4 * rows), layout="constrained")
    for axis, (key, read, i) in zip(axes.flat, shown, strict=True):
        axis.imshow(read.drawn[i], **DRAWN)
        for points, style in zip((read.reckoned[i], read.true[i], read.predicted[i]), PATHS, strict=True):
            lines.append((axis.plot(*points.T, **style)[0], points))
        error, reckoned = read.errors()[i].mean(), read.errors(reckoned=True)[i].mean()
        axis.set_title(f"{key} {i}: {error:.3f} px²\n(dead reckoning {reckoned:.1f})", fontsize=10)
        paths = np.concatenate([read.true[i], read.reckoned[i]])
        (x, y), half = (paths.min(0) + paths.max(0)) / 2, max(12.0, float(np.ptp(paths, axis=0).max()) / 2 + 3)
        axis.set(xlim=(x - half, x + half), ylim=(y + half, y - half), xticks=[], yticks=[])
        axis.grid(False)
    figure.legend(handles=[line for line, _ in lines[2::-1]], loc="outside lower center", ncols=3)
    figure.suptitle(f"{name}: rollouts, from where walls hardly matter (left) to where they matter most (right)")
    animate(figure, lines, animation)
    return save(figure, path)
