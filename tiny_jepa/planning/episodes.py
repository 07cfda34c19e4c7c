"""Episodes in a world's environment, and how well they ended. Only this file looks at locations, and only to score."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tiny_jepa.errors import UserError
from tiny_jepa.planning.agents import Agent
from tiny_jepa.worlds.contract import Task

FIRST_SEED = 1_700_000_000  # of the environment's: nothing else draws from seeds this large
AT_ONCE = 25  # episodes: what the model computes of their actions stays in cache
Z95 = 1.959964
MakeAgent = Callable[[np.ndarray, np.ndarray], Agent]
"""(frames, goal frames) [E, C, H, W] -> the agent of E episodes."""


@dataclass(frozen=True)
class Episodes:
    """What E agents did in T steps."""

    locations: np.ndarray  # [E, T + 1, 2] px
    goals: np.ndarray  # [E, 2] px
    shortest: np.ndarray  # [E] px
    cpu: np.ndarray  # [2] seconds: planning ahead, and all actions


def run(task: Task, agent: MakeAgent, count: int, steps: int, options: dict[str, Any]) -> Episodes:
    """Runs `count` episodes of `steps` steps, none ending early. `agent(frames, goal_frames)` gives one agent for all
    episodes of a batch; `options` are the environment's."""
    locations, goals, shortest, cpu = [], [], [], np.zeros(2)
    for first in range(0, count, AT_ONCE):
        env, frames, info = start(task, FIRST_SEED + first, min(AT_ONCE, count - first), steps, **options)
        shortest.append(task.shortest(info["location"], info["goal"], info["walls"], frames.shape[-1]))
        goals.append(info["goal"])
        way = [info["location"]]
        begun = time.process_time()
        agents = agent(frames, info["goal_frame"])
        cpu[0] += time.process_time() - begun
        for _ in range(steps):
            begun = time.process_time()
            actions = agents.act(frames)
            cpu[1] += time.process_time() - begun
            frames, _, _, _, info = env.step(actions)
            way.append(info["location"])
        env.close()
        locations.append(np.stack(way, axis=1))
    return Episodes(np.concatenate(locations), np.concatenate(goals), np.concatenate(shortest), cpu)


def start(task: Task, seed: int, count: int, steps: int, **options: Any) -> tuple[Any, np.ndarray, dict[str, Any]]:
    """Episodes of the seeds from `seed` on, side by side -> their environment, first frames [E, C, H, W], and info.
    `options` are the environment's, which refuses bad ones."""
    try:
        import gymnasium
    except ImportError:
        raise UserError("episodes need gymnasium; install it with: pip install gymnasium") from None
    options |= {"max_norm": task.actions.limit, "max_episode_steps": steps}
    env = gymnasium.make_vec(task.environment, num_envs=count, **options)
    return (env, *env.reset(seed=seed, options={"radius": 0.0}))


def score(episodes: Episodes, radii: tuple[float, ...]) -> dict[str, Any]:
    """Shares of episodes that were within each radius `at the last step`, and `at any step`, each with its 95 %
    interval; and of those that came within the smallest: steps to there, the way there against the shortest (both
    medians); CPU seconds an episode and a step."""
    distances = np.linalg.norm(episodes.locations - episodes.goals[:, None], axis=-1)  # [E, T + 1]
    count, steps = len(distances), distances.shape[1] - 1
    there = distances < min(radii)
    reached, first = there.any(1), there.argmax(1)
    moved = np.linalg.norm(np.diff(episodes.locations, axis=1), axis=-1).cumsum(1)
    each = np.arange(count)
    way = np.where(first > 0, moved[each, first - 1], 0.0) + distances[each, first]
    return {
        "episodes": count,
        "steps": steps,
        "last": {f"{radius:g}": share(distances[:, -1] < radius) for radius in radii},
        "any": {f"{radius:g}": share(distances.min(1) < radius) for radius in radii},
        "median_steps": float(np.median(first[reached])) if reached.any() else None,
        "median_way": float(np.median((way / episodes.shortest)[reached])) if reached.any() else None,
        "cpu_episode": float(episodes.cpu.sum()) / count,
        "cpu_plan": float(episodes.cpu[0]) / count,
        "cpu_step": float(episodes.cpu[1]) / count / steps,
    }


def share(hits: np.ndarray) -> list[float]:
    """hits [E] bool -> their share, and its 95 % interval."""
    mean = float(hits.mean())
    return [mean, *wilson(mean, len(hits))]


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of `count` (Wilson 1927)."""
    middle, square = share + Z95**2 / (2 * count), Z95**2 / count
    half = Z95 * math.sqrt(share * (1 - share) / count + square / (4 * count))
    return max(0.0, (middle - half) / (1 + square)), min(1.0, (middle + half) / (1 + square))
