"""The room's geometry, its walls, and what stops at them: the one implementation under generators and environment.
Coordinates are (x, y) in px: x the column, y the row, a pixel's centre at its index.

Walls are boxes of drawn pixels [..., K, 4]: x_low, x_high, y_low, y_high, whole px, both ends drawn.

A box stops agents at its outer columns' centres, x_low and x_high, and one px outside its rows, at y_low - 1 and
y_high + 1: so the public generator has it. A scene that has fewer walls than others has the rest far outside.

In any drawing, that rule is one of cells, the squares between four neighbouring pixel centres: an upright side of a
cell stops agents if one of its two pixels is drawn, and between two such sides the cell is wall.
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np
from einops import rearrange

from tiny_jepa.options import settings, within

UNIT = 16.0
"""Codes are in units of this many px, so that they are of order one."""
UNSEEN_WALLS = (37, 38, 39, 40, 41)
"""Wall columns that never appear in training: the unseen-layout set."""
FAR = 1000
"""px: outside every frame, on either side."""
REACH = np.array([0, 0, -1, 1], np.int16)
"""px: from a box's outer pixels to the faces that stop."""


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


def upright(world: Geometry, columns: np.ndarray, doors: np.ndarray) -> np.ndarray:
    """Boxes [N, W * (D + 1), 4] int16 of W upright walls with centres `columns` [N, W], each with D doors with centres
    `doors` [N, W, D], sorted."""
    ends = np.full((*columns.shape, 1), FAR)
    low = np.concatenate([-ends, doors + world.door_half + 1], axis=-1)
    high = np.concatenate([doors - world.door_half - 1, ends], axis=-1)
    columns = np.broadcast_to(columns[..., None], low.shape)
    boxes = np.stack([columns - world.wall_half, columns + world.wall_half, low, high], axis=-1)
    return rearrange(boxes, "n w pieces box -> n (w pieces) box").astype(np.int16)


def boxes_of(world: Geometry, layouts: np.ndarray) -> np.ndarray:
    """Boxes [N, 2, 4] of two rooms: layouts [N, 2] (wall centre, door centre)."""
    return upright(world, layouts[:, :1], layouts[:, 1:, None])


def layouts_of(walls: np.ndarray) -> np.ndarray:
    """Layouts [N, 2] int64 of two rooms' boxes [N, 2, 4]."""
    centres = walls[:, 0, 0] + walls[:, 0, 1], walls[:, 0, 3] + walls[:, 1, 2]
    return np.stack(centres, axis=1).astype(np.int64) // 2


def inside(walls: np.ndarray, points: np.ndarray, margin: float = 0.0) -> np.ndarray:
    """Which points [..., 2] px lie in a box of walls [..., K, 4], or within `margin` px of one."""
    x_low, x_high, y_low, y_high = np.moveaxis(walls + REACH, -1, 0)
    x, y = np.moveaxis(points[..., None, :], -1, 0)
    across, along = (x_low - margin <= x) & (x <= x_high + margin), (y_low - margin < y) & (y < y_high + margin)
    return (across & along).any(-1)


