"""What every picture of the kit shares: the plotting library, imported late, and one look."""

from pathlib import Path
from typing import Any

from tiny_jepa.errors import UserError

OURS, THEIRS, TRUE, MISSED = "#c8321e", "#6b7280", "#1f5fa8", "#9aa0a8"
"""Colours: our models, published ones, the truth, dead reckoning."""


def pyplot() -> Any:
    """matplotlib.pyplot without a display and in this kit's style; a `UserError` where it is not installed."""
    try:
        import matplotlib
    except ImportError:
        raise UserError("pictures need matplotlib; install it with: pip install matplotlib pillow") from None
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {
            "figure.dpi": 110,
            "savefig.bbox": "tight",
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.25,
            "legend.frameon": False,
        }
    )
    return plt


def save(figure: Any, path: Path, note: str = "") -> Path:
    """Writes a PNG, with `note` as its description, and closes the figure."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Description": note, "Software": None})
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None
    pyplot().close(figure)
    return path
