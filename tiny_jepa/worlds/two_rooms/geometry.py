"""The room's geometry and its layouts. Coordinates are (x, y) in px: x the column, y the row, a pixel's
centre at its index."""

from dataclasses import dataclass

import numpy as np

UNIT = 16.0
"""Codes are in units of this many px, so that they are of order one."""
UNSEEN_WALLS = (37, 38, 39, 40, 41)
"""Wall columns that never appear in training: the unseen-layout set."""


@dataclass(frozen=True)
class Geometry:
    """Settings of the two-room world; the defaults are the course's (see docs/world.md)."""

    size: int = 64  # image side in px; 64 and 65 are in use
    border: int = 4  # border lines at rows and columns `border` and `size - 1 - border`
    wall_half: int = 1  # wall columns c - wall_half .. c + wall_half
    door_half: int = 4  # open rows d - door_half .. d + door_half
    wall_margin: int = 20  # wall centres from `wall_margin` to `size - 1 - wall_margin`
    door_margin: int = 10  # door centres from `door_margin` to `size - 1 - door_margin`
    dot_std: float = 1.3  # standard deviation of the agent's Gaussian in px

    def __post_init__(self) -> None:
        if self.far_border - self.border < 4 or self.wall_margin > self.size - 1 - self.wall_margin:
            raise ValueError(f"a world of {self.size} px has no room for walls from column {self.wall_margin}")
        if self.wall_half < 0 or self.door_half < 1:
            raise ValueError("a wall needs wall_half >= 0, a door door_half >= 1")

    @property
    def far_border(self) -> int:
        return self.size - 1 - self.border

    @property
    def wall_columns(self) -> range:
        return range(self.wall_margin, self.size - self.wall_margin)

    @property
    def door_rows(self) -> range:
        return range(self.door_margin, self.size - self.door_margin)


def sample_layouts(
    world: Geometry,
    count: int,
    rng: np.random.Generator,
    exclude: tuple[int, ...] = (),
    only: tuple[int, ...] | None = None,
    exclude_doors: tuple[int, ...] = (),
) -> np.ndarray:
    """Layouts [count, 2] int64: (wall centre column, door centre row), uniform over what is allowed.

    Raises:
        ValueError: when no wall column or door row is left.
    """
    walls = [c for c in (world.wall_columns if only is None else only) if c not in exclude]
    doors = [d for d in world.door_rows if d not in exclude_doors]
    if not walls or not doors:
        raise ValueError("no wall column or door row is left after the exclusions")
    return np.stack([rng.choice(walls, count), rng.choice(doors, count)], axis=1)