def step(
    world: Geometry, locations: np.ndarray, actions: np.ndarray, walls: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Moves agents by one action each: locations, actions [..., 2] px and walls [..., K, 4], which broadcast -> the new
    locations [..., 2] and which moves were blocked [...] bool.

    A move ends at location + action, unless its segment touches a border, touches a wall's upright face between its
    level ones or crosses a level face inwards; then the agent stays exactly where it was: no sliding, no noise.
    """
    target = locations + actions
    blocked = ((target <= world.border) | (target >= world.far_border)).any(-1)
    low, high = (bound(locations, target)[..., None, :] for bound in (np.minimum, np.maximum))
    # only a move that comes near a box can meet it
    near = ((walls[..., ::2] <= high + 1) & (walls[..., 1::2] >= low - 1)).all(-1) & ~blocked[..., None]
    each = np.nonzero(near)
    start, end = (np.broadcast_to(points[..., None, :], (*near.shape, 2))[each] for points in (locations, target))
    near[each] = _meets(start, end, np.broadcast_to(walls, (*near.shape, 4))[each])
    blocked = blocked | near.any(-1)
    return np.where(blocked[..., None], locations, target), blocked


def _meets(start: np.ndarray, end: np.ndarray, walls: np.ndarray) -> np.ndarray:
    """Whether the segments start -> end [N, 2] are stopped by the boxes [N, 4], one each -> [N] bool."""
    (x0, y0), (x1, y1), (dx, dy) = start.T, end.T, (end - start).T
    left, right, top, bottom = (walls + REACH).T

    def between(x0, dx, face, y0, dy, low, high):
        """Whether the segment's line is strictly between low and high where it crosses the face."""
        # products, not quotients: exact wherever the coordinates are
        shift = (face - x0) * dy
        return np.sign((y0 - low) * dx + shift) * np.sign((y0 - high) * dx + shift) < 0

    upright = [((np.minimum(x0, x1) <= face) & (face <= np.maximum(x0, x1)), face) for face in (left, right)]
    level = [((y0 <= top) & (top < y1), top), ((y1 < bottom) & (bottom <= y0), bottom)]
    stops = [touches & between(x0, dx, face, y0, dy, top, bottom) for touches, face in upright]
    stops += [inwards & between(y0, dy, face, x0, dx, left, right) for inwards, face in level]
    return np.any(stops, axis=0)


class Cells(NamedTuple):
    """Of drawings [..., S, S]: which upright sides of cells stop [..., S - 1, S], and which cells are wall
    [..., S - 1, S - 1], all beyond the borders among them. A cell is named by its pixel of least row and column."""

    sides: np.ndarray
    wall: np.ndarray

    @classmethod
    def of(cls, drawn: np.ndarray) -> "Cells":
        border, shown = Geometry.border, drawn.astype(bool)
        shown[..., [border, -border - 1]], shown[..., [border, -border - 1], :] = True, False
        sides = shown[..., 1:, :] | shown[..., :-1, :]
        wall = sides[..., 1:] & sides[..., :-1]
        for lines in (wall, wall.swapaxes(-1, -2)):
            lines[..., :border] = lines[..., -border:] = True
        return cls(sides, wall)

    def step(self, locations: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As the other `step`, for agents that are in no wall; what [...] the drawings have broadcasts, too."""
        size, start, target = self.sides.shape[-1], *np.broadcast_arrays(locations, locations + actions)
        blocked = ((target <= Geometry.border) | (target >= size - 1 - Geometry.border)).any(-1)
        whose = np.arange(self.wall[..., 0, 0].size).reshape(*self.wall.shape[:-2], 1)
        for axis, stops in enumerate(self):
            begin, end = start[..., axis, None], target[..., axis, None]
            line = np.ceil(np.minimum(begin, end)) + np.arange(2 + int(np.abs(actions).max(initial=0)))
            share = (line - begin) / np.where(begin == end, np.inf, end - begin)
            place = start[..., 1 - axis, None] + share * (target - start)[..., 1 - axis, None]
            if axis == 0:
                met, index = line <= np.maximum(begin, end), (place, line)
            else:  # only what gets into a wall is stopped
                met = np.where(begin < end, (begin <= line) & (line < end), (end < line) & (line <= begin))
                index = (line - (end < begin), place)
            row, column = (np.floor(each).clip(0, size - 2).astype(np.int64) for each in index)
            blocked = blocked | (met & stops.reshape(-1, *stops.shape[-2:])[whose, row, column]).any(-1)
        return np.where(blocked[..., None], start, target), blocked

    def regions(self) -> np.ndarray:
        """Labels of one drawing's cells [S - 1, S - 1]: one where ways lead from each to each; -1 in walls."""
        wall, index = self.wall, np.arange(self.wall.size).reshape(self.wall.shape)
        beside, below = ~(wall[:, 1:] | wall[:, :-1] | self.sides[:, 1:-1]), ~(wall[1:] | wall[:-1])
        one = np.concatenate([index[:, 1:][beside], index[1:][below]])
        other = np.concatenate([index[:, :-1][beside], index[:-1][below]])
        label = index.flatten()
        while (label[one] != label[other]).any():
            least = np.minimum(label[one], label[other])
            for linked in (one, other):
                np.minimum.at(label, label[linked], least)
            label = label[label]
        return np.where(wall, -1, label.reshape(wall.shape))
