"""Trajectory generators: exploration, wall runs and the expert's way through the door.

Each takes a seeded `numpy.random.Generator` and returns `Trajectories`; nothing here draws a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tiny_jepa.world.dynamics import step
from tiny_jepa.world.geometry import World

NORM_MEAN, NORM_STD, NORM_MIN, NORM_MAX = 1.0, 0.4, 0.2, 1.8  # of an exploring action, px
TURN_CONCENTRATION = 5.0  # von Mises
EXPERT_SPEED = 0.9  # px a step
WALL_RUN_REACH = 16.0  # px: a wall run starts up to this far from the wall's face
DOOR_REACH = 10.0  # px: a trajectory built to pass the door starts up to this far from the wall


@dataclass(frozen=True)
class Trajectories:
    """locations [N, T, 2] float32 px, actions [N, T-1, 2] float32 px, layouts [N, 2] int64 (wall, door)."""

    locations: np.ndarray
    actions: np.ndarray
    layouts: np.ndarray

    def __len__(self) -> int:
        return len(self.actions)


def rollout(world: World, start: np.ndarray, actions: np.ndarray, layouts: np.ndarray) -> Trajectories:
    """Runs actions [N, T-1, 2] from starts [N, 2] through the dynamics, in float64."""
    actions = actions.astype(np.float32)
    locations = np.empty((len(start), actions.shape[1] + 1, 2))
    locations[:, 0] = start
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
    count: int, steps: int, rng: np.random.Generator, heading: np.ndarray | None = None
) -> np.ndarray:
    """Actions [count, steps, 2] px: truncated-normal norms, a uniform first heading (or `heading` [count],
    radians), then turns from a von Mises distribution."""
    norm = rng.normal(NORM_MEAN, NORM_STD, (count, steps))
    while (outside := (norm < NORM_MIN) | (norm > NORM_MAX)).any():
        norm[outside] = rng.normal(NORM_MEAN, NORM_STD, int(outside.sum()))
    turn = rng.vonmises(0.0, TURN_CONCENTRATION, (count, steps))
    turn[:, 0] = rng.uniform(-np.pi, np.pi, count) if heading is None else heading
    angle = np.cumsum(turn, axis=1)
    return np.stack([norm * np.cos(angle), norm * np.sin(angle)], axis=-1)


def explore(
    world: World, layouts: np.ndarray, steps: int, rng: np.random.Generator, door_rate: float = 0.35
) -> Trajectories:
    """Exploration of `steps` actions; a share `door_rate` of the trajectories is built to pass the door: they
    start before it, head for it, turn as all others do, and are redrawn until they change rooms."""
    count = len(layouts)
    start = free_starts(world, layouts, rng)
    actions = exploring_actions(count, steps, rng)
    trajectories = rollout(world, start, actions, layouts)
    locations, actions = trajectories.locations, trajectories.actions
    todo = np.flatnonzero(rng.random(count) < door_rate)
    for _ in range(20):
        if not todo.size:
            break
        chosen = layouts[todo]
        side = rng.choice([-1.0, 1.0], todo.size)
        x = chosen[:, 0] + side * (world.wall_half + rng.uniform(0.1, DOOR_REACH, todo.size))
        y = chosen[:, 1] + rng.uniform(-world.door_half, world.door_half, todo.size)
        start = np.clip(np.stack([x, y], axis=1), world.border + 0.01, world.far_border - 0.01)
        heading = np.arctan2(chosen[:, 1] - start[:, 1], chosen[:, 0] - start[:, 0])
        drawn = rollout(world, start, exploring_actions(todo.size, steps, rng, heading), chosen)
        passed = changes_room(drawn)
        locations[todo[passed]], actions[todo[passed]] = drawn.locations[passed], drawn.actions[passed]
        todo = todo[~passed]
    return Trajectories(locations, actions, layouts)


def changes_room(trajectories: Trajectories) -> np.ndarray:
    """Which trajectories were on both sides of the wall's centre -> [N] bool."""
    side = trajectories.locations[:, :, 0] > trajectories.layouts[:, None, 0]
    return side.any(1) & ~side.all(1)


def run_into_wall(world: World, layouts: np.ndarray, steps: int, rng: np.random.Generator) -> Trajectories:
    """Wall runs: action (±1, 0) at every step towards the wall; a quarter of them aims at the door
    (|y - d| < 2), the rest at the wall above or below it."""
    count = len(layouts)
    side = rng.choice([-1.0, 1.0], count)
    x = layouts[:, 0] + side * (world.wall_half + rng.uniform(0.01, WALL_RUN_REACH, count))
    x = np.clip(x, world.border + 0.01, world.far_border - 0.01)
    low, high = world.border + 0.01, world.far_border - 0.01
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
    points = np.stack(
        [
            np.stack([layouts[:, 0] + gap, y_door], axis=1),
            np.stack([layouts[:, 0] - gap, y_door], axis=1),
            goal,
        ],
        axis=1,
    )  # [N, 3, 2]
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
