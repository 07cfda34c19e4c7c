"""The room's geometry and its layouts. Coordinates are (x, y) in px: x the column, y the row, a pixel's centre at its
index."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from tiny_jepa.options import settings, within

UNIT = 16.0
"""Codes are in units of this many px, so that they are of order one."""
UNSEEN_WALLS = (37, 38, 39, 40, 41)
"""Wall columns that never appear in training: the unseen-layout set."""


@settings
class Geometry:
    """Settings of the two-room world; the defaults are the course's (see docs/worlds.md)."""

    size: Annotated[int, within(41, 10**4)] = 64  # image side in px, with room for a wall; 64 and 65 are in use
    border: int = 4  # border lines at rows and columns `border` and `size - 1 - border`
    wall_half: Annotated[int, within(0, 9)] = 1  # wall columns c - wall_half .. c + wall_half
    door_half: Annotated[int, within(1, 9)] = 4  # open rows d - door_half .. d + door_half
    wall_margin: int = 20  # wall centres from `wall_margin` to `size - 1 - wall_margin`
    door_margin: int = 10  # door centres from `door_margin` to `size - 1 - door_margin`
    dot_std: float = 1.3  # standard deviation of the agent's Gaussian in px

    @property
    def far_border(self) -> int:
        return self.size - 1 - self.border

    @property
    def wall_columns(self) -> range:
        return range(self.wall_margin, self.size - self.wall_margin)

    @property
    def door_rows(self) -> range:
        return range(self.door_margin, self.size - self.door_margin)

    def columns(self, which: str) -> list[int]:
        """The wall columns of two rooms: "all", "seen" in training or "unseen"."""
        return [c for c in self.wall_columns if which == "all" or (c in UNSEEN_WALLS) == (which == "unseen")]


def sample_layouts(
    world: Geometry, count: int, rng: np.random.Generator, allowed: Sequence[Sequence[int]] | None = None
) -> np.ndarray:
    """Layouts [count, 2] int64: (wall centre column, door centre row), uniform over those allowed, or over all."""
    return np.stack([rng.choice(each, count) for each in allowed or (world.wall_columns, world.door_rows)], axis=1)
