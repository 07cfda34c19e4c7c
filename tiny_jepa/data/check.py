"""Reads a folder's sets and prints what their world finds in them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tiny_jepa.data.folder import CourseSet
from tiny_jepa.data.source import open_source, split_set
from tiny_jepa.errors import UserError
from tiny_jepa.progress import bar
from tiny_jepa.worlds.contract import Inspection, World

BATCH_BYTES = 4 * 2**20  # read at a time


@dataclass
class Report:
    """What was found in one set."""

    name: str
    shape: tuple[int, ...] = ()
    dtype: str = "-"
    inspection: Inspection | None = None  # None: it could not be opened
    error: str = ""

    def lines(self) -> list[str]:
        """What is wrong, a sentence each."""
        return (self.inspection.lines() if self.inspection else []) + ([self.error] if self.error else [])

    def row(self) -> dict[str, str]:
        """Cells of the table by their column."""
        n, t, _, px, _ = map(str, self.shape or ("-",) * 5)
        cells = {"set": self.name, "trajectories": n, "frames": t, "px": px, "dtype": self.dtype}
        if self.inspection:
            cells |= {"read": str(self.inspection.read)} | self.inspection.figures()
        return cells | {"faults": str(len(self.lines()) or "none")}


def check_folder(folder: Path, world: World, limit: int = 2000) -> int:
    """Checks every set of a folder, or the one that it is, up to `limit` trajectories of each (0: all), and prints a
    table; 1 where there are faults, else 0.

    Raises:
        UserError: no such folder, or none with a set.
    """
    root, only = split_set(folder, world)
    open_source(str(root), world)
    names = [name for name in world.sets if only in (None, name) and (root / name).is_dir()]
    reports = [check_set(root / name, name, world, limit) for name in names]
    rows = [report.row() for report in reports]
    columns = max(rows, key=len)  # a set that could not be opened has fewer
    rows.insert(0, {column: column for column in columns})
    widths = [max(len(row.get(column, "-")) for row in rows) for column in columns]
    for row in rows:
        cells = (row.get(column, "-").ljust(width) for column, width in zip(columns, widths, strict=True))
        print("  ".join(cells).rstrip())
    for report in reports:
        for line in report.lines():
            print(f"fault in {report.name}: {line}")
        for note in report.inspection.notes() if report.inspection else []:
            print(f"note on {report.name}: {note}")
    return int(any(report.lines() for report in reports))


def check_set(folder: Path, name: str, world: World, limit: int) -> Report:
    """Opens and reads one set; whatever stops the reading is a fault too."""
    report = Report(name)
    try:
        dataset = CourseSet(folder, name, labelled=name != "train", world=world)
        report.shape, report.dtype = dataset.states_file.shape, str(dataset.states_file.dtype)
        report.inspection = begin_inspection(dataset)
        inspect(report.inspection, dataset, limit or len(dataset))
    except UserError as error:
        report.error = str(error)
    return report


def begin_inspection(dataset: CourseSet) -> Inspection:
    """Raises a `UserError` where the world knows nothing to look for."""
    if dataset.world.inspect is None:
        raise UserError(f"{dataset.folder}: its world does not say what to look for")
    return dataset.world.inspect(dataset.name, dataset.image_size)


def inspect(inspection: Inspection, dataset: CourseSet, limit: int) -> None:
    """Looks at up to `limit` trajectories from first to last: files end badly."""
    count = min(limit, len(dataset))
    chosen = np.linspace(0, len(dataset) - 1, count).astype(np.int64)
    size = max(1, BATCH_BYTES // dataset.states_file.row_bytes)
    starts = range(0, count, size)
    for i in starts if len(starts) < 8 else bar(starts, desc=dataset.name, unit="batch", leave=False):
        indices = chosen[i : i + size]
        states, actions = dataset.frames(indices).numpy(), dataset.actions(indices).numpy()
        locations = dataset.locations(indices).numpy() if dataset.locations_file else None
        inspection.add(states, actions, locations)
