"""Pictures of where a model of the two rooms errs: over time, over the room, what its gate reads, and rollouts.
Solid or red is the model, dashed or grey is dead reckoning."""

from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from einops import rearrange
from torch import nn

from benchmarks.shared import FLOOR, run
from tiny_jepa.commands import choose, the_course
from tiny_jepa.data import Source, open_source
from tiny_jepa.models.map import Maps
from tiny_jepa.models.predictor import GatedCell
from tiny_jepa.plotting import MISSED, OURS, TRUE, animate, pyplot, save
from tiny_jepa.probing.measure import evaluators, train_prober
from tiny_jepa.probing.representations import in_order
from tiny_jepa.probing.subjects import DeadReckoning

DRAWN: dict[str, Any] = {"interpolation": "nearest", "cmap": "Greys", "vmin": 0, "vmax": 1.3}
RANKS = np.linspace(0.1, 0.99, 4)
PIXELS = {"xlabel": "column, px", "ylabel": "row, px"}
PATHS: tuple[dict[str, Any], ...] = (
    {"color": MISSED, "ls": ":", "lw": 2, "label": "dead reckoning (walls ignored)"},
    {"color": TRUE, "marker": "o", "ms": 4, "lw": 1, "label": "true path"},
    {"color": OURS, "marker": "x", "ms": 6, "ls": "", "label": "predicted from the first frame and the actions"},
)


class ReadOut(NamedTuple):
    """What a prober reads of one set, the truth, dead reckoning, all [N, T, 2] px; and the drawings [N, H, W] bool."""

    predicted: np.ndarray
    true: np.ndarray
    reckoned: np.ndarray
    drawn: np.ndarray

    def errors(self, reckoned: bool = False) -> np.ndarray:
        """The model's, or dead reckoning's, at every step: [N, T] px²."""
        return (((self.reckoned if reckoned else self.predicted) - self.true) ** 2).mean(-1)


def read_out_all(model: nn.Module, source: Source) -> dict[str, ReadOut]:
    """Every set that the source has, by the name of its loss, read by one prober a group."""
    found, frame, reckoning = {}, source.world.frame, DeadReckoning(0, source.world.frame)
    for evaluator in filter(None, evaluators(model, source, "cpu", source.world.groups)):
        prober = train_prober(evaluator, 0)
        for name, loader in evaluator.val_ds.items():
            predicted = torch.cat([read for read, _ in evaluator.read_out(prober, loader)]).numpy()
            states, true, actions = map(torch.cat, zip(*in_order(loader), strict=True))
            parts = (true, frame.unit * reckoning(states, actions), states[:, 0, frame.map] > 0)
            # the last batch was not read where it is not full
            found[name] = ReadOut(predicted, *(part[: len(predicted)].numpy() for part in parts))
    return found


def over_time(sets: dict[str, ReadOut], name: str, path: Path) -> Path:
    """Error at each time step, a colour a set: short sets beside long ones."""
    figure, axes = pyplot().subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    for i, (key, read) in enumerate(sorted(sets.items(), key=lambda each: each[1].true.shape[1])):
        axis = axes[int(read.true.shape[1] > 30)]
        axis.plot(np.maximum(read.errors().mean(0), FLOOR), color=f"C{i}", label=key, lw=2)
        axis.plot(np.maximum(read.errors(True).mean(0), FLOOR), "--", color=f"C{i}", alpha=0.5)
    for axis in axes:
        axis.set(yscale="log", xlabel="time step (0 is the only frame seen)")
        axis.set_ylabel(f"error, px² (below {FLOOR:g}: drawn there)")
    axes[-1].plot([], [], "--", color=MISSED, label="dead reckoning (walls ignored)")
    figure.legend(loc="outside lower center", ncols=6)
    figure.suptitle(f"{name}: how the error grows as the model predicts further ahead")
    return save(figure, path)


