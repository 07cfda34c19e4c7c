"""What the gate is trained on: all that it sees of the moves of many trajectories, and what became of them.

The frozen encoder encodes the trajectories once. In a world of whole pixels, millions of moves look like a few thousand
different ones; each look is kept once.
"""

from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from tiny_jepa.data import TrajectorySet
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.models.map import Maps, widened
from tiny_jepa.models.predictor import GatedCell, was_made
from tiny_jepa.objectives import share_made
from tiny_jepa.progress import bar

TRAJECTORIES, MOVES = 64, 8_192
"""Encoded, or looked at, at once: activations that stay in the cache."""
SURE, UNSURE = 6.0, 0.2
"""Standard deviations; px: what is farther from pixel centres is looked at, however far codes err."""
NEARER = {1: 0.5, 2: 0.9}
"""By the number of gates: the share of the median move from which on one counts as made."""


class Codes(NamedTuple):
    """Of N trajectories: agent [N, T, 2], actions [N, T-1, 2] px, turned as the frame counts, maps for [N], each map
    that there is once."""

    agent: Tensor
    actions: Tensor
    maps: Maps

    def widened(self, radius: int) -> "Codes":
        """The same with maps in which all that is drawn reaches `radius` px farther."""
        return self._replace(maps=self.maps._replace(pixels=widened(self.maps.pixels, radius)))


@torch.no_grad()
def encode_trajectories(model: JEPA, dataset: TrajectorySet, indices: np.ndarray, device: torch.device) -> Codes:
    """Encodes the trajectories `indices` of a set."""
    count, steps = len(indices), dataset.length
    # filled in place: small tensors kept between large ones that come and go would split the heap
    agent, actions = torch.empty(count, steps, 2, device=device), torch.empty(count, steps - 1, 2, device=device)
    pixels, index = dict[bytes, tuple[int, Tensor]](), []

    with bar(total=count, desc="encoding trajectories", unit="traj", leave=False, mininterval=0.5) as shown:
        for start in range(0, count, TRAJECTORIES):
            part = slice(start, start + TRAJECTORIES)
            chunk = np.sort(indices[part])  # the kindest order for a memory-mapped file
            states = dataset.frames(chunk).to(device)
            agent[part], actions[part] = model.encode_agent(states), model.predictor.turned(dataset.actions(chunk))
            drawn = model.encode_context(states[:, 0]).cpu()
            index += [pixels.setdefault(each.numpy().tobytes(), (len(pixels), each))[0] for each in drawn]
            shown.update(len(chunk))
    unique = torch.stack([each for _, each in pixels.values()]).to(device)
    return Codes(agent, actions, Maps(unique, torch.tensor(index, device=device)))


@torch.no_grad()
def fit_action(cell: GatedCell, codes: Codes) -> None:
    """Sets the action's scale to what the moves that were made say: first the median of all ratios, since most moves
    are made, then least squares over those nearer to it than to none; where moves may be made in part, over those near
    it. While phase 1 knows no walls, blocked moves make its scale too small, and a line can be sharp only where the
    gate opens fully."""
    actions, moved, nearer = codes.actions, codes.agent.diff(dim=1), NEARER[cell.frame.gates]
    along, squared = (moved * actions).sum(-1), actions.square().sum(-1)
    ratio = along / squared.clamp_min(1e-12)
    made = (ratio > nearer * ratio[squared > 0].median()) & (squared > 0)
    if made.any():  # in double precision, on the CPU: sums over millions of rows
        cell.action.fill_(float(along[made].cpu().double().sum() / squared[made].cpu().double().sum()))


