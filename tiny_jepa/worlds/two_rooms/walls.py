"""Walls, and what stops at them: the one implementation under generators and environment.

Walls are boxes of drawn pixels [..., K, 4]: x_low, x_high, y_low, y_high, whole px, both ends drawn.

A box stops agents at its outer columns' centres, x_low and x_high, and one px outside its rows, at y_low - 1 and
y_high + 1: so the public generator has it. A scene that has fewer walls than others has the rest far outside.

In pixels that rule is one of cells, the squares between four neighbouring pixel centres: an upright side of a cell
stops agents if one of its two pixels is drawn, and between two sides that stop, the cell is wall. So any drawing is
read.
"""

from functools import lru_cache

import numpy as np
from einops import rearrange

from tiny_jepa.worlds.two_rooms.geometry import Geometry

FAR = 1000
"""px: outside every frame, on either side."""
TILE = 8
"""px: of the squares that know which boxes are near; no move of one step is longer."""
REACH = np.array([0, 0, -1, 1], np.int16)
"""px: from a box's outer pixels to the faces that stop."""


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


def walls_of(drawn: np.ndarray) -> np.ndarray:
    """The boxes [..., K, 4] int16, K at least 2, of any drawing [..., H, W] bool within its border lines: each column's
    vertical runs, as wide as all their rows are drawn; then each cell that is wall and in none of these, as a box
    without a pixel. What touches a border line goes on beyond. They may overlap."""
    *batch, height, width = drawn.shape
    each = [_read(picture.tobytes(), width) for picture in drawn.reshape(-1, height, width)]
    walls = np.full((len(each), max([2, *map(len, each)]), 4), -FAR, np.int16)
    for boxes, found in zip(walls, each, strict=True):
        boxes[: len(found)] = found
    return walls.reshape(*batch, *walls.shape[1:])


def cells_of(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of a drawing [S, S] bool: which upright sides stop [S - 1, S], and which cells are wall [S - 1, S - 1]; both by
    their pixel of least row and column. All beyond the borders is wall."""
    border, shown = Geometry.border, np.zeros_like(drawn)
    within = slice(border + 1, -border - 1)
    shown[within, within] = drawn[within, within]
    shown[:, [border, -border - 1]] = True
    sides = shown[1:] | shown[:-1]
    wall = np.ones_like(drawn[1:, 1:])
    wall[border:-border, border:-border] = (sides[:, 1:] & sides[:, :-1])[border:-border, border:-border]
    return sides, wall


def regions(drawn: np.ndarray) -> np.ndarray:
    """Labels [S - 1, S - 1] of a drawing's cells: the same where a way leads from one to the other, -1 in walls."""
    sides, wall = cells_of(drawn)
    index = np.arange(wall.size).reshape(wall.shape)
    beside, below = ~(wall[:, 1:] | wall[:, :-1] | sides[:, 1:-1]), ~(wall[1:] | wall[:-1])
    one = np.concatenate([index[:, 1:][beside], index[1:][below]])
    other = np.concatenate([index[:, :-1][beside], index[:-1][below]])
    label = index.flatten()
    while (label[one] != label[other]).any():
        least = np.minimum(label[one], label[other])
        for linked in (one, other):
            np.minimum.at(label, label[linked], least)
        label = label[label]
    return np.where(wall, -1, label.reshape(wall.shape))


def walls_near(drawn: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Of the boxes of drawings [..., S, S], those [..., K, 4] that a move of up to `TILE` px from points [..., 2] can
    meet; the drawings' and the points' [...] broadcast."""
    *batch, size, _ = drawn.shape
    each = [_tiles(picture.tobytes(), size) for picture in drawn.reshape(-1, size, size)]
    tiles = np.full((len(each), *each[0].shape[:2], max(table.shape[2] for table in each), 4), -FAR, np.int16)
    for tile, table in zip(tiles, each, strict=True):
        tile[:, :, : table.shape[2]] = table
    x, y = np.moveaxis((points // TILE).clip(0, tiles.shape[1] - 1).astype(np.int64), -1, 0)
    return tiles[np.arange(len(each)).reshape(batch), y, x]


@lru_cache(maxsize=64)
def _tiles(drawing: bytes, size: int) -> np.ndarray:
    """For each tile of one drawing, the boxes that come within `TILE` px of it [tiles, tiles, K, 4]."""

    def near(boxes: np.ndarray, axis: int) -> list[np.ndarray]:
        low, high = boxes[:, 2 * axis], boxes[:, 2 * axis + 1]
        return [boxes[(low <= at + 2 * TILE) & (high >= at - TILE)] for at in range(0, size, TILE)]

    found = [near(row, 0) for row in near(_read(drawing, size), 1)]
    tiles = np.full((len(found), len(found), max(len(boxes) for row in found for boxes in row), 4), -FAR, np.int16)
    for row, column in np.ndindex(tiles.shape[:2]):
        tiles[row, column, : len(found[row][column])] = found[row][column]
    return tiles


@lru_cache(maxsize=2048)
def _read(drawing: bytes, size: int) -> np.ndarray:
    """The boxes [K, 4] of one drawing."""
    border, whole = Geometry.border, np.frombuffer(drawing, bool).reshape(size, size)
    drawn = whole[border + 1 : -border - 1, border + 1 : -border - 1]
    edges = np.diff(np.pad(drawn.T, ((0, 0), (1, 1))).astype(np.int8), axis=1)  # [columns, rows + 1]
    boxes = []
    for (column, low), high in zip(np.argwhere(edges > 0), np.nonzero(edges < 0)[1], strict=True):
        gaps = np.flatnonzero(~drawn[low:high].all(0))
        left, right = gaps[gaps < column].max(initial=-1) + 1, gaps[gaps > column].min(initial=len(drawn))
        first = [-FAR if at == 0 else at + border + 1 for at in (left, low)]
        last = [FAR if at == len(drawn) else at + border for at in (right, high)]
        boxes.append((first[0], last[0], first[1], last[1]))
    wall = cells_of(whole)[1]
    wall[:border] = wall[-border:] = wall[:, :border] = wall[:, -border:] = False
    for x_low, x_high, y_low, y_high in boxes:
        wall[max(0, y_low - 1) : y_high + 1, max(0, x_low) : x_high] = False
    boxes += [(x, x + 1, y + 1, y) for y, x in np.argwhere(wall)]
    return np.unique(np.array(boxes, np.int16).reshape(-1, 4), axis=0)


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
