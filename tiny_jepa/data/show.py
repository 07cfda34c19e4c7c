"""A contact sheet of a set's trajectories."""

import math
from pathlib import Path

import numpy as np
from einops import rearrange

from tiny_jepa.plotting import pyplot, save
from tiny_jepa.worlds.contract import Frame, TrajectorySet, read_agents


def show(dataset: TrajectorySet, frame: Frame, indices: np.ndarray, path: Path) -> Path:
    """Draws paths coloured by time, a ring where one starts. They are read off the agent's channel, so that sets
    without labels have them too; where colours are mixed, only probing sets can be shown."""
    plt = pyplot()
    states = dataset.frames(indices).numpy()
    paths = dataset.locations(indices).numpy() if frame.agent is None else read_agents(states[:, :, frame.agent])
    drawn = rearrange(states[:, 0], "n c h w -> n h w c") if frame.map is None else states[:, 0, frame.map]
    columns, rows = min(4, len(indices)), math.ceil(len(indices) / 4)
    size = (3 * columns + 0.9, 3.2 * rows + 0.6)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, index, room, way in zip(axes.flat, indices, drawn, paths, strict=False):
        axis.imshow(room, cmap="Greys", interpolation="nearest")
        axis.plot(*way.T, color="#222222", lw=1)
        dots = axis.scatter(*way.T, c=np.arange(len(way)), cmap="plasma", s=9, zorder=3)
        axis.scatter(*way[0], s=50, facecolors="none", edgecolors="#222222", linewidths=1.4, zorder=4)
        axis.set_title(f"no. {index}", fontsize=10)
    figure.suptitle(f"{dataset.name}\n{states.shape[1]} frames of {states.shape[-1]} px; ring: start", fontsize=11)
    figure.colorbar(dots, ax=axes, label="frame", shrink=0.7)
    return save(figure, path)
