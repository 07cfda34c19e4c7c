"""Pictures of a set's trajectories: a contact sheet (PNG) and an animation (GIF)."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from tiny_jepa.errors import UserError
from tiny_jepa.worlds.contract import TrajectorySet
from tiny_jepa.worlds.two_rooms.scene import paint, read_agents

COLOURS = "plasma"  # of the path, first frame to last
INK = "#222222"
SCALE = 4  # GIF pixels a world pixel
FRAME_MS = 120
MAX_TILES = 12  # in the GIF


def show(dataset: TrajectorySet, indices: np.ndarray, out: Path) -> list[Path]:
    """Writes `trajectories.png` and `trajectories.gif` into `out` and returns their paths.

    Raises:
        UserError: matplotlib or pillow is not installed, or `out` cannot be written.
    """
    try:
        import matplotlib
        import PIL.Image  # noqa: F401 - the GIF's; a missing one is to be said before any work
    except ImportError as error:
        raise UserError(f"pictures need {error.name}; install it with: pip install matplotlib pillow") from None
    matplotlib.use("Agg")
    states = dataset.frames(indices).numpy()
    agent = states[:, :, 0]
    paths = read_agents(agent, agent.sum((2, 3), dtype=np.float32))  # so that sets without labels have them too
    try:
        out.mkdir(parents=True, exist_ok=True)
        _sheet(dataset.name, indices, states, paths, out / "trajectories.png")
        _animation(states[:MAX_TILES], paths[:MAX_TILES], out / "trajectories.gif")
    except OSError as error:
        raise UserError(f"cannot write to {out} ({error.strerror or error}); give another --out") from None
    return [out / "trajectories.png", out / "trajectories.gif"]


def _sheet(name: str, indices: np.ndarray, states: np.ndarray, paths: np.ndarray, file: Path) -> None:
    """A grid of trajectories: path coloured by time, a ring where it starts and a disc where it ends."""
    import matplotlib.pyplot as plt
    from matplotlib.collections import LineCollection
    from matplotlib.colors import Normalize

    columns = min(4, len(indices))
    rows = math.ceil(len(indices) / columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(3 * columns + 0.9, 3.2 * rows + 0.6), squeeze=False, layout="constrained"
    )
    norm = Normalize(0, states.shape[1] - 1)
    for axis in axes.flat:
        axis.set_axis_off()
    lines: Any = None
    for axis, index, state, path in zip(axes.flat, indices, states, paths, strict=False):
        axis.imshow(paint(state[0, 1]), interpolation="nearest")
        segments = np.stack([path[:-1], path[1:]], axis=1)
        lines = LineCollection(list(segments), cmap=COLOURS, norm=norm, linewidths=2, capstyle="round")
        lines.set_array(np.arange(len(segments)))
        axis.add_collection(lines)
        axis.scatter(*path.T, c=np.arange(len(path)), cmap=COLOURS, norm=norm, s=7, zorder=3)
        axis.scatter(*path[0], s=50, facecolors="none", edgecolors=INK, linewidths=1.4, zorder=4)
        axis.scatter(*path[-1], s=22, color=INK, zorder=4)
        axis.set_title(f"no. {index}", fontsize=10)
    figure.suptitle(f"{name}\n{states.shape[1]} frames of {states.shape[-1]} px; ring: start, disc: end", fontsize=11)
    figure.colorbar(lines, ax=axes, label="frame", shrink=0.7)
    figure.savefig(file, dpi=100)
    plt.close(figure)


def _animation(states: np.ndarray, paths: np.ndarray, file: Path) -> None:
    """All trajectories at once, tile by tile, each with the path so far."""
    from matplotlib import colormaps
    from PIL import Image, ImageDraw

    count, steps, _, size, _ = states.shape
    columns = min(4, count)
    tile, gap = size * SCALE, 2 * SCALE
    width, height = (n * (tile + gap) + gap for n in (columns, math.ceil(count / columns)))
    colours = [tuple(int(255 * c) for c in colormaps[COLOURS](t / max(steps - 1, 1))[:3]) for t in range(steps)]
    canvas = Image.new("RGB", (width, height), "white")
    corners = [(gap + (i % columns) * (tile + gap), gap + (i // columns) * (tile + gap)) for i in range(count)]
    for state, corner in zip(states, corners, strict=True):
        floor = Image.fromarray(paint(state[0, 1])).resize((tile, tile), Image.Resampling.NEAREST)
        canvas.paste(floor, corner)
    frames = []
    draw = ImageDraw.Draw(canvas)
    for t in range(steps):
        for path, corner in zip(paths, corners, strict=True):  # the path stays on the canvas, the agent does not
            ends = [tuple((path[s] + 0.5) * SCALE + corner) for s in (max(t - 1, 0), t)]
            draw.line(ends, fill=colours[t], width=SCALE - 1)
        frame = canvas.copy()
        for path, corner in zip(paths, corners, strict=True):
            x, y = (path[t] + 0.5) * SCALE + corner
            ImageDraw.Draw(frame).ellipse((x - 5, y - 5, x + 5, y + 5), fill=colours[t], outline=INK, width=2)
        frames.append(frame)
    durations = [FRAME_MS] * (steps - 1) + [8 * FRAME_MS]
    palette = frames[-1].quantize(128)
    quantized = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    quantized[0].save(file, save_all=True, append_images=quantized[1:], duration=durations, loop=0)
