"""Writes sets in the course's layout, block by block: bounded memory, and an interrupted run goes on where it stopped.

Arrays grow as `*.npy.partial` and get their names only when the whole set is written; `metadata.json` records how many
trajectories are safely on disk. Whatever draws them draws a block the same whenever it is asked to, so that a resumed
file is bit-identical to one written in one go.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tiny_jepa import __version__
from tiny_jepa.data.folder import ANEW, METADATA, Record, read_record
from tiny_jepa.errors import UserError
from tiny_jepa.files import write_text
from tiny_jepa.progress import bar
from tiny_jepa.worlds.contract import TrajectorySet

PARTIAL = ".partial"
CHUNK_BYTES = 16 * 2**20  # of frames drawn at a time
Rows = dict[str, np.ndarray]
"""Some trajectories: arrays [n, ...] by the names of their files, of the same shape and type each time."""


@dataclass(frozen=True)
class Draft:
    """A set that is to be written."""

    folder: Path
    count: int  # trajectories
    settings: dict[str, Any]  # recorded; a folder begun with others is refused
    draw: Callable[[int, int], Iterator[Rows]]  # trajectories from `start`, a multiple of `block`, to `stop`
    block: int = 2000  # trajectories between two records


def draft(dataset: TrajectorySet, folder: Path, settings: dict[str, Any]) -> Draft:
    """Any set, to be written into `folder`; locations go into probing sets alone."""

    def draw(start: int, stop: int) -> Iterator[Rows]:
        step = max(1, CHUNK_BYTES // dataset.frames(np.arange(1)).nbytes)
        for i in range(start, stop, step):
            indices = np.arange(i, min(i + step, stop))
            rows = {"states": dataset.frames(indices), "actions": dataset.actions(indices)}
            rows |= {"locations": dataset.locations(indices)} if dataset.name != "train" else {}
            yield {name: values.numpy() for name, values in rows.items()}

    return Draft(folder, len(dataset), settings, draw)


def write_sets(drafts: Sequence[Draft]) -> int:
    """Writes sets, or what an interrupted run left of them; 130 if interrupted. A `UserError` where a folder holds
    another set, or one begun with other settings, and where there is no space or no permission."""
    begun = [(draft, written_so_far(draft), next(draft.draw(0, 1))) for draft in drafts]
    needed = sum(draft.count * array.nbytes for draft, _, first in begun for array in first.values())
    needed -= sum(path.stat().st_size for draft in drafts for path in draft.folder.glob("*.npy*"))
    above = next(path for path in drafts[0].folder.absolute().parents if path.is_dir())
    if needed > (free := shutil.disk_usage(above).free):
        raise UserError(f"{above} needs {needed / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB free; write less")
    print(f"{above}: {max(needed, 0) / 1e6:,.0f} MB to write", flush=True)
    for draft, done, first in begun:
        complete = done == draft.count and (draft.folder / "states.npy").exists()
        try:
            if not complete:
                write_set(draft, done, first)
        except OSError as error:
            raise UserError(f"cannot write {draft.folder} ({error.strerror or error}); give another --out") from None
        except KeyboardInterrupt:
            print("interrupted; the same command goes on from here")
            return 130
        print(f"{draft.folder}: {draft.count:,} trajectories{', complete before' if complete else ''}")
    return 0


def written_so_far(draft: Draft) -> int:
    """Trajectories on disk from an earlier run with the same settings."""
    if not any(draft.folder.glob("*.npy*")):
        return 0
    record = read_record(draft.folder)
    if record.settings != json.loads(json.dumps(draft.settings)):  # as a file gives them back
        raise UserError(f"{draft.folder} was begun with other settings (see its {METADATA}); {ANEW}")
    return record.written


def write_set(draft: Draft, done: int, first: Rows) -> None:
    """Writes all but the first `done` trajectories; `first` has the arrays of one."""
    folder, count = draft.folder, draft.count
    folder.mkdir(parents=True, exist_ok=True)

    def keep(written: int) -> None:
        record = Record(draft.settings, __version__, written, count)
        write_text(folder / METADATA, json.dumps(asdict(record), indent=1) + "\n")

    keep(done)  # at once: it is this command's folder
    with ExitStack() as stack:
        files = {}
        for name, row in first.items():
            files[name] = stack.enter_context(open_partial(folder / f"{name}.npy", row, count, done))
        shown = stack.enter_context(bar(total=count, initial=done, desc=folder.name, unit="traj"))
        for start in range(done, count, draft.block):
            stop = min(start + draft.block, count)
            for rows in draft.draw(start, stop):
                for name, file in files.items():
                    if rows[name].shape[1:] != first[name].shape[1:]:
                        raise UserError(f"{folder}: {name} changed its shape while it was drawn")
                    file.write(np.ascontiguousarray(rows[name], first[name].dtype).data)
                shown.update(len(rows["states"]))
            for file in files.values():
                file.flush()
                os.fsync(file.fileno())
            keep(stop)
    for name in sorted(first):  # the states last: until then nothing here opens as a set
        os.replace(folder / f"{name}.npy{PARTIAL}", folder / f"{name}.npy")


def open_partial(path: Path, row: np.ndarray, count: int, done: int) -> BinaryIO:
    """The partial file of `count` rows such as `row` [1, ...], positioned after `done`; whatever an interrupted block
    left is overwritten."""
    partial = path.with_name(path.name + PARTIAL)
    if path.exists():  # the interruption fell between two renames
        os.replace(path, partial)
    file = open(partial, "r+b" if done else "w+b")  # noqa: SIM115 - the caller closes it
    shape, descr = (count, *row.shape[1:]), np.lib.format.dtype_to_descr(row.dtype)
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    file.seek(done * row.nbytes, os.SEEK_CUR)
    return file
