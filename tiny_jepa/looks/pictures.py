"""Pictures of the deeper looks. Each says on itself what it shows; solid or red is the model, dashed or
grey is dead reckoning."""

from pathlib import Path
from typing import Any

import numpy as np

from tiny_jepa.looks.readout import ReadOut, binned, error_map, examples
from tiny_jepa.plotting import FLOOR, MISSED, OURS, TRUE, animate, pyplot, save
from tiny_jepa.worlds.two_rooms.scene import paint
from tiny_jepa.worlds.two_rooms.sets import COURSE

COLOURS = {"normal": "#1f5fa8", "wall": "#c8321e", "wall_other": "#d98a1c", "expert": "#2e7d4f", "long": "#7a4aa8"}
ERROR = f"error, px² (below {FLOOR:g}: drawn there)"
PATHS: tuple[dict[str, Any], ...] = (
    {"color": MISSED, "ls": ":", "lw": 2, "label": "dead reckoning (walls ignored)"},
    {"color": TRUE, "marker": "o", "ms": 4, "lw": 1, "label": "true path"},
    {"color": OURS, "marker": "x", "ms": 6, "ls": "", "label": "predicted from the first frame and the actions"},
)
NEAR = np.arange(0, 25)
"""px: bins of the distance to the wall."""


def over_time(sets: dict[str, ReadOut], name: str, path: Path) -> Path:
    """Error at each time step."""
    plt = pyplot()
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for axis, long in zip(axes, (False, True), strict=True):
        for key, read in sets.items():
            if (read.true.shape[1] > 30) == long:
                axis.plot(np.maximum(read.errors().mean(0), FLOOR), color=COLOURS[key], label=key, lw=2)
                reckoned = np.maximum(read.errors(reckoned=True).mean(0), FLOOR)
                axis.plot(reckoned, "--", color=COLOURS[key], alpha=0.5)
        axis.set(yscale="log", xlabel="time step (0 is the only frame seen)", ylabel=ERROR)
        axis.set_title("long sets" if long else "17-frame sets")
    axes[0].plot([], [], "--", color=MISSED, label="dead reckoning (walls ignored)")
    figure.legend(loc="outside lower center", ncols=6)
    figure.suptitle(f"{name}: how the error grows as the model predicts further ahead")
    return save(figure, path)


def near_wall(sets: dict[str, ReadOut], name: str, path: Path) -> Path:
    """Error by the agent's horizontal distance to the wall."""
    plt = pyplot()
    shown = [key for key in ("normal", "wall", "wall_other") if key in sets]
    figure, axis = plt.subplots(figsize=(8, 4.6), layout="constrained")
    for key in shown:
        read = sets[key]
        distance = np.abs(read.true[..., 0] - read.layouts[:, None, 0])
        errors, reckoned = (np.maximum(binned(distance, read.errors(who), NEAR), FLOOR) for who in (False, True))
        axis.plot(NEAR[:-1] + 0.5, errors, "o-", color=COLOURS[key], label=key)
        axis.plot(NEAR[:-1] + 0.5, reckoned, "--", color=COLOURS[key], alpha=0.5)
    axis.axvspan(0, COURSE.wall_half, color="k", alpha=0.12, label="inside the wall: the door")
    axis.plot([], [], "--", color=MISSED, label="dead reckoning (walls ignored)")
    axis.set(yscale="log", xlabel="distance of the agent from the wall's centre, px", ylabel=ERROR)
    axis.set_title(f"{name}: error near the wall and far from it")
    figure.legend(loc="outside lower center", ncols=5, fontsize=9)
    return save(figure, path)


