"""Random access to rows of a .npy file by plain reads: resident memory is what is asked for, never the file.

A memory map would do the same work, but its pages count as resident until the kernel wants them back (after an epoch
over 84 GB of states, as much as the machine has), and a disk that fails kills the process.
"""

import math
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from tiny_jepa.errors import UserError

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
AGAIN = "copy or generate it again"


class NpyFile:
    """A .npy array on disk, read a few rows at a time. No file stays open."""

    def __init__(self, path: Path) -> None:
        """Reads the header only; a `UserError` where the file is missing, no array of numbers, or cut short."""
        self.path = path
        try:
            if path.exists() and not path.is_file():  # a FIFO would block
                raise ValueError("it is no file")
            with path.open("rb") as file:
                self.shape, fortran, self.dtype = HEADERS[npy.read_magic(file)](file)
                self.offset, there = file.tell(), path.stat().st_size
            if min(self.shape, default=0) < 0:
                raise ValueError(f"its shape is {self.shape}")
        except FileNotFoundError:
            why = "a set needs states.npy and actions.npy, a probing set locations.npy too"
            if path.with_name(path.name + ".partial").exists():
                why = "its generation was interrupted; run the same `data generate` again to finish it"
            raise UserError(f"{path} is missing: {why}") from None
        except Exception as error:  # a header of arbitrary bytes is parsed as Python
            reason = getattr(error, "strerror", None) or (str(error) or type(error).__name__).splitlines()[0]
            raise UserError(f"{path} is not a readable .npy array ({reason.rstrip('.')}); {AGAIN}") from None
        if fortran or self.dtype.hasobject:
            raise UserError(
                f"{path} is in Fortran order or holds Python objects; save numbers: np.save(path, np.array([*array], "
                "dtype)), with dtype 'uint8' for frames of 0 to 255, else 'float32'"
            )
        self.row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        needed = self.offset + math.prod(self.shape) * self.dtype.itemsize
        if there < needed:
            raise UserError(f"{path} is cut short: {there:,} bytes of {needed:,}; {AGAIN}")

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, indices: np.ndarray, start: int = 0, stop: int | None = None) -> np.ndarray:
        """The rows `indices` [B], of each only `start` to `stop` of its first axis, in native byte order. An index
        beyond the rows is an `IndexError`, a file that cannot be read any more a `UserError`."""
        indices = np.arange(len(self))[np.asarray(indices)]  # negative ones count from the end
        start, stop, _ = slice(start, stop).indices(self.shape[1])
        rows = np.empty((len(indices), max(stop - start, 0), *self.shape[2:]), self.dtype)
        offsets = self.offset + indices * self.row_bytes + start * math.prod(self.shape[2:]) * self.dtype.itemsize
        try:
            with self.path.open("rb") as file:
                for row, offset in zip(rows, offsets.tolist(), strict=True):
                    file.seek(offset)
                    if file.readinto(row) < row.nbytes:
                        raise UserError(f"{self.path} became shorter while it was read; {AGAIN}")
        except OSError as error:
            raise UserError(f"cannot read {self.path}: {error.strerror or error}") from None
        return rows.astype(self.dtype.newbyteorder("="), copy=False)
