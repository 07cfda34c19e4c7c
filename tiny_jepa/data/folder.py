"""Reader of the course's folder layout: `states.npy`, `actions.npy` and, in probing sets, `locations.npy`. Resident
memory is what is asked for, never the file. What is in a set, its world says."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tiny_jepa.errors import UserError
from tiny_jepa.files import require_file
from tiny_jepa.progress import bar
from tiny_jepa.worlds.contract import UNUSUAL, TrajectorySet, World, as_tensor

FLOAT_MAX = float(np.finfo(np.float32).max)
NOISE = 1e-3  # share of the largest value, by which frames may be below black
METADATA = "metadata.json"  # beside the arrays: what `data generate` and `data collect` were asked for
AGAIN = "copy it again, or save it with np.save(path, np.ascontiguousarray(array)), an array of numbers"
BATCH_BYTES = 4 * 2**20  # read at a time
FEW = 16  # trajectories that `look_at` reads: what is wrong with most of a set is wrong with a few of them


class NpyFile:
    """A .npy array on disk, its rows read by plain reads; no file stays open. A memory map would do the same work, but
    its pages count as resident until the kernel wants them back (after an epoch over 84 GB of states, as much as the
    machine has), and a disk that fails kills the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        require_file(path, "a set needs states.npy and actions.npy, a probing set locations.npy too")
        try:
            array = np.load(path, mmap_mode="r")
            self.shape, self.dtype, self.offset = array.shape, array.dtype, array.offset
            self.row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
            if not array.flags.c_contiguous:
                raise ValueError("it is in Fortran order")
        except Exception as error:  # a header of arbitrary bytes is parsed as Python
            reason = getattr(error, "strerror", None) or (str(error) or type(error).__name__).splitlines()[0]
            raise UserError(f"{path} is not a readable .npy array ({reason.rstrip('.')}); {AGAIN}") from None

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, indices: np.ndarray, start: int = 0, stop: int | None = None) -> np.ndarray:
        """The rows `indices` [B], of each only `start` to `stop` of its first axis, in native byte order."""
        indices = np.arange(len(self))[np.asarray(indices)]  # negative ones count from the end
        start, stop, _ = slice(start, stop).indices(self.shape[1])
        rows = np.empty((len(indices), max(stop - start, 0), *self.shape[2:]), self.dtype)
        offsets = self.offset + indices * self.row_bytes + start * math.prod(self.shape[2:]) * self.dtype.itemsize
        with self.path.open("rb") as file:
            for row, offset in zip(rows, offsets.tolist(), strict=True):
                file.seek(offset)
                if file.readinto(row) < row.nbytes:
                    raise UserError(f"{self.path} became shorter while it was read; {AGAIN}")
        return rows.astype(self.dtype.newbyteorder("="), copy=False)


class CourseSet:
    """One folder of arrays: only what is asked for is read."""

    def __init__(self, folder: Path, name: str, world: World) -> None:
        """Opens the files of the set `name`, all but locations to train on."""
        self.folder, self.name, self.world = folder, name, world
        self.states_file = states = NpyFile(folder / "states.npy")
        self.actions_file = NpyFile(folder / "actions.npy")
        self.locations_file = NpyFile(folder / "locations.npy") if name != "train" else None

        def require(file: NpyFile, right: bool, expected: str) -> None:
            if not right:
                raise UserError(f"{file.path} has shape {file.shape} and type {file.dtype}; expected {expected}")

        shape, channels = states.shape, world.frame.channels
        fits = shape[2:] == (channels, *shape[-1:] * 2) and 0 not in shape and shape[1] > 1
        numbers = states.dtype == np.uint8 or states.dtype.kind == "f"
        require(states, fits and numbers, f"(N, T, {channels}, size, size), N from 1, T from 2, of uint8 or floats")
        for file, *wanted in ((self.actions_file, shape[1] - 1, 2), (self.locations_file, shape[1], 2)):
            if file is not None:
                fits = file.shape == (shape[0], *wanted) and file.dtype.kind == "f"
                require(file, fits, f"floats {(shape[0], *wanted)}, to go with states.npy of shape {shape}")
        self.length, self.image_size = shape[1], shape[-1]

    def __len__(self) -> int:
        return len(self.states_file)

    def frames(self, indices: np.ndarray, start: int = 0, stop: int | None = None) -> Tensor:
        return read_within(self.states_file, 0.0, FLOAT_MAX, indices, start, stop)

    def actions(self, indices: np.ndarray) -> Tensor:
        return read_within(self.actions_file, -self.image_size, self.image_size, indices)

    def locations(self, indices: np.ndarray) -> Tensor:
        if self.locations_file is None:
            raise UserError(f"{self.folder} was opened without locations.npy: it has nothing to probe with")
        return read_within(self.locations_file, 0.0, self.image_size, indices)


def read_within(file: NpyFile, lowest: float, highest: float, *rows: Any) -> Tensor:
    """Rows of a file, if each value is a number from `lowest` to `highest`, but for noise."""
    values = as_tensor(file.read(*rows))
    if values.dtype == torch.uint8 or not values.numel():
        return values
    low, high = map(float, values.aminmax())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise UserError(f"{file.path} holds NaN or infinite values; write the file again")
    if low < lowest - NOISE * max(high, 0.0) or high > highest:
        says = "at least 0, black being 0" if highest == FLOAT_MAX else f"from {lowest:g} to {highest:g} px"
        raise UserError(f"{file.path} holds values from {low:.3g} to {high:.3g}, which must be {says}; write it again")
    return values


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
