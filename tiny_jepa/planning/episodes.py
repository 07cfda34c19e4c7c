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

FIRST_SEED = 1_700_000_000
"""Of the environment's: nothing else draws from seeds this large."""
AT_ONCE = 25
"""Episodes: what the model computes of their actions stays in cache."""
Z95 = 1.959964
MakeAgent = Callable[[np.ndarray, np.ndarray], Agent]
"""(frames, goal frames) [E, C, H, W] -> the agent of E episodes."""


@dataclass(frozen=True)
class Episodes:
    """What E agents did in T steps."""

    locations: np.ndarray  # [E, T + 1, 2] px
    goals: np.ndarray  # [E, 2] px
    shortest: np.ndarray  # [E] px
    cpu: tuple[float, float]  # seconds: planning ahead, and all actions


def run(task: Task, agent: MakeAgent, count: int, steps: int, options: dict[str, Any]) -> Episodes:
    """Runs `count` episodes of `steps` steps, none ending early. `agent(frames, goal_frames)` gives one agent for all
    episodes of a batch; `options` are the environment's."""
    batches = [
        run_batch(task, agent, FIRST_SEED + first, min(AT_ONCE, count - first), steps, options)
        for first in range(0, count, AT_ONCE)
    ]
    locations, goals, shortest = (
        np.concatenate([getattr(batch, name) for batch in batches]) for name in ("locations", "goals", "shortest")
    )
    return Episodes(locations, goals, shortest, tuple(np.sum([batch.cpu for batch in batches], axis=0)))


def run_batch(
    task: Task,
    agent: MakeAgent,
    seed: int,
    count: int,
    steps: int,
    options: dict[str, Any],
) -> Episodes:
    """Episodes of the seeds from `seed` on, all at once."""
    env = make("make_vec", task, num_envs=count, max_episode_steps=steps, **options)
    frames, info = env.reset(seed=seed, options={"radius": 0.0})
    shortest = task.shortest(info["location"], info["goal"], info["walls"], frames.shape[-1])
    goals, locations = info["goal"], [info["location"]]
    start = time.process_time()
    acting = agent(frames, info["goal_frame"])
    cpu = [time.process_time() - start, 0.0]
    for _ in range(steps):
        start = time.process_time()
        actions = acting.act(frames)
        cpu[1] += time.process_time() - start
        frames, _, _, _, info = env.step(actions)
        locations.append(info["location"])
    env.close()
    return Episodes(np.stack(locations, axis=1), goals, shortest, (cpu[0], cpu[1]))


def make(how: str, task: Task, **options: Any) -> Any:
    """gymnasium's `make` or `make_vec` of the task's environment, its actions bounded as the task says.

    Raises:
        UserError: no gymnasium, or options that the environment refuses.
    """
    try:
        import gymnasium
    except ImportError:
        raise UserError("episodes need gymnasium; install it with: pip install gymnasium") from None
    try:
        return getattr(gymnasium, how)(task.environment, max_norm=task.actions.limit, **options)
    except ValueError as error:
        raise UserError(f"the environment refuses its options: {error}") from None


def score(episodes: Episodes, radii: tuple[float, ...]) -> dict[str, Any]:
    """Shares of episodes that were within each radius `at the last step`, and `at any step`, each with its 95 %
    interval; and of those that came within the smallest: steps to there, the way there against the shortest (both
    medians); CPU seconds an episode and a step."""
    distances = np.linalg.norm(episodes.locations - episodes.goals[:, None], axis=-1)  # [E, T + 1]
    count, steps = len(distances), distances.shape[1] - 1
    found: dict[str, Any] = {"episodes": count, "steps": steps, "last": {}, "any": {}}
    for radius in radii:
        within = distances < radius
        for rule, hits in (("last", within[:, -1]), ("any", within.any(1))):
            share = float(hits.mean())
            found[rule][f"{radius:g}"] = [share, *wilson(share, count)]
    there = distances < min(radii)
    reached, first = there.any(1), there.argmax(1)
    moved = np.linalg.norm(np.diff(episodes.locations, axis=1), axis=-1).cumsum(1)
    each = np.arange(count)
    way = np.where(first > 0, moved[each, first - 1], 0.0) + distances[each, first]
    found["median_steps"] = float(np.median(first[reached])) if reached.any() else None
    found["median_way"] = float(np.median((way / episodes.shortest)[reached])) if reached.any() else None
    found["cpu_episode"] = sum(episodes.cpu) / count
    found["cpu_plan"], found["cpu_step"] = episodes.cpu[0] / count, episodes.cpu[1] / count / steps
    return found


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of `count` (Wilson 1927)."""
    middle, square = share + Z95**2 / (2 * count), Z95**2 / count
    half = Z95 * math.sqrt(share * (1 - share) / count + square / (4 * count))
    return max(0.0, (middle - half) / (1 + square)), min(1.0, (middle + half) / (1 + square))