class Examples(NamedTuple):
    """What a gate sees [N, inputs], which share of such moves was made [N, gates], and how much of all squared lengths
    theirs are [N, gates], in code units squared a move: the weights of a mean squared error."""

    seen: Tensor
    share: Tensor
    weight: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, cell: GatedCell, codes: Codes) -> "Examples":
        """All moves of trajectories, each look once."""
        before, after, actions = (
            rearrange(each, "n t d -> (n t) d") for each in (codes.agent[:, :-1], codes.agent[:, 1:], codes.actions)
        )
        index = codes.maps.whose.repeat_interleave(codes.actions.shape[1])
        moves, moved, in_part = cell.action * actions, after - before, cell.frame.gates > 1
        sure = clear(cell, before, moves, moved)
        before, moves, moved, index = before[sure], moves[sure], moved[sure], index[sure]
        share, squared = share_made(moves, expressible(moves, moved) if in_part else moved, cell.frame.gates)
        chunks = zip(*(each.split(MOVES) for each in (before, moves, index, share, squared / len(moves))), strict=True)
        parts = [
            merged(cls(cell.view(code, move, Maps(codes.maps.pixels, whose)), made, weight))
            for code, move, whose, made, weight in chunks
        ]
        looks = merged(cls(*(torch.cat(each) for each in zip(*parts, strict=True))))
        return looks if in_part else looks._replace(share=looks.share.round())  # what noise is left is outvoted


def merged(examples: Examples) -> Examples:
    """Each look once, with the mean of its shares and the sum of its weights."""
    seen, whose = torch.unique(examples.seen, dim=0, return_inverse=True)
    zeros = torch.zeros(len(seen), examples.share.shape[1], device=seen.device)
    weight = zeros.index_add(0, whose, examples.weight)
    made = zeros.index_add(0, whose, examples.weight * examples.share)
    return Examples(seen, made / weight.clamp_min(1e-30), weight)


def clear(cell: GatedCell, before: Tensor, moves: Tensor, moved: Tensor) -> Tensor:
    """Which moves [N, 2] begin and end farther from all pixel centres than codes err -> [N] bool. On which side of a
    centre the others are is noise. How much codes err is seen from moves that were made."""
    made = was_made(before, before + moved, moves)
    error = (moved - moves)[made].abs().median() / 0.6745 / 2**0.5  # of a code: a standard deviation
    places = cell.frame.unit * torch.stack([before, before + moves], dim=1)
    far = (places - places.round()).abs() > (SURE * cell.frame.unit * error).clamp(max=UNSURE)
    return far.all(dim=2).all(dim=1)


def expressible(moves: Tensor, moved: Tensor) -> Tensor:
    """Moves and what was moved [N, 2] -> what was moved as gates can express it. Where an agent was thrown aside, by
    more than half of its move, the move counts as one that was not made: what cannot be predicted is not to be walked
    into."""
    share = (moved * moves / moves.square().clamp_min(1e-12)).clamp(0, 1)
    aside = (moved - share * moves).norm(dim=-1, keepdim=True) > 0.5 * moves.norm(dim=-1, keepdim=True)
    return torch.where(aside, 0.0, moved)


class Draws:
    """Batches of examples by the square roots of their weights: what is rare counts for more than it occurs. Where
    there are no more than `size`, each batch is all of them."""

    def __init__(self, examples: Examples, size: int) -> None:
        self.examples, self.size = examples, size
        roots = examples.weight.sqrt()
        self.weights = roots / roots.sum()
        self.up_to = self.weights.sum(1).cumsum(0).cpu().numpy()

    def draw(self, rng: np.random.Generator) -> tuple[Examples, Tensor]:
        """A batch and its weights [B, gates], which sum to 1."""
        if len(self.examples.seen) <= self.size:
            return self.examples, self.weights
        drawn = np.searchsorted(self.up_to, self.up_to[-1] * rng.random(self.size), side="right")
        indices = torch.from_numpy(drawn.clip(max=len(self.up_to) - 1)).to(self.weights.device)
        chosen = self.weights[indices]
        return Examples(*(part[indices] for part in self.examples)), chosen / chosen.sum(1, keepdim=True) / self.size
