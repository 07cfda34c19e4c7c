"""Phase 4's variation: transitions of codes, moved to where the same would have happened.

A wide gate learns its transitions by heart, so each is seen elsewhere every time it is drawn. Codes shift as frames do,
a wall matters to moves near it only, and what stops a move stops every move that goes the same way:

- each axis is mirrored with chance ½;
- every second transition ends, or would end, where it did, but begins elsewhere on its line: if it was made, farther
  on, and if it was stopped, farther back;
- a transition that comes near no border is shifted along that axis, by up to `SHIFT` px;
- one that comes near its wall takes wall and door along, as far as layouts occur;
- one that does not gets the layout of another, unless it would come near that one.

Where borders are, how far layouts reach and how long moves are is read from the codes: the farthest that occur.
Mirrors stand where the codes of frames and of their mirror images meet.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tiny_jepa.models.encoder import UNIT
from tiny_jepa.models.jepa import JEPA

SHIFT = 24 / UNIT  # code units, as the others
NEAR_WALL = 5 / UNIT
"""From the wall's centre, along x."""
NEAR_BORDER = 1 / UNIT
SHORTEST, LONGEST = 0.3, 1.5
"""Of a move's length, what is left of one that was made, and what a stopped one grows to."""


@dataclass(frozen=True)
class Variation:
    """Extents in code units, low and high [2, 2]: of agent codes, which end at the borders, and of layout codes. The
    longest action in px. Mirrors [2, 2] of agent and layout codes."""

    agent: Tensor
    layout: Tensor
    action: Tensor
    mirrors: Tensor

    @classmethod
    def within(cls, agent: Tensor, actions: Tensor, layouts: Tensor, mirrors: Tensor) -> "Variation":
        """agent [N, 2, 2], actions [N, 2] px and layouts [N, 2]: those that occur. mirrors: see `mirrors_of`."""
        low_high = [torch.stack([codes.amin(0), codes.amax(0)]) for codes in (agent.flatten(0, 1), layouts)]
        return cls(low_high[0], low_high[1], actions.norm(dim=-1).amax(), mirrors)

    def vary(
        self, agent: Tensor, actions: Tensor, moves: Tensor, layouts: Tensor, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """agent [B, 2, 2] (before and after), actions [B, 2] px, moves [B, 2] (what each adds to a code if nothing
        stops it), layouts [B, 2] -> agent, actions and layouts, varied."""
        sign = 1 - 2 * uniform(rng, len(moves), moves).round()
        agent = self.mirrors[0] + sign[:, None] * (agent - self.mirrors[0])
        layouts = self.mirrors[1] + sign * (layouts - self.mirrors[1])
        actions, moves = sign * actions, sign * moves
        agent, length = self.begin_elsewhere(agent, actions, moves, rng)
        agent, layouts = self.shift(agent, agent[:, 0] + length * moves, layouts, rng)
        return agent, length * actions, layouts

    def begin_elsewhere(
        self, agent: Tensor, actions: Tensor, moves: Tensor, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """-> agent, and what is left of each move's length, or more [B, 1]."""
        start, after = agent.unbind(1)
        made = was_made(agent, moves)
        drawn = uniform(rng, len(moves), moves)
        most = (self.action / actions.norm(dim=-1).clamp_min(1e-6)).clamp(1.0, LONGEST)
        length = 1 + torch.where(made, SHORTEST - 1, most - 1) * drawn[:, 0]
        end = torch.where(made[:, None], after, start + moves)
        begin = end - length[:, None] * moves
        begins = ((begin > self.agent[0]) & (begin < self.agent[1])).all(dim=1) & (drawn[:, 1] < 0.5)
        varied = torch.stack([begin, torch.where(made[:, None], end, begin)], dim=1)
        return torch.where(begins[:, None, None], varied, agent), torch.where(begins, length, 1.0)[:, None]

    def shift(self, agent: Tensor, ends: Tensor, layouts: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """ends [B, 2]: of the moves, were they free -> agent and layouts."""
        shift = SHIFT * (2 * uniform(rng, len(ends), ends) - 1)
        other = layouts[torch.from_numpy(rng.permutation(len(ends))).to(ends.device)]
        points = torch.stack([agent[:, 0], ends], dim=1)
        shift = shift * (self.inside(points) & self.inside(points + shift[:, None]))
        free, moved = away(points, layouts), points + shift[:, None]
        swapped = free & away(moved, other)
        carried = layouts + shift
        fits = (carried > self.layout[0]) & (carried < self.layout[1])
        shift = torch.where(free[:, None], shift * (swapped | away(moved, layouts))[:, None], shift * fits)
        here = torch.where(free[:, None], layouts, layouts + shift)
        return agent + shift[:, None], torch.where(swapped[:, None], other, here)

    def inside(self, points: Tensor) -> Tensor:
        """Which axes of points [B, P, 2] come near no border -> [B, 2] bool."""
        low, high = self.agent[0] + NEAR_BORDER, self.agent[1] - NEAR_BORDER
        return ((points > low) & (points < high)).all(dim=1)


@torch.no_grad()
def mirrors_of(model: JEPA, frames: Tensor) -> Tensor:
    """frames [N, 2, H, W] -> the agent and the layout code [2, 2] that lie half-way between those of a frame and of
    its mirror image, in the median."""
    images = frames.flip((-2, -1))
    means = [(encode(frames) + encode(images)) / 2 for encode in (model.encode_agent, model.encode_layout)]
    return torch.stack([mean.median(dim=0).values for mean in means])


def uniform(rng: np.random.Generator, count: int, like: Tensor) -> Tensor:
    """[count, 2] between 0 and 1."""
    return torch.from_numpy(rng.random((count, 2))).to(like)


def was_made(agent: Tensor, moves: Tensor) -> Tensor:
    """Which moves [B, 2] took agent codes [B, 2, 2] (before and after) along, rather than leaving them -> [B] bool."""
    return (agent[:, 1] - agent[:, 0]).norm(dim=-1) > 0.5 * moves.norm(dim=-1)


def away(points: Tensor, layouts: Tensor) -> Tensor:
    """Which points [B, P, 2] all lie on one side of their wall, layouts [B, 2], and not near it -> [B] bool."""
    beside = points[..., 0] - layouts[:, :1]
    return (beside > NEAR_WALL).all(dim=1) | (beside < -NEAR_WALL).all(dim=1)
