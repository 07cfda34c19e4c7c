"""What every picture of the kit shares: the plotting library, imported late, one look, and how a file is written."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tiny_jepa.errors import UserError
from tiny_jepa.files import write_atomically

OURS, THEIRS, TRUE, MISSED = "#c8321e", "#6b7280", "#1f5fa8", "#9aa0a8"
"""Colours: our models, published ones, the truth, dead reckoning."""
FLOOR = 1e-3
"""px²: on a logarithmic axis, errors below are drawn here."""
STYLE: dict[Any, Any] = {
    **{"figure.dpi": 110, "savefig.bbox": "tight", "font.size": 10, "axes.titlesize": 11, "legend.frameon": False},
    **{"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25},
}


def pyplot() -> Any:
    """matplotlib.pyplot without a display and in this kit's style; a `UserError` where it is not installed."""
    try:
        import matplotlib
        import PIL.Image  # noqa: F401 - of animations; a missing one is said before any work
    except ImportError as error:
        raise UserError(f"pictures need {error.name}; install it with: pip install matplotlib pillow") from None
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(STYLE)
    return plt


def save(figure: Any, path: Path, note: str = "") -> Path:
    """Writes a PNG, with `note` as its description, and closes the figure."""
    metadata = {"Description": note, "Software": None}
    write_atomically(path, lambda temporary: figure.savefig(temporary, format="png", metadata=metadata))
    pyplot().close(figure)
    return path


Points = np.ndarray | list[np.ndarray]


def animate(figure: Any, lines: Sequence[tuple[Any, Points]], path: Path, dpi: int = 70) -> Path:
    """Writes a GIF of the figure in which each line grows along its points [T, 2], a point a frame; a list of T has all
    points of each frame."""
    from matplotlib.animation import FuncAnimation, PillowWriter

    figure.canvas.draw()
    figure.set_layout_engine("none")  # laid out once, not anew in each frame
    steps = max(len(points) for _, points in lines)

    def show(step: int) -> list[Any]:
        for line, points in lines:
            line.set_data(*(points[min(step, len(points) - 1)] if isinstance(points, list) else points[: step + 1]).T)
        return []

    path.parent.mkdir(parents=True, exist_ok=True)
    FuncAnimation(figure, show, [*range(steps), *[steps - 1] * 6]).save(path, PillowWriter(fps=6), dpi=dpi)
    return path
