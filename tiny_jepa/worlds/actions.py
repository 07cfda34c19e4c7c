"""The actions that a world allows: what a planner may choose from."""

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor


@dataclass(frozen=True)
class Actions:
    """Actions of two numbers, all up to a size of `limit`."""

    limit: float
    box: bool = False  # the size of an action is its larger number, not its norm

    def size(self, actions: Tensor) -> Tensor:
        """actions [..., 2] -> sizes [...] as shares of the limit: above 1 an action is not allowed."""
        return actions.norm(p=torch.inf if self.box else 2, dim=-1) / self.limit

    def clip(self, actions: Tensor) -> Tensor:
        """actions [..., 2] -> the same, or the longest allowed in their direction."""
        return actions / self.size(actions).clamp_min(1.0)[..., None]

    def spread(self, directions: int, sizes: int) -> Tensor:
        """Actions [1 + directions * sizes, 2]: none, then evenly spread directions and sizes, the largest last."""
        angle = torch.arange(directions) * (2 * pi / directions)
        circle = self.limit * torch.stack([angle.cos(), angle.sin()], dim=-1)
        shares = torch.arange(1, sizes + 1) / sizes
        rim = circle / self.size(circle)[:, None]
        return torch.cat([torch.zeros(1, 2), (shares[:, None, None] * rim).flatten(0, 1)])
