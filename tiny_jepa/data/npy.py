"""Random access to rows of a .npy file by plain reads: resident memory is what is asked for, never the file.

A memory map would do the same work, but its pages count as resident until the kernel wants them back: after an
epoch over 84 GB of states, as much as the machine has.
"""

import os
from pathlib import Path

import numpy as np

from tiny_jepa.errors import UserError


class NpyFile:
    """A .npy array on disk, read a few rows at a time."""

    def __init__(self, path: Path) -> None:
        """Reads the header only.

        Raises:
            UserError: the file is missing, is no .npy file, is cut short or lies in Fortran order.
        """
        self.path = path
        try:
            self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - open as long as the set is
            version = np.lib.format.read_magic(self._file)
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            self.shape, fortran, self.dtype = reader(self._file)
        except FileNotFoundError:
            why = ": a set needs states.npy and actions.npy, a probing set locations.npy too"
            if path.with_name(path.name + ".partial").exists():
                why = ": its generation was interrupted; run the same `data generate` again to finish it"
            raise UserError(f"{path} is missing{why}") from None
        except (ValueError, OSError, EOFError) as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise UserError(f"{path} is not a readable .npy array ({reason}); copy or generate it again") from None
        if fortran or self.dtype.hasobject:
            what = "in Fortran order" if fortran else "an array of Python objects"
            raise UserError(f"{path} is {what}; save it again with np.save(path, np.ascontiguousarray(array))")
        self.offset = self._file.tell()
        self.row_bytes = int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize
        needed, there = self.offset + self.row_bytes * (self.shape[0] if self.shape else 1), path.stat().st_size
        if there < needed:
            raise UserError(f"{path} is cut short: {there:,} bytes of {needed:,}; copy or generate it again")

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, indices: np.ndarray, start: int = 0, stop: int | None = None) -> np.ndarray:
        """The rows `indices` [B], of each only `start` to `stop` of its first axis, in native byte order.

        Raises:
            IndexError: an index beyond the file's rows.
        """
        indices = np.arange(len(self))[np.asarray(indices)]  # negative ones count from the end
        start, stop, _ = slice(start, stop).indices(self.shape[1])
        rows = np.empty((len(indices), max(stop - start, 0), *self.shape[2:]), self.dtype)
        if rows.size:
            skip = start * (self.row_bytes // self.shape[1])
            for row, index in zip(rows, indices.tolist(), strict=True):
                buffer, offset = memoryview(row).cast("B"), self.offset + index * self.row_bytes + skip
                while buffer:
                    if not (count := os.preadv(self._file.fileno(), [buffer], offset)):
                        raise UserError(f"{self.path} became shorter while it was read; copy or generate it again")
                    buffer, offset = buffer[count:], offset + count
        return rows.astype(self.dtype.newbyteorder("="), copy=False)
