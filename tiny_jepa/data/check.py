"""Reads a folder's sets and says what their world finds in them."""

from pathlib import Path

import numpy as np

from tiny_jepa.data.folder import CourseSet
from tiny_jepa.errors import UserError
from tiny_jepa.progress import bar
from tiny_jepa.worlds.contract import Inspection, TrajectorySet, World

BATCH_BYTES = 4 * 2**20  # read at a time
FEW = 16
"""Trajectories that `look_at` reads: what is wrong with most of a set is wrong with a few of them."""


def check_set(folder: Path, name: str, world: World, limit: int = 0) -> tuple[dict[str, str], list[str], list[str]]:
    """What a table says of one set, by column; what is wrong, and what is unusual, a sentence each."""
    row, faults, notes, seen = {"set": name}, list[str](), list[str](), None
    try:
        dataset = CourseSet(folder, name, world)
        count, frames, _, px, _ = map(str, dataset.states_file.shape)
        row |= {"trajectories": count, "frames": frames, "px": px, "dtype": str(dataset.states_file.dtype)}
        seen = world.inspect(name, dataset.image_size)  # type: ignore[misc]
        inspect(dataset, seen, limit)
    except UserError as error:  # whatever stops the reading is a fault, too
        faults.append(str(error))
    if seen is not None:
        row |= {"read": str(seen.read)} | seen.figures()
        faults, notes = seen.lines() + faults, seen.notes()
    return row | {"faults": str(len(faults) or "none")}, faults, notes


def inspect(dataset: CourseSet, seen: Inspection, limit: int) -> None:
    """Looks at up to `limit` trajectories (0: all) from first to last: files end badly."""
    count = min(limit or len(dataset), len(dataset))
    chosen = np.linspace(0, len(dataset) - 1, count).astype(np.int64)
    size = max(1, BATCH_BYTES // dataset.states_file.row_bytes)
    for i in bar(range(0, count, size), desc=dataset.name, unit="batch", leave=False, delay=1):
        indices = chosen[i : i + size]
        locations = dataset.locations(indices).numpy() if dataset.locations_file else None
        seen.add(dataset.frames(indices).numpy(), dataset.actions(indices).numpy(), locations)


def look_at(dataset: TrajectorySet) -> None:
    """Raises a `UserError` that names what most of a few trajectories of a folder suffer from, as far as a model minds
    it: before hours are spent on them."""
    if not isinstance(dataset, CourseSet) or dataset.world.inspect is None:
        return
    inspect(dataset, seen := dataset.world.inspect(dataset.name, dataset.image_size), FEW)
    for fault, count in seen.faults.items():
        if 2 * count > seen.read and not fault.startswith(seen.harmless):
            raise UserError(
                f"{dataset.folder}: {fault} ({count} of {seen.read} trajectories looked at); mend it, and see all "
                "with: python -m tiny_jepa data check FOLDER"
            )
