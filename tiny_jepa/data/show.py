"""Pictures of a set's trajectories: a contact sheet (PNG) and an animation (GIF)."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from einops import rearrange

from tiny_jepa.plotting import animate, pyplot, save
from tiny_jepa.worlds.contract import Frame, TrajectorySet, read_agents


def show(dataset: TrajectorySet, frame: Frame, indices: np.ndarray, out: Path) -> list[Path]:
    """Writes `trajectories.png` and `trajectories.gif` into `out` and returns their paths: paths coloured by time, a
    ring where one starts and a disc where it ends. Read off the agent's channel, so that sets without labels have them
    too; where colours are mixed, only probing sets can be shown."""
    plt = pyplot()
    states = dataset.frames(indices).numpy()
    paths = dataset.locations(indices).numpy() if frame.agent is None else read_agents(states[:, :, frame.agent])
    drawn = rearrange(states[:, 0], "n c h w -> n h w c") if frame.map is None else states[:, 0, frame.map]
    columns = min(4, len(indices))
    rows = math.ceil(len(indices) / columns)
    size = (3 * columns + 0.9, 3.2 * rows + 0.6)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.set_axis_off()
    lines: list[tuple[Any, np.ndarray]] = []
    dots: list[Any] = []  # of the sheet: the animation shows the way so far
    for axis, index, room, path in zip(axes.flat, indices, drawn, paths, strict=False):
        axis.imshow(room, cmap="Greys", interpolation="nearest")
        lines.append((axis.plot(*path.T, "o-", color="#222222", lw=1, ms=5, markevery=[-1])[0], path))
        dots.append(axis.scatter(*path.T, c=np.arange(len(path)), cmap="plasma", s=9, zorder=3))
        axis.scatter(*path[0], s=50, facecolors="none", edgecolors="#222222", linewidths=1.4, zorder=4)
        axis.set_title(f"no. {index}", fontsize=10)
    title = f"{dataset.name}\n{states.shape[1]} frames of {states.shape[-1]} px; ring: start, disc: end"
    figure.suptitle(title, fontsize=11)
    figure.colorbar(dots[0], ax=axes, label="frame", shrink=0.7)
    sheet = save(figure, out / "trajectories.png")
    for each in dots:
        each.set_visible(False)
    return [sheet, animate(figure, lines, out / "trajectories.gif")]
