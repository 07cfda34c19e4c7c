"""What a frame shows: where the agent is, and its floor in colour."""

import numpy as np
from einops import reduce

COLOURS = {"floor": (247, 247, 244), "wall": (59, 66, 82), "goal": (46, 139, 87), "agent": (208, 72, 40)}


def read_agents(agent: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """The mean coordinates [N, T, 2] of agent channels [N, T, H, W] of total `mass` [N, T]; NaN where empty."""
    index = np.arange(agent.shape[-1], dtype=np.float32)
    columns, rows = (reduce(agent, f"n t h w -> n t {axis}", "sum") for axis in "wh")
    with np.errstate(invalid="ignore"):
        return np.stack([columns @ index, rows @ index], axis=-1) / mass[..., None]


def paint(layout: np.ndarray) -> np.ndarray:
    """A layout channel [H, W] as a picture [H, W, 3] uint8."""
    return np.where(layout[..., None] > 0, COLOURS["wall"], COLOURS["floor"]).astype(np.uint8)
