"""What a frame shows: layout and agent read from its channels, and its floor in colour."""

import numpy as np
from einops import reduce

from tiny_jepa.worlds.two_rooms.geometry import Geometry
from tiny_jepa.worlds.two_rooms.render import render_layouts

COLOURS = {"floor": (247, 247, 244), "wall": (59, 66, 82), "goal": (46, 139, 87), "agent": (208, 72, 40)}


def read_layouts(world: Geometry, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """drawn [N, H, W] bool -> layouts [N, 2] (wall, door) and whether drawing them gives `drawn` again [N] bool."""
    inside = slice(world.border + 1, world.far_border)
    index = np.arange(world.size)[inside]
    in_wall = drawn[:, inside, inside].sum(1) > world.size // 2  # [N, columns]
    wall = np.rint((in_wall * index).sum(1) / np.maximum(in_wall.sum(1), 1)).astype(np.int64)
    is_open = ~drawn[np.arange(len(drawn)), inside, wall]  # [N, rows]
    door = np.rint((is_open * index).sum(1) / np.maximum(is_open.sum(1), 1)).astype(np.int64)
    layouts = np.stack([wall, door], axis=1)
    return layouts, (render_layouts(world, layouts).astype(bool) == drawn).all((1, 2))


def read_agents(agent: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """The mean coordinates [N, T, 2] of agent channels [N, T, H, W] of total `mass` [N, T]; NaN where empty."""
    index = np.arange(agent.shape[-1], dtype=np.float32)
    columns, rows = (reduce(agent, f"n t h w -> n t {axis}", "sum") for axis in "wh")
    with np.errstate(invalid="ignore"):
        return np.stack([columns @ index, rows @ index], axis=-1) / mass[..., None]


def paint(layout: np.ndarray) -> np.ndarray:
    """A layout channel [H, W] as a picture [H, W, 3] uint8."""
    return np.where(layout[..., None] > 0, COLOURS["wall"], COLOURS["floor"]).astype(np.uint8)
