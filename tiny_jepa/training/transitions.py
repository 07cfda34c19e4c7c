"""Transitions, and which of them the gate still has something to learn from.

A trained gate is open or shut beyond doubt in all but a few of a hundred; what is left to learn is where exactly the
line runs, and only the transitions near it say so. They are drawn more often than they occur, and weighted back: a
stratified sample, in which each stratum's mean counts by its share of all transitions (Owen 2013, "Monte Carlo theory,
methods and examples", 8.4).
"""

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from tiny_jepa.models.predictor import GatedCell
from tiny_jepa.worlds.codes import Transitions, was_made

UNDECIDED = 4.0
"""Logits; beyond, a gate is open or shut to 2 %."""
SHARE = 0.75
"""Of a batch: undecided transitions."""
NEARER = {1: 0.5, 2: 0.9}
"""By the number of gates: the share of the median move from which on one counts as made."""
MATTERS = 0.25
"""Of a move's length: below, what becomes of it along an axis does not matter."""
CHUNK = 8_192
"""Transitions asked about at once: activations that stay in the cache."""


@torch.no_grad()
def undecided(cell: GatedCell, transitions: Transitions) -> Tensor:
    """Which transitions the gate is undecided about, or wrong -> [N] bool."""
    answers = []
    for before, after, actions, contexts in zip(*(part.split(CHUNK) for part in transitions), strict=True):
        move, logit = cell.propose(before, actions, contexts)
        parts = [rearrange(each, "n (g d) -> n g d", g=logit.shape[-1]) for each in (before, after, move)]
        wrong = (logit > 0) != was_made(*parts)
        matters = parts[2].norm(dim=-1) >= MATTERS * move.norm(dim=-1, keepdim=True)
        answers.append((((logit.abs() < UNDECIDED) | wrong) & matters).any(dim=-1))
    return torch.cat(answers)


@torch.no_grad()
def expressible(cell: GatedCell, transitions: Transitions) -> Transitions:
    """Transitions whose moves gates can express. Where an agent was thrown aside, by more than half of its move, the
    move counts as one that was not made: what cannot be predicted is not to be walked into."""
    before, after, actions, contexts = transitions
    move, moved = cell.action * actions, after - before
    share = (moved * move / move.square().clamp_min(1e-12)).clamp(0, 1)
    aside = (moved - share * move).norm(dim=-1, keepdim=True) > 0.5 * move.norm(dim=-1, keepdim=True)
    return Transitions(before, torch.where(aside, before, after), actions, contexts)


class Strata:
    """Draws stratified batches of `size` out of transitions that are `undecided` [N] bool or not."""

    def __init__(self, undecided: Tensor, size: int) -> None:
        self.undecided = undecided
        often = round(SHARE * size)
        strata = [(undecided.nonzero()[:, 0], often), ((~undecided).nonzero()[:, 0], size - often)]
        self.members = [(indices, draws) for indices, draws in strata if len(indices)]
        drawn = sum(draws for _, draws in self.members)
        weights = [
            torch.full((draws, 1), len(indices) / len(undecided) * drawn / draws) for indices, draws in self.members
        ]
        self.weights = torch.cat(weights).to(undecided.device)

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Indices [B] of a batch, and the weights [B, 1] that make its mean an estimate of the mean over all."""
        drawn = [indices[torch.from_numpy(rng.integers(0, len(indices), n))] for indices, n in self.members]
        return torch.cat(drawn), self.weights


@torch.no_grad()
def fit_action(cell: GatedCell, transitions: Transitions) -> None:
    """Sets the action's scale to what the moves that were made say: first the median of all ratios, since most moves
    are made, then least squares over those nearer to it than to none; where moves may be made in part, over those near
    it. While phase 1 knows no walls, blocked moves make its scale too small, and a line can be sharp only where the
    gate opens fully."""
    actions, moved, nearer = transitions.actions, transitions.after - transitions.before, NEARER[cell.frame.gates]
    along, squared = (moved * actions).sum(-1), actions.square().sum(-1)
    ratio = along / squared.clamp_min(1e-12)
    made = (ratio > nearer * ratio[squared > 0].median()) & (squared > 0)
    if made.any():  # in double precision: sums over millions of rows
        cell.action.fill_(float(along[made].double().sum() / squared[made].double().sum()))
