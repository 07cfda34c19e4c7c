"""Pictures of planning: an episode as a GIF, and the cost-to-go over the room. The rooms are the environment's own."""

from pathlib import Path
from typing import Any

import numpy as np

from tiny_jepa.planning.costtogo import RISK, CostToGo
from tiny_jepa.planning.episodes import FIRST_SEED, MakeAgent, make
from tiny_jepa.plotting import OURS, TRUE, animate, pyplot, save
from tiny_jepa.worlds.contract import World

IMAGINED = 15
"""Steps ahead that an animation shows."""


def draw_costs(axis: Any, costs: CostToGo, unit: float, episode: int = 0) -> Any:
    """Filled contours, 2 steps apart, of where a way without risk leads to the goal of an episode."""
    shown = costs.costs[episode].cpu().numpy()
    least = np.percentile(shown, 1)  # not the goal's own: a risk alone may lead there
    shown = np.where(shown < least + RISK / 3, shown, np.nan)  # the shortest risk costs more
    place = (costs.first + costs.spacing * np.arange(len(shown))) * unit
    return axis.contourf(
        place, place, shown, levels=np.arange(np.nanmin(shown), np.nanmax(shown) + 2, 2), cmap="viridis_r", alpha=0.8
    )


def picture(world: World, agent: MakeAgent, count: int, name: str, options: dict[str, Any], path: Path) -> Path:
    """The cost-to-go of the first episodes."""
    plt = pyplot()
    figure, axes = plt.subplots(1, count, figsize=(4 * count, 4.4), layout="constrained", squeeze=False)
    for i, axis in enumerate(axes[0]):
        env, frame, info = reset(world, FIRST_SEED + i, options)
        show_room(axis, env.render())
        drawn = draw_costs(axis, agent(frame, info["goal_frame"]).map, world.frame.unit)  # type: ignore[attr-defined]
        axis.plot(*info["location"], "o", color=OURS, label="start")
        axis.plot(*info["goal"], "*", ms=14, color="white", mec="black", label="goal")
        figure.colorbar(drawn, ax=axis, label="steps to the goal", shrink=0.7)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.suptitle(f"{name}: cost-to-go, solved with the model's predictions (no colour: no way without risk)")
    return save(figure, path)


def record(world: World, agent: MakeAgent, steps: int, name: str, options: dict[str, Any], path: Path) -> Path:
    """The first episode, until the goal is reached: the way so far, and what the agent imagines next."""
    assert world.task
    env, frame, info = reset(world, FIRST_SEED, options)
    acting = agent(frame, info["goal_frame"])
    plt = pyplot()
    figure, axis = plt.subplots(figsize=(5, 5.4), layout="constrained")
    show_room(axis, env.render())
    if hasattr(acting, "map"):
        draw_costs(axis, acting.map, world.frame.unit)
    way, imagined = [info["location"]], []
    for _ in range(steps):
        imagined.append(acting.imagine(frame, IMAGINED).cpu().numpy() * world.frame.unit)
        if np.linalg.norm(way[-1] - info["goal"]) < min(world.task.radii):
            break
        frame, _, _, _, info = env.step(acting.act(frame))
        way.append(info["location"])
    env.close()
    axis.plot(*info["goal"], "*", ms=14, color="white", mec="black", label="goal")
    moving = (
        (axis.plot([], [], color=TRUE, lw=2.5, label="way so far")[0], np.array(way)),
        (axis.plot([], [], ".", color="white", ms=5, mec="black", mew=0.4, label="imagined next")[0], imagined),
        (axis.plot([], [], "o", color=OURS, ms=8, label="agent")[0], [place[None] for place in way]),
    )
    figure.legend(loc="outside lower center", ncols=4, fontsize=9)
    axis.set_title(f"{name}: colour is the model's cost-to-go")
    return animate(figure, moving, path)


def record_ways(
    rooms: np.ndarray, costs: CostToGo, ways: np.ndarray, goals: np.ndarray, unit: float, title: str, path: Path
) -> Path:
    """Episodes side by side: rooms [E, H, W, 3] uint8, what planning knew of them, ways [E, T, 2] px, goals [E, 2] px,
    px of a code unit."""
    figure, axes = pyplot().subplots(1, len(rooms), figsize=(3 * len(rooms), 3.6), layout="constrained", squeeze=False)
    moving: list[tuple[Any, Any]] = []
    for i, (axis, room, way, goal) in enumerate(zip(axes[0], rooms, ways, goals, strict=True)):
        show_room(axis, room)
        draw_costs(axis, costs, unit, i)
        axis.plot(*goal, "*", ms=14, color="white", mec="black", label="goal")
        moving += [
            (axis.plot([], [], color=TRUE, lw=2.5, label="way so far")[0], way),
            (axis.plot([], [], "o", color=OURS, ms=8, label="agent")[0], [place[None] for place in way]),
        ]
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    figure.suptitle(title)
    return animate(figure, moving, path)


def reset(world: World, seed: int, options: dict[str, Any]) -> tuple[Any, np.ndarray, dict[str, Any]]:
    """The environment of one episode, its first frame and its info."""
    assert world.task
    env = make("make", world.task, render_mode="rgb_array", **options)
    return (env, *env.reset(seed=seed, options={"radius": 0.0}))


def show_room(axis: Any, room: np.ndarray) -> None:
    axis.imshow(room)
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
