"""Trajectory generators: exploration, wall runs, the expert's way through the door, and wandering anywhere.

But for the last, their distributions are those of the public generator (`vladisai/PLDM`, revision cbaf674, folder
`pldm_envs/wall`); tests hold them to it. Each takes a seeded `numpy.random.Generator` and returns `Trajectories`.
"""

from typing import NamedTuple

import numpy as np

from tiny_jepa.worlds.two_rooms.walls import Geometry, boxes_of, inside, step

NORM_MEAN, NORM_STD, NORM_MIN, NORM_MAX = 1.0, 0.4, 0.2, 1.8  # of an exploring action, px
TURN_CONCENTRATION = 5.0  # von Mises
EXPERT_SPEED = 0.9  # px a step
EXPERT_GAP = 1.8  # px before and behind the wall's centre: where the expert's straight way through the door begins
DOOR_STD = 1.4  # px: where in the door a trajectory built to pass it does so, truncated to the door
DOOR_CONE = np.pi / 4  # radians: its heading there, about the wall's normal
DOOR_AIM = 2.0  # px from the door's centre: where experts pass, and a quarter of the wall runs aim
EDGE, INSIDE = 1e-3, 0.01  # px inside the borders: where starts are drawn; where the others lie, or are moved to


class Trajectories(NamedTuple):
    locations: np.ndarray  # [N, T, 2] float32 px
    actions: np.ndarray  # [N, T-1, 2] float32 px
    walls: np.ndarray  # [N, K, 4] int16 boxes


def rollout(world: Geometry, start: np.ndarray, actions: np.ndarray, walls: np.ndarray) -> Trajectories:
    """Runs actions [N, T-1, 2] from starts [N, 2], both as float32 holds them, through the dynamics in float64."""
    actions = actions.astype(np.float32)
    locations = np.empty((len(start), actions.shape[1] + 1, 2))
    locations[:, 0] = start.astype(np.float32)
    for t in range(actions.shape[1]):
        locations[:, t + 1], _ = step(world, locations[:, t], actions[:, t].astype(np.float64), walls)
    return Trajectories(locations.astype(np.float32), actions, walls)


def anywhere(world: Geometry, count: int, rng: np.random.Generator) -> np.ndarray:
    """Points [count, 2] px, uniform between the borders."""
    return rng.uniform(world.border + EDGE, world.far_border - EDGE, (count, 2))


