"""Phase 4's variation: transitions of codes, moved to where the same would have happened.

A wide gate learns its transitions by heart, so each is seen elsewhere every time it is drawn. Codes shift as frames do,
and a wall matters to moves near it only:

- a transition that comes near no border is shifted along that axis, by up to `SHIFT` px;
- one that comes near its wall takes wall and door along, as far as layouts occur;
- one that does not gets the layout of another, unless it would come near that one.

Where borders are and how far layouts reach is read from the codes: the farthest that occur.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tiny_jepa.models.encoder import UNIT

SHIFT = 24 / UNIT  # code units, as the others
NEAR_WALL = 5 / UNIT
"""From the wall's centre, along x."""
NEAR_BORDER = 1 / UNIT


@dataclass(frozen=True)
class Variation:
    """Extents in code units, low and high [2, 2]: of agent codes, which end at the borders, and of layout codes."""

    agent: Tensor
    layout: Tensor

    @classmethod
    def within(cls, agent: Tensor, layouts: Tensor) -> "Variation":
        """agent [N, 2, 2] and layouts [N, 2]: those that occur."""
        return cls(*(torch.stack([codes.amin(0), codes.amax(0)]) for codes in (agent.flatten(0, 1), layouts)))

    def vary(self, agent: Tensor, ends: Tensor, layouts: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """agent [B, 2, 2] (before and after), ends [B, 2] (of the moves, were they free), layouts [B, 2] -> agent and
        layouts, varied."""
        drawn = torch.from_numpy(rng.random((len(ends), 2))).to(ends.dtype).to(ends.device)
        shift = SHIFT * (2 * drawn - 1)
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


def away(points: Tensor, layouts: Tensor) -> Tensor:
    """Which points [B, P, 2] all lie on one side of their wall, layouts [B, 2], and not near it -> [B] bool."""
    beside = points[..., 0] - layouts[:, :1]
    return (beside > NEAR_WALL).all(dim=1) | (beside < -NEAR_WALL).all(dim=1)
