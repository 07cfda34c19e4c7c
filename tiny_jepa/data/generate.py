"""Writes sets in the course's layout, block by block: bounded memory, and an interrupted run goes on where it stopped.

Arrays grow as `*.npy.partial` and get their names only when the whole set is written. `metadata.json` records the
settings and how many trajectories are safely on disk; blocks have their own seeds, so that a resumed file is
bit-identical to one written in one go, and to the procedural set of the same seed.
"""

import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tiny_jepa import __version__
from tiny_jepa.data.folder import METADATA, recorded_version
from tiny_jepa.errors import UserError
from tiny_jepa.files import read_json, write_text
from tiny_jepa.progress import bar
from tiny_jepa.worlds.two_rooms import Geometry, render_states
from tiny_jepa.worlds.two_rooms.sets import BLOCK, RECIPES, SETS_VERSION, SetRecipe, generate_block

PARTIAL = ".partial"
CHUNK_BYTES = 16 * 2**20  # of frames rendered at a time


Arrays = dict[str, tuple[tuple[int, ...], np.dtype]]
"""Shape and type of each array of a set, by name; the states last."""


def set_arrays(recipe: SetRecipe, world: Geometry, name: str, dtype: str) -> Arrays:
    """The arrays of a set; only probing sets have locations."""
    n, t, single = recipe.count, recipe.steps + 1, np.dtype("float32")
    arrays: Arrays = {
        "actions": ((n, t - 1, 2), single),
        "states": ((n, t, 2, world.size, world.size), np.dtype(dtype)),
    }
    return arrays if name == "train" else {"locations": ((n, t, 2), single), **arrays}


def write_set(root: Path, name: str, recipe: SetRecipe, world: Geometry, seed: int = 0, dtype: str = "uint8") -> bool:
    """Writes the set `name` under `root`, or what an interrupted run left of it; False where it was there already.

    Raises:
        UserError: the folder holds another set, or one begun with other settings; `root` holds another version of the
            sets; no space; no permission.
    """
    settings = {"set": name, "sets_version": SETS_VERSION, "recipe": asdict(recipe), "world": asdict(world)}
    settings |= {"seed": seed, "dtype": dtype}
    arrays = set_arrays(recipe, world, name, dtype)
    _require_one_version(root)
    return write_arrays(
        root / name, settings, arrays, BLOCK, lambda block: _rendered(world, recipe, name, seed, block, np.dtype(dtype))
    )


