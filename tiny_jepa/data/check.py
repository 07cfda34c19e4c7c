"""Reads sets of a folder and says what their world finds in them."""

from collections import Counter

import numpy as np

from tiny_jepa.data.folder import CourseSet
from tiny_jepa.errors import UserError
from tiny_jepa.progress import bar
from tiny_jepa.worlds.contract import UNUSUAL, TrajectorySet

BATCH_BYTES = 4 * 2**20  # read at a time
FEW = 16  # trajectories that `look_at` reads: what is wrong with most of a set is wrong with a few of them


def inspect(dataset: CourseSet, limit: int) -> tuple[Counter[str], int]:
    """How many of up to `limit` trajectories (0: all), from first to last, have which fault; and how many were read."""
    count, faults = min(limit or len(dataset), len(dataset)), Counter[str]()
    chosen = np.linspace(0, len(dataset) - 1, count).astype(np.int64)
    size = max(1, BATCH_BYTES // dataset.states_file.row_bytes)
    for i in bar(range(0, count, size), desc=dataset.name, unit="batch", leave=False, delay=1):
        some = chosen[i : i + size]
        locations = dataset.locations(some).numpy() if dataset.locations_file else None
        seen = dataset.world.inspect(dataset.frames(some).numpy(), dataset.actions(some).numpy(), locations)  # type: ignore[misc]
        faults.update({fault: int(bad.sum()) for fault, bad in seen.items()})
    return +faults, count


def look_at(dataset: TrajectorySet) -> None:
    """Raises a `UserError` that names what most of a few trajectories of a folder suffer from, as far as a model minds
    it: before hours are spent on them."""
    if not isinstance(dataset, CourseSet) or dataset.world.inspect is None:
        return
    faults, read = inspect(dataset, FEW)
    for fault, count in faults.items():
        if 2 * count > read and not fault.startswith(UNUSUAL):
            advice = "mend it, and see all with: python -m tiny_jepa data check FOLDER"
            raise UserError(f"{dataset.folder}: {fault} ({count} of {read} trajectories looked at); {advice}")
