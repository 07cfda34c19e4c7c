"""What planning is measured against: the true dynamics in a model's form, and the shortest ways."""

import numpy as np
import torch
from torch import Tensor

from tiny_jepa.worlds.contract import read_agents
from tiny_jepa.worlds.two_rooms.walls import REACH, UNIT, Cells, Geometry


class TrueDynamics:
    """The world itself with the methods of a `WorldModel`: codes are locations in units of `UNIT` px. Contexts tell
    what lies beyond the borders from what is free."""

    sees = 4

    def encode_agent(self, frames: np.ndarray) -> Tensor:
        return torch.from_numpy(read_agents(frames[:, :1].astype(np.float32))[:, 0] / UNIT).float()

    def encode_context(self, frames: np.ndarray) -> Tensor:
        outside = np.ones(frames.shape[2:], bool)
        outside[Geometry.border : -Geometry.border, Geometry.border : -Geometry.border] = False
        return torch.from_numpy(np.where(frames[:, 1] > 0, 255, outside).astype(np.uint8))

    def code_range(self, frames: np.ndarray) -> tuple[float, float]:
        return 0.0, (frames.shape[-1] - 1) / UNIT

    def step(self, code: Tensor, action: Tensor, context: Tensor) -> Tensor:
        cells = Cells.of(context.numpy() == 255)
        moved, _ = cells.step(code.double().numpy() * UNIT, action.double().numpy())
        return torch.from_numpy(moved / UNIT).float()


def shortest_ways(start: np.ndarray, goal: np.ndarray, walls: np.ndarray, size: int) -> np.ndarray:
    """Lengths [N] px of the shortest ways of a point from start to goal [N, 2] px past walls [N, K, 4]; infinite where
    there is none. They turn at corners of boxes alone, each of which sees the next."""
    world, found = Geometry(size=size), []
    for *ends, boxes in zip(start, goal, walls + REACH, strict=True):
        corners = boxes[:, [[0, 2], [0, 3], [1, 2], [1, 3]]].reshape(-1, 2).astype(np.float64)
        free = ((corners > world.border) & (corners < world.far_border)).all(1) & ~enters(corners, corners, boxes)
        points = np.concatenate([ends, np.unique(corners[free], axis=0)])
        lengths = np.linalg.norm(points[:, None] - points, axis=-1)
        lengths[enters(points[:, None], points, boxes)] = np.inf
        ways = lengths[0]
        for _ in points:
            ways = (ways[:, None] + lengths).min(0)
        found.append(ways[1])
    return np.array(found)


def enters(start: np.ndarray, end: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Which segments [..., 2] enter, rather than touch, one of the boxes [K, 4] -> [...] bool."""
    start, end = start[..., None, :], end[..., None, :]
    way = np.where(end == start, 1e-12, end - start)
    first, last = (boxes[:, ::2] + 1e-6 - start) / way, (boxes[:, 1::2] - 1e-6 - start) / way
    enter, leave = np.minimum(first, last).max(-1), np.maximum(first, last).min(-1)
    return (np.maximum(enter, 0) < np.minimum(leave, 1)).any(-1)
