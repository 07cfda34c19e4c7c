"""Rendering: a 2-channel frame, the agent's Gaussian in channel 0 and the layout in channel 1.

uint8 frames hold floor(255 exp(-r²/(2 std²))) and a layout of 255; float32 frames, as in the course's files, an
agent that sums to 1 and a layout at the dot's peak value 1/(2 pi std²).
"""

import math

import numpy as np
from einops import rearrange

from tiny_jepa.worlds.two_rooms.walls import Geometry

DType = np.dtype | type


def render_layouts(world: Geometry, walls: np.ndarray, dtype: DType = np.uint8) -> np.ndarray:
    """Layout channels [N, H, W] of walls [N, K, 4]: boxes, and borders drawn edge to edge."""
    index = np.arange(world.size)
    low, high = rearrange(walls, "n k (xy ends) -> ends xy n k 1", ends=2)
    columns, rows = ((low <= index) & (index <= high)).astype(np.float32)  # [N, K, size]
    drawn = rows.swapaxes(1, 2) @ columns > 0
    for line in (world.border, world.far_border):
        drawn[:, line, :] = True
        drawn[:, :, line] = True
    return drawn * np.asarray(255 if dtype == np.uint8 else 1 / (2 * math.pi * world.dot_std**2), dtype)


def render_agents(
    world: Geometry, locations: np.ndarray, dtype: DType = np.uint8, out: np.ndarray | None = None
) -> np.ndarray:
    """Agent channels [N, H, W] for locations [N, 2] in px; `out` (of zeros) is drawn into where given."""
    if out is None:
        out = np.zeros((len(locations), world.size, world.size), dtype)
    if out.dtype != np.uint8:
        falloff = np.exp(-((np.arange(world.size) - locations[:, :, None]) ** 2) / (2 * world.dot_std**2))
        falloff /= falloff.sum(-1, keepdims=True)  # [N, 2, size]
        falloff[falloff < 1e-18] = 0  # no subnormal products: they are slow, and nothing
        falloff = falloff.astype(out.dtype)
        return np.multiply(falloff[:, 1, :, None], falloff[:, 0, None, :], out=out)
    # floor() leaves nothing beyond a small radius, so a patch is all there is to draw
    radius = math.ceil(world.dot_std * math.sqrt(2 * math.log(255.0)))
    side = 2 * radius + 1
    corner = np.clip(np.rint(locations).astype(np.int64) - radius, 0, world.size - side)  # [N, 2]
    offset = (corner - locations)[:, :, None] + np.arange(side)  # [N, 2, side] px from the dot's centre
    falloff = np.exp(-(offset**2) / (2 * world.dot_std**2)).astype(np.float32)
    patch = np.empty((len(locations), side, side), np.uint8)
    np.multiply(255 * falloff[:, 1, :, None], falloff[:, 0, None, :], out=patch, casting="unsafe")
    # every side x side window of every frame, as a view: one index a frame picks where its patch goes
    windows = np.lib.stride_tricks.sliding_window_view(out, (side, side), axis=(1, 2), writeable=True)
    windows[np.arange(len(locations)), corner[:, 1], corner[:, 0]] = patch
    return out


def render_states(world: Geometry, locations: np.ndarray, walls: np.ndarray, dtype: DType = np.uint8) -> np.ndarray:
    """States [N, T, 2, H, W] of trajectories: locations [N, T, 2] px, and the walls of each [N, K, 4]."""
    states = np.zeros((*locations.shape[:2], 2, world.size, world.size), dtype)
    render_agents(world, locations.reshape(-1, 2), out=states.reshape(-1, 2, world.size, world.size)[:, 0])
    states[:, :, 1] = render_layouts(world, walls, dtype)[:, None]
    return states
