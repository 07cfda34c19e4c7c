"""What every picture of the kit shares: the plotting library, imported late, one look, and how a file is written."""

import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from tiny_jepa.errors import UserError
from tiny_jepa.files import write_atomically

OURS, THEIRS, TRUE, MISSED = "#c8321e", "#6b7280", "#1f5fa8", "#9aa0a8"
"""Colours: our models, published ones, the truth, dead reckoning."""
STYLE: dict[Any, Any] = {
    **{"figure.dpi": 110, "savefig.bbox": "tight", "font.size": 10, "axes.titlesize": 11, "legend.frameon": False},
    **{"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25},
    "text.usetex": False,  # a matplotlibrc may ask for a LaTeX that is not there
}


def pyplot() -> Any:
    """`subplots` and `Line2D` of matplotlib, in this kit's style and without a display; `MPLBACKEND` is not asked."""
    backend = os.environ.pop("MPLBACKEND", None)  # a bad one ends the import
    try:
        import matplotlib
        import PIL.Image  # noqa: F401 - of animations; a missing one is said before any work
        from matplotlib.figure import Figure
        from matplotlib.lines import Line2D
    except Exception as error:  # an installation that is broken raises whatever it likes
        raise UserError(f"pictures need matplotlib ({error}); install it with: pip install matplotlib pillow") from None
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    matplotlib.rcParams.update(STYLE)

    def subplots(rows: int = 1, columns: int = 1, figsize: Any = None, layout: Any = None, **more: Any) -> Any:
        figure = Figure(figsize=figsize, layout=layout)
        return figure, figure.subplots(rows, columns, **more)

    return SimpleNamespace(subplots=subplots, Line2D=Line2D)


def save(figure: Any, path: Path, note: str = "") -> Path:
    """Writes a PNG, with `note` as its description."""
    metadata = {"Description": note, "Software": None}
    write_atomically(path, lambda temporary: figure.savefig(temporary, format="png", metadata=metadata))
    return path


Points = np.ndarray | list[np.ndarray]


def animate(figure: Any, lines: Sequence[tuple[Any, Points]], path: Path, dpi: int = 70) -> Path:
    """Writes a GIF of the figure in which each line grows along its points [T, 2], a point a frame; a list of T has all
    points of each frame."""
    from matplotlib.animation import FuncAnimation, PillowWriter

    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once, not anew in each frame
    steps = max(len(points) for _, points in lines)

    def show(step: int) -> list[Any]:
        for line, points in lines:
            line.set_data(*(points[min(step, len(points) - 1)] if isinstance(points, list) else points[: step + 1]).T)
        return []

    moving = FuncAnimation(figure, show, [*range(steps), *[steps - 1] * 6])
    write_atomically(path, lambda temporary: moving.save(temporary, PillowWriter(fps=6), dpi=dpi))
    return path
