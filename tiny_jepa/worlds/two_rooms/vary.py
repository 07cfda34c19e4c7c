"""Wall/door-aware augmentation of transitions, in code space: moved to where the same would have happened.

A wide gate learns its transitions by heart, so each is seen elsewhere every time it is drawn. A wall matters to moves
near it only, and what stops a move stops a longer move in the same direction:

- every second transition ends, or would end, where it did, but begins elsewhere on its line: if it was made, farther
  on, and if it was stopped, farther back;
- a transition that comes near no border is shifted along that axis, by up to `SHIFT` px;
- one that comes near its wall takes wall and door along, as far as layouts occur;
- one that does not gets the layout of another, unless it would come near that one.

Where borders are, how far layouts reach and how long moves are is read from the codes: the farthest that occur.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tiny_jepa.worlds.codes import Transitions, was_made
from tiny_jepa.worlds.two_rooms.geometry import UNIT

SHIFT = 24 / UNIT  # code units, as the others
NEAR_WALL = 5 / UNIT
"""From the wall's centre, along x."""
NEAR_BORDER = 1 / UNIT
SHORTEST, LONGEST = 0.3, 1.5
"""Of a move's length, what is left of one that was made, and what a stopped one grows to."""


@dataclass(frozen=True)
class Variation:
    """Extents in code units, low and high [2, 2]: of agent codes, which end at the borders, and of layout codes. The
    longest action in px."""

    agent: Tensor
    layout: Tensor
    action: Tensor

    @classmethod
    def within(cls, transitions: Transitions) -> "Variation":
        """The extents of transitions that occur."""
        agent, layout = (
            torch.stack([codes.amin(0), codes.amax(0)]) for codes in (transitions.before, transitions.contexts[:, :2])
        )
        return cls(agent, layout, transitions.actions.norm(dim=-1).amax())

    def vary(self, drawn: Transitions, moves: Tensor, rng: np.random.Generator) -> Transitions:
        """Varied transitions; moves [B, 2] are what each action adds to a code if nothing stops it."""
        before, after, length = self.begin_elsewhere(drawn, moves, rng)
        shift, layout = self.shift(before, before + length * moves, drawn.contexts[:, :2], rng)
        contexts = torch.cat([layout, drawn.contexts[:, 2:]], dim=1)
        return Transitions(before + shift, after + shift, length * drawn.actions, contexts)

    def begin_elsewhere(
        self, drawn: Transitions, moves: Tensor, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """-> codes before and after, and what is left of each move's length, or more [B, 1]."""
        before, after, actions, _ = drawn
        made = was_made(before, after, moves)
        chance = uniform(rng, len(moves), moves)
        most = (self.action / actions.norm(dim=-1).clamp_min(1e-6)).clamp(1.0, LONGEST)
        length = 1 + torch.where(made, SHORTEST - 1, most - 1) * chance[:, 0]
        end = torch.where(made[:, None], after, before + moves)
        begin = end - length[:, None] * moves
        begins = ((begin > self.agent[0]) & (begin < self.agent[1])).all(dim=1) & (chance[:, 1] < 0.5)
        begins = begins[:, None]
        varied_after = torch.where(made[:, None], end, begin)
        return (
            torch.where(begins, begin, before),
            torch.where(begins, varied_after, after),
            torch.where(begins, length[:, None], 1.0),
        )

    def shift(self, before: Tensor, ends: Tensor, layouts: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """before, ends [B, 2]: of the moves, were they free -> shifts [B, 2] of the codes, layouts [B, 2]."""
        shift = SHIFT * (2 * uniform(rng, len(ends), ends) - 1)
        other = layouts[torch.from_numpy(rng.permutation(len(ends))).to(ends.device)]
        points = torch.stack([before, ends], dim=1)
        shift = shift * (self.inside(points) & self.inside(points + shift[:, None]))
        free, moved = away(points, layouts), points + shift[:, None]
        swapped = free & away(moved, other)
        carried = layouts + shift
        fits = (carried > self.layout[0]) & (carried < self.layout[1])
        shift = torch.where(free[:, None], shift * (swapped | away(moved, layouts))[:, None], shift * fits)
        here = torch.where(free[:, None], layouts, layouts + shift)
        return shift, torch.where(swapped[:, None], other, here)

    def inside(self, points: Tensor) -> Tensor:
        """Which axes of points [B, P, 2] come near no border -> [B, 2] bool."""
        low, high = self.agent[0] + NEAR_BORDER, self.agent[1] - NEAR_BORDER
        return ((points > low) & (points < high)).all(dim=1)


def uniform(rng: np.random.Generator, count: int, like: Tensor) -> Tensor:
    """[count, 2] between 0 and 1."""
    return torch.from_numpy(rng.random((count, 2))).to(like)


def away(points: Tensor, layouts: Tensor) -> Tensor:
    """Which points [B, P, 2] all lie on one side of their wall, layouts [B, 2], and not near it -> [B] bool."""
    beside = points[..., 0] - layouts[:, :1]
    return (beside > NEAR_WALL).all(dim=1) | (beside < -NEAR_WALL).all(dim=1)
