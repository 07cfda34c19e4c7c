"""Random access to rows of a .npy file by plain reads: resident memory is what is asked for, never the file.

Reading a memory map would do the same work, but its pages count as resident until the kernel wants them back (after an
epoch over 84 GB of states, as much as the machine has), and a disk that fails kills the process.
"""

import math
from pathlib import Path

import numpy as np

from tiny_jepa.errors import UserError
from tiny_jepa.files import require_file

AGAIN = "copy it again, or save it with np.save(path, np.ascontiguousarray(array)), an array of numbers"


class NpyFile:
    """A .npy array on disk, read a few rows at a time. No file stays open."""

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
