"""Episodes in a world's environment, how well they ended, and GIFs of them over the cost-to-go. Only this file looks at
locations, and only to score and to draw."""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tiny_jepa.planning.costtogo import CostToGo
from tiny_jepa.plotting import OURS, TRUE, animate, pyplot
from tiny_jepa.worlds.contract import Task, World

FIRST_SEED = 1_700_000_000  # of the environment's: nothing else draws from seeds this large
AT_ONCE = 25  # episodes: what the model computes of their actions stays in cache
Z95 = 1.959964
IMAGINED = 15  # steps ahead that an animation shows
FRAMES = 200  # of an animation, at most
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


def record(world: World, agent: MakeAgent, steps: int, name: str, options: dict[str, Any], path: Path) -> Path:
    """The first episode, until the goal is reached: the way so far, and what the agent imagines next."""
    assert world.task
    env, frames, info = start(world.task, FIRST_SEED, 1, steps + 1, render_mode="rgb_array", **options)
    acting, rooms, way, imagined = agent(frames, info["goal_frame"]), env.render(), [info["location"]], []
    for _ in range(steps):
        imagined.append(acting.imagine(frames, IMAGINED)[0].cpu().numpy() * world.frame.unit)
        if np.linalg.norm(way[-1] - info["goal"]) < min(world.task.radii):
            break
        frames, _, _, _, info = env.step(acting.act(frames))
        way.append(info["location"])
    env.close()
    shown = slice(None, None, -(-len(way) // FRAMES))
    ways, unit, imagined = np.stack(way[shown], axis=1), world.frame.unit, imagined[shown]
    return record_ways(rooms, acting.map, ways, info["goal"], unit, name, path, imagined)


def record_ways(
    rooms: Any,
    costs: CostToGo,
    ways: np.ndarray,
    goals: np.ndarray,
    unit: float,
    name: str,
    path: Path,
    imagined: Sequence[np.ndarray] = (),
) -> Path:
    """Episodes side by side: rooms [E, H, W, 3] uint8, contours of where a way without risk leads to the goal, 2 steps
    apart or more, ways [E, T, 2] px, goals [E, 2] px, px of a code unit, and what the first agent imagines: T times
    [K, 2] px."""
    size = (5, 5.6) if len(rooms) == 1 else (3 * len(rooms), 3.6)
    figure, axes = pyplot().subplots(1, len(rooms), figsize=size, layout="constrained", squeeze=False)
    moving: list[tuple[Any, Any]] = []
    place = (costs.first + costs.spacing * np.arange(costs.costs.shape[-1])) * unit
    for axis, room, way, goal, steps in zip(axes[0], rooms, ways, goals, costs.costs.cpu().numpy(), strict=True):
        axis.imshow(room)
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
        axis.plot(*goal, "*", ms=14, color="white", mec="black", label="goal")
        least = np.percentile(steps, 1)  # not the goal's own: a risk alone may lead there
        shown = np.where(steps < least + costs.risk / 3, steps, np.nan)  # the shortest risk costs more
        low, high = np.nanmin(shown), np.nanmax(shown)
        levels = np.arange(low, high + 2, max(2, (high - low) / 80))
        axis.contourf(place, place, shown, levels=levels, cmap="viridis_r", alpha=0.8)
        moving.append((axis.plot([], [], color=TRUE, lw=2.5, label="way so far")[0], way))
        if len(imagined):
            dots = axis.plot([], [], ".", color="white", ms=5, mec="black", mew=0.4, label="imagined next")
            moving.append((dots[0], list(imagined)))
        moving.append((axis.plot([], [], "o", color=OURS, ms=8, label="agent")[0], list(way[:, None])))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    figure.suptitle(f"{name}: colour is the model's cost-to-go")
    return animate(figure, moving, path)
