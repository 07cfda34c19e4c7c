"""Trajectory generators: exploration, wall runs and the expert's way through the door.

Each takes a seeded `numpy.random.Generator` and returns `Trajectories`; nothing here draws a pixel.
"""

from dataclasses import dataclass

import numpy as np

from tiny_jepa.world.dynamics import step
from tiny_jepa.world.geometry import World

NORM_MEAN, NORM_STD, NORM_MIN, NORM_MAX = 1.0, 0.4, 0.2, 1.8  # of an exploring action, px
TURN_CONCENTRATION = 5.0  # von Mises
EXPERT_SPEED = 0.9  # px a step
WALL_RUN_START = (1.0, 16.0)  # px: a wall run starts this far from the wall's face
DOOR_STD = 1.4  # px: where in the door a trajectory built to pass it does so, truncated to the door
DOOR_CONE = np.pi / 4  # radians: its heading there, about the wall's normal


@dataclass(frozen=True)
class Trajectories:
    """locations [N, T, 2] float32 px, actions [N, T-1, 2] float32 px, layouts [N, 2] int64 (wall, door)."""

    locations: np.ndarray
    actions: np.ndarray
    layouts: np.ndarray

    def __len__(self) -> int:
        return len(self.actions)


def rollout(world: World, start: np.ndarray, actions: np.ndarray, layouts: np.ndarray) -> Trajectories:
    """Runs actions [N, T-1, 2] from starts [N, 2], both as float32 holds them, through the dynamics in float64."""
    actions = actions.astype(np.float32)
    locations = np.empty((len(start), actions.shape[1] + 1, 2))
    locations[:, 0] = start.astype(np.float32)
    for t in range(actions.shape[1]):
        locations[:, t + 1], _ = step(world, locations[:, t], actions[:, t].astype(np.float64), layouts)
    return Trajectories(locations.astype(np.float32), actions, layouts)


