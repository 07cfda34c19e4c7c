"""Writes sets in the course's layout, a few trajectories at a time. What is being written is called `NAME.partial`; a
set gets its name when it is whole, so that nothing unfinished opens as one."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from tiny_jepa import __version__
from tiny_jepa.data.folder import METADATA
from tiny_jepa.errors import UserError
from tiny_jepa.files import cannot_write, clear, locked, require_writable, write_text
from tiny_jepa.progress import bar
from tiny_jepa.worlds.contract import TrajectorySet

CHUNK_BYTES = 16 * 2**20  # of frames drawn at a time
Rows = dict[str, np.ndarray]
"""Some trajectories: arrays [n, ...] by the names of their files, of the same shape and type each time."""


Draft = tuple[Path, int, dict[str, Any], Callable[[], Iterator[Rows]]]
"""A set that is to be written: folder, number of trajectories, settings to record, and what draws all of them, the same
whenever it is called."""


def draft(dataset: TrajectorySet, folder: Path, settings: dict[str, Any]) -> Draft:
    """Any set, to be written into `folder`; locations go into probing sets alone."""

    def draw() -> Iterator[Rows]:
        step = max(1, CHUNK_BYTES // dataset.frames(np.arange(1)).nbytes)
        for start in range(0, len(dataset), step):
            indices = np.arange(start, min(start + step, len(dataset)))
            rows = {"states": dataset.frames(indices), "actions": dataset.actions(indices)}
            rows |= {"locations": dataset.locations(indices)} if dataset.name != "train" else {}
            yield {name: values.numpy() for name, values in rows.items()}

    return folder, len(dataset), settings, draw


def write_sets(drafts: Sequence[Draft]) -> int:
    """Writes sets into folders that do not exist yet."""
    for folder, *_ in drafts:
        if folder.exists():
            raise UserError(f"{folder} exists; remove it, or give another --out")
    above = next(path for path in drafts[0][0].absolute().parents if path.exists())
    require_writable(above / ".partial")
    needed = sum(count * array[:1].nbytes for _, count, _, draw in drafts for array in next(draw()).values())
    if needed > (free := shutil.disk_usage(above).free):
        raise UserError(f"{above} needs {needed / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB free; write less")
    print(f"{above}: {needed / 1e6:,.0f} MB to write", flush=True)
    for folder, count, settings, draw in drafts:
        partial, lock = (folder.with_name(folder.name + end) for end in (".partial", ".lock"))
        recorded = json.dumps({"settings": settings, "version": __version__}, indent=1)
        try:
            with ExitStack() as held:
                held.enter_context(locked(lock, f"another process writes {folder}"))
                held.callback(lock.unlink)
                held.callback(clear, partial)
                clear(partial)  # of a process that was killed
                partial.mkdir(parents=True)
                write_arrays(partial, count, draw)
                write_text(partial / METADATA, recorded + "\n")
                partial.rename(folder)
        except OSError as error:
            raise cannot_write(folder, error) from None
        print(f"{folder}: {count:,} trajectories")
    return 0


def write_arrays(folder: Path, count: int, draw: Callable[[], Iterator[Rows]]) -> None:
    with ExitStack() as stack:
        shown = stack.enter_context(bar(total=count, desc=folder.stem, unit="traj"))
        files = {}
        for name, array in next(draw()).items():
            file, shape = stack.enter_context(open(folder / f"{name}.npy", "wb")), array.shape[1:]
            header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False}
            np.lib.format.write_array_header_1_0(file, header | {"shape": (count, *shape)})
            files[name] = file, shape
        for rows in draw():
            for name, (file, shape) in files.items():
                if rows[name].shape[1:] != shape:
                    raise UserError(f"{folder}: {name} changed its shape while it was drawn")
                file.write(np.ascontiguousarray(rows[name]).data)
            shown.update(len(rows["states"]))
