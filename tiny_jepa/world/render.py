"""Rendering: a 2-channel frame, the agent's Gaussian in channel 0 and the layout in channel 1.

uint8 frames hold floor(255 exp(-r²/(2 std²))) and a layout of 255; float32 frames, as in the course's files, an
agent that sums to 1 and a layout at the dot's peak value 1/(2 pi std²).
"""

from __future__ import annotations

import math

import numpy as np

from tiny_jepa.world.geometry import World


def layout_value(world: World, dtype: np.dtype | type) -> float:
    """The value of a drawn layout pixel: 255 for uint8, the dot's peak for float."""
    return 255 if np.dtype(dtype) == np.uint8 else 1.0 / (2 * math.pi * world.dot_std**2)


def render_layouts(world: World, layouts: np.ndarray, dtype: np.dtype | type = np.uint8) -> np.ndarray:
    """Layout channels [N, H, W] for layouts [N, 2]: borders drawn edge to edge, the wall but for its door."""
    index = np.arange(world.size)
    in_wall = np.abs(index[None, :] - layouts[:, :1]) <= world.wall_half  # [N, W]
    closed = np.abs(index[None, :] - layouts[:, 1:]) > world.door_half  # [N, H]
    drawn = in_wall[:, None, :] & closed[:, :, None]
    for line in (world.border, world.far_border):
        drawn[:, line, :] = True
        drawn[:, :, line] = True
    return drawn.astype(dtype) * np.asarray(layout_value(world, dtype), dtype=dtype)


def render_agents(
    world: World, locations: np.ndarray, dtype: np.dtype | type = np.uint8, out: np.ndarray | None = None
) -> np.ndarray:
    """Agent channels [N, H, W] for locations [N, 2] in px; `out` (zeros, contiguous) is drawn into where given."""
    count, size = len(locations), world.size
    if np.dtype(dtype) != np.uint8:
        squared = (np.arange(size) - locations[:, :, None]) ** 2  # [N, 2, size]
        x, y = np.moveaxis(np.exp(-squared / (2 * world.dot_std**2)), 1, 0)
        x, y = x / x.sum(1, keepdims=True), y / y.sum(1, keepdims=True)
        frames = (y[:, :, None] * x[:, None, :]).astype(dtype)
        if out is None:
            return frames
        out[...] = frames
        return out
    if out is None:
        out = np.zeros((count, size, size), np.uint8)
    # floor() leaves nothing of the dot beyond this radius: a patch is all there is to draw
    radius = math.ceil(world.dot_std * math.sqrt(2 * math.log(255.0)))
    side = min(2 * radius + 1, size)
    corner = np.clip(np.rint(locations).astype(np.int64) - radius, 0, size - side)  # [N, 2]
    pixel = corner[:, :, None] + np.arange(side)  # [N, 2, side]
    falloff = np.exp(-((pixel - locations[:, :, None]) ** 2) / (2 * world.dot_std**2)).astype(np.float32)
    patch = (255 * falloff[:, 1, :, None] * falloff[:, 0, None, :]).astype(np.uint8)
    rows, columns = pixel[:, 1, :, None], pixel[:, 0, None, :]
    out[np.arange(count)[:, None, None], rows, columns] = patch
    return out


def render_states(
    world: World, locations: np.ndarray, layouts: np.ndarray, dtype: np.dtype | type = np.uint8
) -> np.ndarray:
    """States [N, T, 2, H, W] of trajectories: locations [N, T, 2] px and one layout each [N, 2]."""
    count, steps = locations.shape[:2]
    states = np.zeros((count, steps, 2, world.size, world.size), dtype)
    flat = states.reshape(count * steps, 2, world.size, world.size)
    render_agents(world, locations.reshape(-1, 2), dtype, out=flat[:, 0])
    states[:, :, 1] = render_layouts(world, layouts, dtype)[:, None]
    return states
