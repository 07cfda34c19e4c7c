"""Phase 3's transitions. A trained gate is open or shut beyond doubt in all but a few of a hundred; what is left to
learn is where exactly the line runs, and only the transitions near it say so. They are drawn more often than they
occur, and weighted back: the expected loss is the one-step loss of phase 2.
"""

from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange, repeat
from torch import Tensor

from tiny_jepa.models.predictor import GatedCell
from tiny_jepa.training.codes import Codes
from tiny_jepa.training.config import TrainingConfig
from tiny_jepa.training.one_step import one_step_terms
from tiny_jepa.training.vary import Variation, was_made

UNDECIDED = 4.0
"""Logits; beyond, a gate is open or shut to 2 %."""
OPEN = 0.9
"""A gate above lets its move through."""
REFRESH = 500
"""Steps after which the gate is asked again which transitions it is undecided about."""
SHARE = 0.75
"""Of a batch: undecided transitions."""
CHUNK = 4000
"""Transitions asked about at once: activations that stay in the cache."""


class Transitions(NamedTuple):
    """agent [N, 2, 2] (before and after), actions [N, 2] px, layouts [N, 2]."""

    agent: Tensor
    actions: Tensor
    layouts: Tensor

    def select(self, indices: Tensor) -> "Transitions":
        return Transitions(*(part[indices] for part in self))


def transitions_of(codes: Codes, layouts: Tensor) -> Transitions:
    """All transitions of trajectories whose layout codes are [N, 2]."""
    pairs = torch.stack([codes.agent[:, :-1], codes.agent[:, 1:]], dim=2)
    return Transitions(
        rearrange(pairs, "n t two d -> (n t) two d"),
        rearrange(codes.actions, "n t d -> (n t) d"),
        repeat(layouts, "n d -> (n t) d", t=codes.actions.shape[1]),
    )


@torch.no_grad()
def logits(cell: GatedCell, transitions: Transitions) -> Tensor:
    """The gate's logits [N]."""
    parts = zip(*(part.split(CHUNK) for part in transitions), strict=True)
    return torch.cat([cell.propose(agent[:, 0], actions, layouts)[1][:, 0] for agent, actions, layouts in parts])


@torch.no_grad()
def fit_action_map(cell: GatedCell, transitions: Transitions) -> None:
    """Sets the action map to the least-squares fit of the moves that the gate lets through. While gate and map learn
    together the gate stays a little shut and the map a little long; a line can be sharp only where the gate opens
    fully."""
    passed = transitions.select((torch.sigmoid(logits(cell, transitions)) > OPEN).nonzero()[:, 0])
    if len(passed.actions) > 100:
        moved = passed.agent[:, 1] - passed.agent[:, 0]
        # in double precision: sums over millions of rows. The default driver pivots by memory it does not clear.
        fitted = torch.linalg.lstsq(passed.actions.cpu().double(), moved.cpu().double(), driver="gelsd").solution
        cell.action.weight.copy_(rearrange(fitted, "a d -> d a"))


class Sharpening:
    """One-step training of a gate on transitions [N], encoders and action map frozen.

    A batch is a stratified sample: each stratum's mean counts by its share of the transitions, not of the batch
    (Owen 2013, "Monte Carlo theory, methods and examples", 8.4).
    """

    def __init__(
        self,
        cell: GatedCell,
        transitions: Transitions,
        config: TrainingConfig,
        batch: int,
        doubtful: Tensor | None = None,
        variation: Variation | None = None,
    ) -> None:
        self.cell, self.transitions, self.config, self.batch = cell, transitions, config, batch
        self.variation = variation
        self.divide(doubtful)

    def divide(self, doubtful: Tensor | None = None) -> None:
        """Asks the gate which transitions it is undecided about, or wrong; or takes an earlier answer [N] bool."""
        if doubtful is None:
            logit, (agent, actions, _) = logits(self.cell, self.transitions), self.transitions
            with torch.no_grad():
                moved = was_made(agent, self.cell.action(actions))
            doubtful = (logit.abs() < UNDECIDED) | ((logit > 0) != moved)
        self.doubtful = doubtful
        draws = round(SHARE * self.batch)
        self._strata = [(doubtful.nonzero()[:, 0], draws), ((~doubtful).nonzero()[:, 0], self.batch - draws)]

    def terms(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """The one-step losses over all transitions in px², estimated from a batch."""
        terms: dict[str, Tensor] = {}
        for members, draws in self._strata:
            if len(members):
                drawn = torch.from_numpy(rng.integers(0, len(members), draws)).to(members.device)
                agent, actions, layouts = self.transitions.select(members[drawn])
                if self.variation is not None:
                    moves = self.cell.action(actions).detach()
                    agent, actions, layouts = self.variation.vary(agent, actions, moves, layouts, rng)
                weight = len(members) / len(self.doubtful)
                for name, term in one_step_terms(self.cell, agent, actions[:, None], layouts, self.config).items():
                    terms[name] = terms.get(name, 0.0) + weight * term
        return terms