def maps(read: ReadOut, name: str, path: Path) -> Path:
    """Where in the room, and where about the door, the error is made: the model above dead reckoning."""
    from matplotlib.colors import LogNorm

    plt = pyplot()
    side = read.channels.shape[-1]
    views = (
        ("over the room", read.true, np.linspace(0, side, side // 3), "column, px", "row, px"),
        ("about the door", read.true - read.layouts[:, None], np.arange(-25.5, 26), "px right of the wall's centre",
         "px below the door's centre"),
    )  # fmt: skip
    figure, axes = plt.subplots(2, 2, figsize=(10, 9), layout="constrained")
    image: Any = None
    for column, (title, places, edges, x_label, y_label) in enumerate(views):
        for row, who in enumerate((name, "dead reckoning")):
            axis = axes[row, column]
            cells = np.clip(error_map(places, read.errors(reckoned=row == 1), edges), 1e-3, 1e2)
            image = axis.pcolormesh(edges, edges, cells, norm=LogNorm(1e-3, 1e2), cmap="magma_r")
            axis.set(title=f"{who}: {title}", xlabel=x_label, ylabel=y_label, aspect="equal")
            axis.invert_yaxis()
            axis.grid(False)
            if column == 1:  # wall faces with the door between
                for face in (-COURSE.wall_half, COURSE.wall_half):
                    for ends in ((-25.5, -COURSE.door_half), (COURSE.door_half, 25.5)):
                        axis.plot([face, face], ends, color="#2a6fb0", lw=1.2)
    figure.colorbar(image, ax=axes, label="mean error, px² (white: nobody was there)", shrink=0.6)
    figure.suptitle("Where the error is made: agent's true place on the normal set, all time steps")
    return save(figure, path)


def encoders(probed: dict[str, tuple[float, float]], name: str, path: Path) -> Path:
    """How exactly each thing is read from the encoders' codes."""
    plt = pyplot()
    figure, axis = plt.subplots(figsize=(8, 3.2), layout="constrained")
    places = np.arange(len(probed))
    errors, variances = (np.maximum(values, FLOOR) for values in zip(*probed.values(), strict=True))
    axis.barh(places, variances, color="#e3e5e8", label="knowing nothing (variance)")
    axis.barh(places, errors, color=OURS, height=0.5, label="read from the code")
    for place, error, (exact, _) in zip(places, errors, probed.values(), strict=True):
        axis.annotate(f" {exact:.2g} px²", (error, place), va="center", fontsize=9)
    axis.set(yticks=places, yticklabels=list(probed), xscale="log", xlabel="error, px²")
    axis.invert_yaxis()
    axis.set_title(f"{name}: what the encoders tell of one frame, nothing predicted")
    figure.legend(loc="outside lower center", ncols=2)
    return save(figure, path)


def rollouts(sets: dict[str, ReadOut], name: str, path: Path, animation: Path | None = None) -> Path:
    """True and predicted paths over the layout, as a strip; with `animation` as a GIF too."""
    plt = pyplot()
    shown = examples(sets, 4)
    figure, axes = plt.subplots(-(-len(shown) // 4), 4, figsize=(12, 3.4 * -(-len(shown) // 4)), layout="constrained")
    lines = []
    for axis, (key, read, i) in zip(axes.flat, shown, strict=True):
        axis.imshow(paint(read.channels[i]), interpolation="nearest")
        for points, style in zip((read.reckoned[i], read.true[i], read.predicted[i]), PATHS, strict=True):
            lines.append((axis.plot(*points.T, **style)[0], points))
        error, reckoned = read.errors()[i].mean(), read.errors(reckoned=True)[i].mean()
        axis.set_title(f"{key} {i}: {error:.3f} px²\n(dead reckoning {reckoned:.1f})", fontsize=10)
        paths = np.concatenate([read.true[i], read.reckoned[i]])
        centre, half = (paths.min(0) + paths.max(0)) / 2, max(12.0, float(np.ptp(paths, axis=0).max()) / 2 + 3)
        axis.set(xlim=(centre[0] - half, centre[0] + half), ylim=(centre[1] + half, centre[1] - half))
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
    figure.legend(handles=[line for line, _ in lines[2::-1]], loc="outside lower center", ncols=3)
    figure.suptitle(f"{name}: rollouts, from where walls hardly matter (left) to where they matter most (right)")
    if animation is not None:
        animate(figure, lines, animation)
    return save(figure, path)