def ordinary_starts(world: Geometry, layouts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Start locations [N, 2] px, uniform between the borders. One that lies in the wall is drawn again in either room
    at the same height; one in the door stays."""
    start = anywhere(world, len(layouts), rng)
    in_wall = inside(boxes_of(world, layouts), start)
    start[in_wall, 0] = room_points(world, layouts, rng.choice([-1.0, 1.0], len(layouts)), rng)[in_wall, 0]
    return start


def room_points(world: Geometry, layouts: np.ndarray, side: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Points [N, 2] px, uniform over the room to the left (side -1) or right (side 1) of each wall."""
    low, high = world.border + INSIDE, world.far_border - INSIDE
    face, edge = layouts[:, 0] + side * world.wall_half, np.where(side > 0, high, low)
    x = edge + rng.random(len(layouts)) * (face - edge)
    return np.stack([x, rng.uniform(low, high, len(layouts))], axis=1)


def truncated_normal(mean: float, std: float, reach: float, shape: int | tuple, rng: np.random.Generator) -> np.ndarray:
    """Normal draws of `shape`, those farther than `reach` from the mean drawn again."""
    drawn = rng.normal(mean, std, shape)
    while (beyond := np.abs(drawn - mean) > reach).any():
        drawn[beyond] = rng.normal(mean, std, int(beyond.sum()))
    return drawn


def exploring_actions(
    count: int, steps: int, rng: np.random.Generator, heading: np.ndarray | None = None, at: np.ndarray | None = None
) -> np.ndarray:
    """Actions [count, steps, 2] px: truncated-normal norms, a uniform first heading, then turns from a von Mises
    distribution. `heading` [count] in radians, where given, is that of the action number `at` [count]."""
    norm = truncated_normal(NORM_MEAN, NORM_STD, NORM_MAX - NORM_MEAN, (count, steps), rng)
    turn = rng.vonmises(0.0, TURN_CONCENTRATION, (count, steps))
    turn[:, 0] = rng.uniform(-np.pi, np.pi, count)
    angle = np.cumsum(turn, axis=1)
    if heading is not None:
        angle += (heading - angle[np.arange(count), at])[:, None]
    return np.stack([norm * np.cos(angle), norm * np.sin(angle)], axis=-1)


def explore(
    world: Geometry, layouts: np.ndarray, steps: int, rng: np.random.Generator, door_rate: float = 0.35
) -> Trajectories:
    """Exploration of `steps` actions; a share `door_rate` of the trajectories is built to pass the door: by the action
    of a random number they reach a point in it, from which the actions up to that one are taken back. The start that
    comes out may lie inside the wall; one beyond a border is moved `INSIDE` it."""
    start, actions = ordinary_starts(world, layouts, rng), exploring_actions(len(layouts), steps, rng)
    built = np.flatnonzero(rng.random(len(layouts)) < door_rate)
    count = len(built)
    x = rng.uniform(-1, 1, count) * world.wall_half
    y, at = truncated_normal(0.0, DOOR_STD, world.door_half, count, rng), rng.integers(0, steps, count)
    heading = rng.uniform(-DOOR_CONE, DOOR_CONE, count) + np.pi * rng.integers(0, 2, count)
    actions[built] = exploring_actions(count, steps, rng, heading, at)
    before = np.cumsum(actions[built], axis=1)[np.arange(count), at]
    passing = layouts[built] + np.stack([x, y], axis=1)
    start[built] = np.clip(passing - before, world.border + INSIDE, world.far_border - INSIDE)
    return rollout(world, start, actions, boxes_of(world, layouts))


def wander(world: Geometry, walls: np.ndarray, steps: int, rng: np.random.Generator) -> Trajectories:
    """Exploration of `steps` actions among any walls [N, K, 4], from anywhere outside them."""
    start = anywhere(world, len(walls), rng)
    while (within := inside(walls, start)).any():
        start[within] = anywhere(world, int(within.sum()), rng)
    return rollout(world, start, exploring_actions(len(walls), steps, rng), walls)


def run_into_wall(world: Geometry, layouts: np.ndarray, steps: int, rng: np.random.Generator) -> Trajectories:
    """Wall runs: action (±1, 0) at every step. They start from 2 px to `steps` - 1 px before the wall's *centre*, or at
    the border where that is nearer. A quarter aims within `DOOR_AIM` of the door's centre, the others, half and half,
    anywhere above or below that: some come in through the door close to a jamb."""
    count, door = len(layouts), layouts[:, 1]
    low, high = world.border + EDGE, world.far_border - EDGE
    side = rng.choice([-1.0, 1.0], count)  # of the start, seen from the wall
    room = np.abs(np.where(side > 0, high, low) - layouts[:, 0])
    x = layouts[:, 0] + side * rng.uniform(2.0, np.clip(steps - 1, 2.0, room))
    above, below = rng.uniform(low, door - DOOR_AIM), rng.uniform(door + DOOR_AIM, high)
    aside = np.where(rng.random(count) < 0.5, above, below)
    y = np.where(rng.random(count) < 0.25, door + rng.uniform(-DOOR_AIM, DOOR_AIM, count), aside)
    actions = np.zeros((count, steps, 2))
    actions[:, :, 0] = -side[:, None]
    return rollout(world, np.stack([x, y], axis=1), actions, boxes_of(world, layouts))


def expert(world: Geometry, layouts: np.ndarray, steps: int, rng: np.random.Generator) -> Trajectories:
    """The expert: straight to a point before the door, straight through, straight to a goal in the other room, at
    `EXPERT_SPEED`, then zero actions to the end. Each leg's last action is what is left of the way, or dropped where
    that is below `NORM_MIN`. A start or a goal that lies in the door's box (between the two points, within `DOOR_AIM`
    of the door's centre) skips the leg to its point."""
    side = rng.choice([-1.0, 1.0], len(layouts))
    start, goal = room_points(world, layouts, side, rng), room_points(world, layouts, -side, rng)
    height = layouts[:, 1] + rng.uniform(-DOOR_AIM, DOOR_AIM, len(layouts))
    gap = side * EXPERT_GAP
    starts_there, ends_there = (
        (np.abs(point - layouts) <= (EXPERT_GAP, DOOR_AIM)).all(axis=1)[:, None] for point in (start, goal)
    )
    before = np.where(starts_there, start, np.stack([layouts[:, 0] + gap, height], axis=1))
    behind = np.where(ends_there, before, np.stack([layouts[:, 0] - gap, before[:, 1]], axis=1))
    legs = np.diff(np.stack([start, before, behind, goal], axis=1), axis=1)  # [N, 3, 2]
    length = np.linalg.norm(legs, axis=-1)
    whole = np.floor(length / EXPERT_SPEED)
    rest = length - whole * EXPERT_SPEED
    ends = np.cumsum(moves := whole + (rest >= NORM_MIN), axis=1)
    t, rows = np.arange(steps), np.arange(len(layouts))[:, None]
    leg = np.minimum((t[:, None] >= ends[:, None]).sum(-1), 2)  # [N, steps]
    done = t - (ends - moves)[rows, leg]  # actions of this leg before
    norm = np.where(done < whole[rows, leg], EXPERT_SPEED, rest[rows, leg]) * (t < ends[:, 2:])
    actions = legs[rows, leg] / np.maximum(length[rows, leg], 1e-9)[..., None] * norm[..., None]
    return rollout(world, start, actions, boxes_of(world, layouts))
