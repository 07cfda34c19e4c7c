"""Deeper looks at a model's errors: the numbers behind the pictures. Errors are MSEs over x and y in px²."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from torch import nn

from tiny_jepa.data import Source
from tiny_jepa.errors import UserError
from tiny_jepa.models.map import Maps
from tiny_jepa.models.predictor import GatedCell
from tiny_jepa.probing.measure import evaluators, train_prober
from tiny_jepa.probing.representations import FrozenModel, in_order
from tiny_jepa.probing.subjects import DeadReckoning


@dataclass(frozen=True)
class ReadOut:
    """What a prober reads of one set, beside the truth and beside dead reckoning."""

    predicted: np.ndarray  # [N, T, 2] px
    true: np.ndarray  # [N, T, 2] px
    reckoned: np.ndarray  # [N, T, 2] px
    drawn: np.ndarray  # [N, H, W] bool: the pixels of walls and borders

    def errors(self, reckoned: bool = False) -> np.ndarray:
        """The model's, or dead reckoning's, at every step: [N, T] px²."""
        return (((self.reckoned if reckoned else self.predicted) - self.true) ** 2).mean(-1)

    @cached_property
    def distance(self) -> np.ndarray:
        """From the agent's true place to the nearest drawn pixel: [N, T] px."""
        pairs = zip(torch.from_numpy(self.true), torch.from_numpy(self.drawn), strict=True)
        return np.stack([torch.cdist(true, drawn.nonzero().flip(1).float()).amin(1).numpy() for true, drawn in pairs])


def read_out_all(
    model: nn.Module, source: Source, prober_source: Source, device: torch.device | str
) -> dict[str, ReadOut]:
    """Every set that the source has, by the name of its loss, read by one prober a group."""
    found, frame = {}, source.world.frame
    reckoning = FrozenModel(DeadReckoning(0, frame), device)
    for evaluator in filter(None, evaluators(model, source, device, source.world.groups, prober_source)):
        prober = train_prober(evaluator, 0)
        for name, loader in evaluator.val_ds.items():
            predicted = torch.cat([read for read, _ in evaluator.read_out(prober, loader)]).cpu().numpy()
            columns, groups, true = (part.cpu().numpy() for part in reckoning.represent(loader))
            drawn = np.concatenate([batch.states[:, 0, frame.map or 0].numpy() > 0 for batch in in_order(loader)])
            whole = slice(len(predicted))  # the last batch is left out where it is not full
            found[name] = ReadOut(predicted, true[whole], columns[whole][..., groups] * frame.unit, drawn[whole])
    if not found:
        raise UserError(f"{source.describe()}: no probing set to look at, or none to train a prober on")
    return found


def binned(errors: np.ndarray, edges: np.ndarray, *places: np.ndarray) -> np.ndarray:
    """Mean error of each bin of the coordinates `places`, an axis each; nan where nothing was."""
    flat, bins = [each.ravel() for each in places], [edges] * len(places)
    sums, counts = np.histogramdd(flat, bins, weights=errors.ravel())[0], np.histogramdd(flat, bins)[0]
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def examples(sets: dict[str, ReadOut], each: int) -> list[tuple[str, ReadOut, int]]:
    """`each` trajectories of the first two sets: from where walls hardly matter to where they matter most, by dead
    reckoning's error, so that nobody chose them by hand."""
    chosen: list[tuple[str, ReadOut, int]] = []
    for name, read in list(sets.items())[:2]:
        order = np.argsort(read.errors(reckoned=True).mean(1), kind="stable")
        ranks = np.linspace(0.1, 0.99, each) * (len(order) - 1)
        chosen += [(name, read, int(order[int(rank)])) for rank in ranks]
    return chosen


class Look(NamedTuple):
    """What a gate reads of one move. All places are px."""

    drawn: np.ndarray  # [H, W] bool
    move: np.ndarray  # [2, 2]: from where to where
    cells: np.ndarray  # [C, 2]: low corners of the cells that it passes, in order
    logits: np.ndarray  # [C]: the least one decides
    told: np.ndarray  # [K, 2]: the pixels that the gate is told of
    share: float  # of those pixels that are drawn


@torch.no_grad()
def look(cell: GatedCell, drawn: np.ndarray, start: np.ndarray, move: np.ndarray) -> Look:
    """One move [2] px from a start [2] px in a drawing [H, W]."""
    code, way = (torch.from_numpy(each).float()[None] / cell.frame.unit for each in (start, move))
    seen = cell.view(code, way, Maps.of(255 * torch.from_numpy(drawn).byte()[None]))
    passed, told_of_start = seen.split(cell.inputs, dim=-1)
    passed = torch.unique_consecutive(rearrange(passed, "1 (c k) -> c k", c=cell.cells), dim=0)
    alone = torch.cat([passed.repeat(1, cell.cells), told_of_start.expand(len(passed), -1)], dim=1)
    forward = np.where(move >= 0, 1, -1)
    nearest = passed[:, len(cell.patch) :][:, :2].numpy() + np.floor(forward * start)
    told = rearrange(forward * (nearest[:, None] + np.array(cell.patch)), "c p k -> (c p) k")
    corners = np.where(forward > 0, nearest, -nearest - 1)
    x, y = told.astype(int).clip(0, len(drawn) - 1).T
    logits, share = cell.gate_logit(alone)[:, 0].numpy(), float(drawn[y, x].mean())
    return Look(drawn, np.stack([start, start + move]), corners, logits, told, share)


def looks(cell: GatedCell, read: ReadOut) -> list[Look]:
    """Of the first 300 moves that pass four cells near a wall: one that was made and one that was blocked, which saw as
    many drawn pixels as free ones, and the blocked one that saw the fewest drawn."""
    moves, true = np.diff(read.reckoned, axis=1), read.true
    crossed = np.abs(np.floor(true[:, :-1] + moves) - np.floor(true[:, :-1])).sum(-1)
    which = np.argwhere((crossed >= 3) & (read.distance[:, :-1] < 2))[:300]
    seen: dict[bool, list[Look]] = {True: [], False: []}
    for i, t in which:
        seen[bool((true[i, t + 1] != true[i, t]).any())].append(look(cell, read.drawn[i], true[i, t], moves[i, t]))
    mixed = [min(some, key=lambda each: abs(each.share - 0.5)) for some in seen.values() if some]
    return mixed + sorted(seen[False], key=lambda each: each.share)[:1]