def write_arrays(
    folder: Path,
    settings: dict[str, Any],
    arrays: Arrays,
    block_size: int,
    block: Callable[[int], Iterator[dict[str, np.ndarray]]],
) -> bool:
    """Writes `arrays` (shape and type by name; the states last), each of whose rows is one trajectory, into `folder`:
    `block(i)` yields the rows of block i, which has `block_size` of them, a few at a time. Goes on where an earlier run
    with the same settings stopped; False where everything was there already.

    Raises:
        UserError: the folder holds another set, or one begun with other settings; no space; no permission.
    """
    settings = json.loads(json.dumps(settings))  # as a file gives them back
    count = next(iter(arrays.values()))[0][0]
    try:
        done = _written_so_far(folder, settings, count)
        if done is None:
            return False
        bytes_to_write({folder: arrays})
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            files = {}
            for key, (shape, dtype) in arrays.items():
                files[key] = stack.enter_context(_open_partial(folder / f"{key}.npy", shape, dtype, done))
            shown = stack.enter_context(bar(total=count, initial=done, desc=folder.name, unit="traj"))
            for number in range(done // block_size, -(-count // block_size)):
                for rows in block(number):
                    for key, file in files.items():
                        file.write(np.ascontiguousarray(rows[key], arrays[key][1]).data)
                    shown.update(len(rows["states"]))
                for file in files.values():
                    file.flush()
                    os.fsync(file.fileno())
                _record(folder, settings, min((number + 1) * block_size, count), count)
        for key in arrays:  # the states last: until then nothing here opens as a set
            if (partial := folder / f"{key}.npy{PARTIAL}").exists():
                os.replace(partial, folder / f"{key}.npy")
    except OSError as error:
        raise UserError(f"cannot write {folder} ({error.strerror or error}); give another --out") from None
    return True


def write_all(sets: Iterable[tuple[Path, int, Callable[[], bool]]]) -> int:
    """Writes sets, one after the other, by a call each that is False where all was there already: folder, trajectories,
    call. 130 if interrupted."""
    for folder, count, write in sets:
        try:
            new = write()
        except KeyboardInterrupt:
            print("interrupted; the same command goes on from here")
            return 130
        print(f"{folder}: {count:,} trajectories{'' if new else ', complete before'}")
    return 0


def _rendered(
    world: Geometry, recipe: SetRecipe, name: str, seed: int, block: int, dtype: np.dtype
) -> Iterator[dict[str, np.ndarray]]:
    """The arrays of one block, a few trajectories at a time."""
    trajectories = generate_block(world, recipe, name, seed, block)
    step = max(1, CHUNK_BYTES // ((recipe.steps + 1) * 2 * world.size**2 * dtype.itemsize))
    for i in range(0, len(trajectories), step):
        locations, walls = trajectories.locations[i : i + step], trajectories.walls[i : i + step]
        states = render_states(world, locations, walls, dtype)
        yield {"states": states, "actions": trajectories.actions[i : i + step], "locations": locations}


def _written_so_far(folder: Path, settings: dict, count: int) -> int | None:
    """Trajectories on disk from an earlier run with the same settings; None: all, and in place."""
    here = folder / METADATA
    if not here.exists():
        if any(folder.glob("*.npy")):
            raise UserError(f"{folder} already holds a set that was not written by this command; give another --out")
        return 0
    try:
        record = read_json(here, "")
        written, earlier = record["written"], record["settings"]
        if type(written) is not int:
            raise KeyError(written)
    except (UserError, KeyError):
        raise UserError(
            f"{here} is not a record of `data generate` or `data collect`; remove {folder} or give another --out"
        ) from None
    if earlier != settings:
        raise UserError(f"{folder} was begun with other settings (see {here}); remove it or give another --out")
    complete = written == count and (folder / "states.npy").exists()
    return None if complete else min(max(written, 0), count)


def _require_one_version(root: Path) -> None:
    for name in RECIPES:
        if (version := recorded_version(root / name)) not in (None, SETS_VERSION):
            raise UserError(
                f"{root / name} holds version {version} of the procedural sets, and this program draws version "
                f"{SETS_VERSION}; remove it or give another --out"
            )


def _record(folder: Path, settings: dict, written: int, count: int) -> None:
    record = {"settings": settings, "version": __version__, "written": written, "of": count}
    write_text(folder / METADATA, json.dumps(record, indent=1) + "\n")


def _open_partial(path: Path, shape: tuple[int, ...], dtype: np.dtype, done: int) -> BinaryIO:
    """The partial file, positioned after its first `done` rows; whatever an interrupted block left is overwritten."""
    partial = path.with_name(path.name + PARTIAL)
    if path.exists():  # the interruption fell between two renames
        os.replace(path, partial)
    if done and not partial.exists():
        raise UserError(f"{partial} is gone, though {path.parent / METADATA} counts on it; remove {path.parent}")
    file = open(partial, "r+b" if done else "w+b")  # noqa: SIM115 - the caller closes it
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    file.seek(done * int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize, os.SEEK_CUR)
    return file


def bytes_to_write(sets: Mapping[Path, Arrays]) -> int:
    """What these sets will add to a disk, beside what an interrupted run left in their folders.

    Raises:
        UserError: the disk has no room for it.
    """
    needed = 0
    for folder, arrays in sets.items():
        needed += sum(math.prod(shape) * dtype.itemsize for shape, dtype in arrays.values())
        needed -= sum(path.stat().st_size for path in folder.glob("*.npy*"))
    for folder in sets:
        above = next(path for path in folder.absolute().parents if path.is_dir())
        free = shutil.disk_usage(above).free
        if needed > free:
            raise UserError(
                f"{folder} needs {needed / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB free; write less"
            )
    return max(needed, 0)
