"""Episodes in a world's environment, and how well they ended. Only this file looks at locations, and only to score."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tiny_jepa.worlds.contract import Task

FIRST_SEED = 1_700_000_000  # of the environment's: nothing else draws from seeds this large
AT_ONCE = 25  # episodes: what the model computes of their actions stays in cache
Z95 = 1.959964
MakeAgent = Callable[[np.ndarray, np.ndarray], Any]
"""(frames, goal frames) [E, C, H, W] -> the agent of E episodes."""


def run(task: Task, agent: MakeAgent, count: int, steps: int, options: dict[str, Any]) -> dict[str, Any]:
    """The score of `count` episodes of `steps` steps, none ending early; `options` are the environment's."""
    locations, goals, shortest, planning, acting = [], [], [], 0.0, 0.0
    for first in range(0, count, AT_ONCE):
        env, frames, info = start(task, FIRST_SEED + first, min(AT_ONCE, count - first), steps, **options)
        shortest.append(task.shortest(info["location"], info["goal"], info["walls"], frames.shape[-1]))
        goals.append(info["goal"])
        way = [info["location"]]
        begun = time.process_time()
        agents = agent(frames, info["goal_frame"])
        planning += time.process_time() - begun
        for _ in range(steps):
            begun = time.process_time()
            actions = agents.act(frames)
            acting += time.process_time() - begun
            frames, _, _, _, info = env.step(actions)
            way.append(info["location"])
        env.close()
        locations.append(np.stack(way, axis=1))
    cpu = {"cpu_episode": (planning + acting) / count, "cpu_plan": planning / count, "cpu_step": acting / count / steps}
    return score(task.radii, *map(np.concatenate, (locations, goals, shortest))) | cpu


def start(task: Task, seed: int, count: int, steps: int, **options: Any) -> tuple[Any, np.ndarray, dict[str, Any]]:
    """Episodes of the seeds from `seed` on, side by side -> their environment, first frames [E, C, H, W], and info."""
    import gymnasium

    options |= {"max_norm": task.actions.limit, "max_episode_steps": steps}
    env = gymnasium.make_vec(task.environment, num_envs=count, **options)
    return (env, *env.reset(seed=seed, options={"radius": 0.0}))


def score(radii: Sequence[float], locations: np.ndarray, goals: np.ndarray, shortest: np.ndarray) -> dict[str, Any]:
    """Of locations [E, T + 1, 2], goals [E, 2] and lengths of the shortest ways [E], px: shares within each radius at
    the `last` step, and at `any`, each with its 95 % interval; of episodes that came within the smallest, medians of
    steps to there and of the way against the shortest."""
    distances = np.linalg.norm(locations - goals[:, None], axis=-1)  # [E, T + 1]
    count, steps = len(distances), distances.shape[1] - 1
    there = distances < min(radii)
    reached, first, each = there.any(1), there.argmax(1), np.arange(count)
    moved = np.pad(np.linalg.norm(np.diff(locations, axis=1), axis=-1).cumsum(1), ((0, 0), (1, 0)))
    detour = (moved[each, first] + distances[each, first]).clip(1e-9) / shortest.clip(1e-9)

    def shares(nearest: np.ndarray) -> dict[str, list[float]]:
        found = {radius: float((nearest < radius).mean()) for radius in radii}
        return {f"{radius:g}": [share, *wilson(share, count)] for radius, share in found.items()}

    return {
        "episodes": count,
        "steps": steps,
        "last": shares(distances[:, -1]),
        "any": shares(distances.min(1)),
        "median_steps": float(np.median(first[reached])) if reached.any() else None,
        "median_way": float(np.median(detour[reached])) if reached.any() else None,
    }


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of `count` (Wilson 1927)."""
    middle, square = share + Z95**2 / (2 * count), Z95**2 / count
    half = Z95 * math.sqrt(share * (1 - share) / count + square / (4 * count))
    return max(0.0, (middle - half) / (1 + square)), min(1.0, (middle + half) / (1 + square))
