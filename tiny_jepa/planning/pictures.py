"""Pictures of planning: an episode as a GIF, over the cost-to-go. The rooms are the environment's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tiny_jepa.planning.costtogo import CostToGo
from tiny_jepa.planning.episodes import FIRST_SEED, MakeAgent, start
from tiny_jepa.plotting import OURS, TRUE, animate, pyplot
from tiny_jepa.worlds.contract import World

IMAGINED = 15  # steps ahead that an animation shows
FRAMES = 200  # of an animation, at most


def draw(axis: Any, room: np.ndarray, goal: np.ndarray, costs: CostToGo, unit: float, episode: int) -> Any:
    """A room [H, W, 3] uint8, the goal [2] px in it, and contours, 2 steps apart or more, of where a way without risk
    leads there; `unit`: px of a code unit."""
    axis.imshow(room)
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    axis.plot(*goal, "*", ms=14, color="white", mec="black", label="goal")
    shown = costs.costs[episode].cpu().numpy()
    least = np.percentile(shown, 1)  # not the goal's own: a risk alone may lead there
    shown = np.where(shown < least + costs.risk / 3, shown, np.nan)  # the shortest risk costs more
    place = (costs.first + costs.spacing * np.arange(len(shown))) * unit
    low, high = np.nanmin(shown), np.nanmax(shown)
    levels = np.arange(low, high + 2, max(2, (high - low) / 80))
    return axis.contourf(place, place, shown, levels=levels, cmap="viridis_r", alpha=0.8)


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
    """Episodes side by side: rooms [E, H, W, 3] uint8, what planning knew of them, ways [E, T, 2] px, goals [E, 2] px,
    px of a code unit, and what the first agent imagines: T times [K, 2] px."""
    size = (5, 5.6) if len(rooms) == 1 else (3 * len(rooms), 3.6)
    figure, axes = pyplot().subplots(1, len(rooms), figsize=size, layout="constrained", squeeze=False)
    moving: list[tuple[Any, Any]] = []
    for i, (axis, room, way, goal) in enumerate(zip(axes[0], rooms, ways, goals, strict=True)):
        draw(axis, room, goal, costs, unit, i)
        moving.append((axis.plot([], [], color=TRUE, lw=2.5, label="way so far")[0], way))
        if len(imagined):
            dots = axis.plot([], [], ".", color="white", ms=5, mec="black", mew=0.4, label="imagined next")
            moving.append((dots[0], list(imagined)))
        moving.append((axis.plot([], [], "o", color=OURS, ms=8, label="agent")[0], list(way[:, None])))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    figure.suptitle(f"{name}: colour is the model's cost-to-go")
    return animate(figure, moving, path)
