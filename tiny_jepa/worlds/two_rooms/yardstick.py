"""What planning is measured against: the true dynamics in a model's form, and the shortest ways."""

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from tiny_jepa.worlds.two_rooms.dynamics import step
from tiny_jepa.worlds.two_rooms.geometry import UNIT, Geometry
from tiny_jepa.worlds.two_rooms.scene import read_agents, read_layouts


class TrueDynamics:
    """The world itself, with the methods that planning asks of a model: codes are locations in units of `UNIT` px, a
    context is wall column, door row and the frame's far edge (x, y)."""

    def encode_agent(self, frames: np.ndarray) -> Tensor:
        """frames [E, 2, H, W] -> codes [E, 2]: mean coordinates of the agent's pixels."""
        agent = frames[:, :1].astype(np.float32)
        return torch.from_numpy(read_agents(agent, agent.sum((-2, -1)))[:, 0] / UNIT).float()

    def encode_context(self, frames: np.ndarray) -> Tensor:
        """frames [E, 2, H, W] -> contexts [E, 4]."""
        layouts, _ = read_layouts(Geometry(size=frames.shape[-1]), frames[:, 1] > 0)
        edges = np.full_like(layouts, frames.shape[-1] - 1)
        return torch.from_numpy(np.concatenate([layouts, edges], axis=1) / UNIT).float()

    def code_range(self, frames: np.ndarray) -> tuple[float, float]:
        return 0.0, (frames.shape[-1] - 1) / UNIT

    def step(self, code: Tensor, action: Tensor, context: Tensor) -> Tensor:
        """code [..., 2], action [..., 2] px, context [..., 4] of frames of one size -> next code [..., 2]."""
        batch = np.broadcast_shapes(*(part.shape[:-1] for part in (code, action, context)))
        locations, actions, contexts = (
            rearrange(part.expand(*batch, -1).double().numpy(), "... d -> (...) d") * scale
            for part, scale in ((code, UNIT), (action, 1), (context, UNIT))
        )
        world = Geometry(size=round(contexts[0, -1]) + 1)
        moved, _ = step(world, locations, actions, np.rint(contexts[:, :2]))
        return torch.from_numpy(moved / UNIT).float().reshape(*batch, 2)


def shortest_ways(start: np.ndarray, goal: np.ndarray, layouts: np.ndarray, size: int) -> np.ndarray:
    """Lengths [N] px of the shortest ways of a point from start to goal [N, 2] px, which a wall separates, or from
    within the door.

    The way crosses both wall faces within the door, or passes its jambs. Its length is convex in the two heights, so
    that each is put in turn where the way is straightest, as often as makes no difference.
    """
    world = Geometry(size=size)
    side = np.where(goal[:, 0] > layouts[:, 0], 1, -1) * world.wall_half
    low, high = np.minimum(start[:, 0], goal[:, 0]), np.maximum(start[:, 0], goal[:, 0])
    gates = [np.clip(layouts[:, 0] + face, low, high) for face in (-side, side)]
    points = np.stack([start, *(np.stack([x, layouts[:, 1]], axis=1) for x in gates), goal], axis=1)  # [N, 4, 2]
    for _ in range(500):
        for i in (1, 2):
            before, here, behind = points[:, i - 1], points[:, i], points[:, i + 1]
            share = (here[:, 0] - before[:, 0]) / np.where(behind[:, 0] == before[:, 0], 1, behind[:, 0] - before[:, 0])
            straight = before[:, 1] + share * (behind[:, 1] - before[:, 1])
            here[:, 1] = np.clip(straight, layouts[:, 1] - world.door_half, layouts[:, 1] + world.door_half)
    return np.linalg.norm(np.diff(points, axis=1), axis=-1).sum(1)
