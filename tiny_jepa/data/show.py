"""Pictures of a set's trajectories: a contact sheet (PNG) and an animation (GIF)."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from tiny_jepa.errors import UserError
from tiny_jepa.plotting import animate, pyplot, save
from tiny_jepa.worlds.contract import TrajectorySet
from tiny_jepa.worlds.two_rooms.render import paint, read_agents


def show(dataset: TrajectorySet, indices: np.ndarray, out: Path) -> list[Path]:
    """Writes `trajectories.png` and `trajectories.gif` into `out` and returns their paths: paths as the frames show
    them, coloured by time, a ring where one starts and a disc where it ends.

    Raises:
        UserError: matplotlib or pillow is not installed, or `out` cannot be written.
    """
    plt = pyplot()
    states = dataset.frames(indices).numpy()
    paths = read_agents(states[:, :, 0])  # so that sets without labels have them too
    columns = min(4, len(indices))
    rows = math.ceil(len(indices) / columns)
    size = (3 * columns + 0.9, 3.2 * rows + 0.6)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.set_axis_off()
    lines: list[tuple[Any, np.ndarray]] = []
    dots: list[Any] = []
    for axis, index, state, path in zip(axes.flat, indices, states, paths, strict=False):
        axis.imshow(paint(state[0, 1]), interpolation="nearest")
        lines.append((axis.plot(*path.T, color="#222222", lw=1)[0], path))
        lines.append((axis.plot(*path.T, "o", color="#222222", ms=5, markevery=[-1], zorder=5)[0], path))
        dots.append(axis.scatter(*path.T, c=np.arange(len(path)), cmap="plasma", s=9, zorder=3))
        axis.scatter(*path[0], s=50, facecolors="none", edgecolors="#222222", linewidths=1.4, zorder=4)
        axis.set_title(f"no. {index}", fontsize=10)
    title = f"{dataset.name}\n{states.shape[1]} frames of {states.shape[-1]} px; ring: start, disc: end"
    figure.suptitle(title, fontsize=11)
    figure.colorbar(dots[0], ax=axes, label="frame", shrink=0.7)
    for each in dots:  # the animation shows the way so far
        each.set_visible(False)
    try:
        written = [animate(figure, lines, out / "trajectories.gif")]
    except OSError as error:
        raise UserError(f"cannot write to {out} ({error.strerror or error}); give another --out") from None
    for each in dots:
        each.set_visible(True)
    return [save(figure, out / "trajectories.png"), *written]