def free_starts(world: World, layouts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Start locations [N, 2], uniform over both rooms, strictly inside the borders and outside the wall."""
    low, high = world.border, world.far_border
    left, right = layouts[:, 0] - world.wall_half, layouts[:, 0] + world.wall_half
    x = low + rng.uniform(0.001, 0.999, len(layouts)) * ((left - low) + (high - right))
    x = np.where(x < left, x, x + (right - left))
    x = np.where((x >= left) & (x <= right), left - 1e-3, x)
    y = rng.uniform(low + 1e-3, high - 1e-3, len(layouts))
    return np.stack([x, y], axis=1)


def exploring_actions(
    count: int, steps: int, rng: np.random.Generator, heading: np.ndarray | None = None, at: np.ndarray | None = None
) -> np.ndarray:
    """Actions [count, steps, 2] px: truncated-normal norms, a uniform first heading, then turns from a von Mises
    distribution. `heading` [count] in radians, where given, is that of the action number `at` [count]."""
    norm = rng.normal(NORM_MEAN, NORM_STD, (count, steps))
    while (outside := (norm < NORM_MIN) | (norm > NORM_MAX)).any():
        norm[outside] = rng.normal(NORM_MEAN, NORM_STD, int(outside.sum()))
    turn = rng.vonmises(0.0, TURN_CONCENTRATION, (count, steps))
    turn[:, 0] = rng.uniform(-np.pi, np.pi, count)
    angle = np.cumsum(turn, axis=1)
    if heading is not None and at is not None:
        angle += (heading - angle[np.arange(count), at])[:, None]
    return np.stack([norm * np.cos(angle), norm * np.sin(angle)], axis=-1)


def explore(
    world: World, layouts: np.ndarray, steps: int, rng: np.random.Generator, door_rate: float = 0.35
) -> Trajectories:
    """Exploration of `steps` actions; a share `door_rate` of the trajectories is built to pass the door: the
    actions lead into it after a random number of steps. Some meet a wall on their way; they are kept."""
    start = free_starts(world, layouts, rng)
    actions = exploring_actions(len(layouts), steps, rng)
    todo = np.flatnonzero(rng.random(len(layouts)) < door_rate)
    while todo.size:
        chosen, count = layouts[todo], todo.size
        offset = np.stack([rng.uniform(-1, 1, count) * world.wall_half, rng.normal(0, DOOR_STD, count)], axis=1)
        at = rng.integers(0, steps, count)  # the action that leads into the door
        heading = rng.uniform(-DOOR_CONE, DOOR_CONE, count) + np.pi * rng.integers(0, 2, count)
        drawn = exploring_actions(count, steps, rng, heading, at)
        before = np.cumsum(drawn, axis=1)[np.arange(count), at]
        begin = np.clip(chosen + offset - before, world.border + 0.01, world.far_border - 0.01)
        fine = (np.abs(offset[:, 1]) < world.door_half) & (np.abs(begin[:, 0] - chosen[:, 0]) > world.wall_half)
        start[todo[fine]], actions[todo[fine]] = begin[fine], drawn[fine]
        todo = todo[~fine]
    return rollout(world, start, actions, layouts)


def run_into_wall(world: World, layouts: np.ndarray, steps: int, rng: np.random.Generator) -> Trajectories:
    """Wall runs: action (±1, 0) at every step towards the wall; a quarter of them aims at the door
    (|y - d| < 2), the rest at the wall above or below it."""
    count = len(layouts)
    low, high = world.border + 0.01, world.far_border - 0.01
    side = rng.choice([-1.0, 1.0], count)
    face = layouts[:, 0] + side * world.wall_half
    depth = np.where(side > 0, high - face, face - low)  # of the room
    x = face + side * rng.uniform(WALL_RUN_START[0], np.minimum(WALL_RUN_START[1], depth))
    above = np.maximum(layouts[:, 1] - world.door_half - low, 0)
    below = np.maximum(high - layouts[:, 1] - world.door_half, 0)
    along = rng.random(count) * (above + below)
    y_wall = np.where(along < above, low + along, layouts[:, 1] + world.door_half + (along - above))
    y_door = layouts[:, 1] + rng.uniform(-2.0, 2.0, count)
    y = np.where(rng.random(count) < 0.25, y_door, y_wall)
    actions = np.zeros((count, steps, 2))
    actions[:, :, 0] = -side[:, None]
    return rollout(world, np.stack([x, y], axis=1), actions, layouts)


def expert(world: World, layouts: np.ndarray, steps: int, rng: np.random.Generator) -> Trajectories:
    """The expert: straight to a point before the door, straight through it, straight to a goal in the other
    room, at 0.9 px a step, then zero actions to the end."""
    count = len(layouts)
    start = free_starts(world, layouts, rng)
    side = np.sign(start[:, 0] - layouts[:, 0])
    goal = free_starts(world, layouts, rng)
    while (same := np.sign(goal[:, 0] - layouts[:, 0]) == side).any():
        goal[same] = free_starts(world, layouts[same], rng)
    y_door = layouts[:, 1] + rng.uniform(-world.door_half / 2, world.door_half / 2, count)
    gap = side * (world.wall_half + 1.5)
    before, behind = (np.stack([layouts[:, 0] + offset, y_door], axis=1) for offset in (gap, -gap))
    points = np.stack([before, behind, goal], axis=1)  # [N, 3, 2]
    here = start.copy()
    leg = np.zeros(count, dtype=np.int64)
    actions = np.zeros((count, steps, 2))
    for t in range(steps):
        target = points[np.arange(count), np.minimum(leg, 2)]
        way = target - here
        distance = np.linalg.norm(way, axis=1)
        length = np.where(leg > 2, 0.0, np.minimum(distance, EXPERT_SPEED))
        actions[:, t] = way / np.maximum(distance, 1e-9)[:, None] * length[:, None]
        here, _ = step(world, here, actions[:, t], layouts)
        leg += (leg <= 2) & (distance <= EXPERT_SPEED)
    return rollout(world, start, actions, layouts)