def maps(read: ReadOut, name: str, path: Path) -> Path:
    """Where in the room the error is made: the model beside dead reckoning."""
    from matplotlib.colors import LogNorm

    side, image = read.drawn.shape[-1], None
    edges, places = np.linspace(0, side, side // 3), read.true.reshape(-1, 2)[:, ::-1]
    figure, axes = pyplot().subplots(1, 2, figsize=(10, 4.8), layout="constrained")
    for axis, who in zip(axes, (name, "dead reckoning"), strict=True):
        errors = read.errors(who != name).ravel()
        sums, counts = (np.histogramdd(places, [edges, edges], weights=each)[0] for each in (errors, None))
        cells = np.clip(sums / np.where(counts > 0, counts, np.nan), FLOOR, 1e2)
        image = axis.pcolormesh(edges, edges, cells, norm=LogNorm(FLOOR, 1e2), cmap="magma_r")
        axis.set(title=who, aspect="equal", ylim=(side, 0), **PIXELS)
        axis.grid(False)
    figure.colorbar(image, ax=axes, label="mean error, px² (white: nobody was there)", shrink=0.6)
    figure.suptitle("Where the error is made: agent's true place on the normal set, all time steps")
    return save(figure, path)


@torch.no_grad()
def look(cell: GatedCell, drawn: np.ndarray, start: np.ndarray, move: np.ndarray) -> Any:
    """What a gate reads of a move [2] px from a start [2] px in a drawing [H, W]: low corners of the `cells` that it
    passes [C, 2], their `logits` [C], the pixels that it is `told` of [K, 2], and the `share` of these drawn."""
    code, way = (torch.from_numpy(each).float()[None] / cell.frame.unit for each in (start, move))
    seen = cell.view(code, way, Maps.of(255 * torch.from_numpy(drawn).byte()[None]))
    passed, told_of_start = seen.split(cell.inputs, dim=-1)
    passed = torch.unique_consecutive(rearrange(passed, "1 (c k) -> c k", c=cell.cells), dim=0)
    alone = torch.cat([passed.repeat(1, cell.cells), told_of_start.expand(len(passed), -1)], dim=1)
    forward = np.where(move >= 0, 1, -1)
    nearest = passed[:, len(cell.patch) :][:, :2].numpy() + np.floor(forward * start)
    told = rearrange(forward * (nearest[:, None] + np.array(cell.patch)), "c p k -> (c p) k")
    x, y = told.astype(int).clip(0, len(drawn) - 1).T
    found = SimpleNamespace(drawn=drawn, move=np.stack([start, start + move]), told=told, share=drawn[y, x].mean())
    found.cells, found.logits = np.where(forward > 0, nearest, -nearest - 1), cell.gate_logit(alone)[:, 0].numpy()
    return found


def looks(cell: GatedCell, read: ReadOut) -> list[Any]:
    """Of the first 300 moves that pass four cells near a wall: one that was made and one that was blocked, which saw as
    many drawn pixels as free ones, and the blocked one that saw the fewest drawn."""
    moves, true = np.diff(read.reckoned, axis=1), read.true
    crossed = np.abs(np.floor(true[:, :-1] + moves) - np.floor(true[:, :-1])).sum(-1)

    def near(place: np.ndarray, drawn: np.ndarray) -> bool:
        return np.linalg.norm(np.argwhere(drawn)[:, ::-1] - place, axis=-1).min() < 2

    which = ((i, t) for i, t in np.argwhere(crossed >= 3) if near(true[i, t], read.drawn[i]))
    seen: dict[bool, list[Any]] = {True: [], False: []}
    for i, t in islice(which, 300):
        seen[bool((true[i, t + 1] != true[i, t]).any())].append(look(cell, read.drawn[i], true[i, t], moves[i, t]))
    mixed = [min(some, key=lambda each: abs(each.share - 0.5)) for some in seen.values() if some]
    return mixed + sorted(seen[False], key=lambda each: each.share)[:1]


def reads(cell: GatedCell, read: ReadOut, name: str, path: Path) -> Path:
    """What the gate reads of a few moves: the cells that each passes, in the colour of the gate's logit there, and the
    pixels that it is told of."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import CenteredNorm

    seen = looks(cell, read)
    figure, axes = pyplot().subplots(1, 3, figsize=(12, 4.2), layout="constrained")
    shade = ScalarMappable(CenteredNorm(halfrange=max(np.abs(each.logits).max() for each in seen)), "RdBu")
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
    """True and predicted paths over the layout, as a strip and as a GIF: four of each of the first two sets, from where
    walls hardly matter to where they matter most, by dead reckoning's error, so that nobody chose them by hand."""
    orders = {key: np.argsort(sets[key].errors(True).mean(1), kind="stable") for key in list(sets)[:2]}
    shown = [(key, order[int(rank * (len(order) - 1))]) for key, order in orders.items() for rank in RANKS]
    figure, axes = pyplot().subplots(len(orders), 4, figsize=(12, 3.4 * len(orders)), layout="constrained")
    lines: list[Any] = []
    for axis, (key, i) in zip(axes.flat, shown, strict=True):
        read = sets[key]
        ways = np.stack([read.reckoned[i], read.true[i], read.predicted[i]])
        axis.imshow(read.drawn[i], **DRAWN)
        lines += [(axis.plot(*way.T, **style)[0], way) for way, style in zip(ways, PATHS, strict=True)]
        error, reckoned = read.errors()[i].mean(), read.errors(True)[i].mean()
        axis.set_title(f"{key} {i}: {error:.3f} px²\n(dead reckoning {reckoned:.1f})", fontsize=10)
        low, high = ways[:2].min((0, 1)), ways[:2].max((0, 1))
        (x, y), half = (low + high) / 2, max(12.0, float((high - low).max()) / 2 + 3)
        axis.set(xlim=(x - half, x + half), ylim=(y + half, y - half), xticks=[], yticks=[])
        axis.grid(False)
    figure.legend(handles=[line for line, _ in lines[2::-1]], loc="outside lower center", ncols=3)
    figure.suptitle(f"{name}: rollouts, from where walls hardly matter (left) to where they matter most (right)")
    animate(figure, lines, animation)
    return save(figure, path)


def main(weights: Path | None = None, budget: str | None = None, data: str | None = None, out: Path = Path("looks")):
    pyplot()  # says at once where matplotlib is missing
    subject, world = choose(weights, budget)
    source = open_source(data, the_course(world, "a look"))
    print(subject.describe(), f"Data: {source.describe()}", sep="\n", flush=True)
    sets, name = read_out_all(subject.model, source), f"tiny_jepa {subject.name}"
    over_time(sets, name, out / "over_time.png")
    maps(sets["normal"], name, out / "maps.png")
    reads(subject.model.predictor, sets["normal"], name, out / "reads.png")
    rollouts(sets, name, out / "rollouts.png", out / "rollouts.gif")
    print(f"\nwrote {out}/")


if __name__ == "__main__":
    run(main)
