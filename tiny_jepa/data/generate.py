"""Writes sets in the course's layout, block by block: bounded memory, and an interrupted run goes on where it stopped.

Arrays grow as `*.npy.partial` and get their names only when the whole set is written. `metadata.json` records the
settings and how many trajectories are safely on disk; blocks have their own seeds, so that a resumed file is
bit-identical to one written in one go, and to the procedural set of the same seed.
"""

import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

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


def array_shapes(recipe: SetRecipe, world: Geometry, name: str) -> dict[str, tuple[int, ...]]:
    """The shape of each array of a set; only probing sets have locations."""
    n, t = recipe.count, recipe.steps + 1
    shapes: dict[str, tuple[int, ...]] = {
        "actions": (n, t - 1, 2),
        "states": (n, t, 2, world.size, world.size),
    }
    return shapes if name == "train" else {"locations": (n, t, 2), **shapes}


def write_set(root: Path, name: str, recipe: SetRecipe, world: Geometry, seed: int = 0, dtype: str = "uint8") -> bool:
    """Writes the set `name` under `root`, or what an interrupted run left of it; False where it was there already.

    Raises:
        UserError: the folder holds another set, or one begun with other settings; `root` holds another version of the
            sets; no space; no permission.
    """
    folder = root / name
    settings = {"set": name, "sets_version": SETS_VERSION, "recipe": asdict(recipe), "world": asdict(world)}
    settings |= {"seed": seed, "dtype": dtype}
    settings = json.loads(json.dumps(settings))  # as a file gives them back
    types = types_of(dtype)
    shapes = array_shapes(recipe, world, name)
    _require_one_version(root)
    try:
        done = _written_so_far(folder, settings)
        if done is None:
            return False
        bytes_to_write(root, {name: recipe}, world, dtype)
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            files = {}
            for key, shape in shapes.items():
                files[key] = stack.enter_context(_open_partial(folder / f"{key}.npy", shape, types[key], done))
            shown = stack.enter_context(bar(total=recipe.count, initial=done, desc=name, unit="traj"))
            for block in range(done // BLOCK, -(-recipe.count // BLOCK)):
                for arrays in _rendered(world, recipe, name, seed, block, types["states"]):
                    for key, file in files.items():
                        file.write(np.ascontiguousarray(arrays[key]).data)
                    shown.update(len(arrays["states"]))
                for file in files.values():
                    file.flush()
                    os.fsync(file.fileno())
                _record(folder, settings, min((block + 1) * BLOCK, recipe.count))
        for key in shapes:  # the states last: until then nothing here opens as a set
            if (partial := folder / f"{key}.npy{PARTIAL}").exists():
                os.replace(partial, folder / f"{key}.npy")
    except OSError as error:
        raise UserError(f"cannot write {folder} ({error.strerror or error}); give another --out") from None
    return True


def _rendered(
    world: Geometry, recipe: SetRecipe, name: str, seed: int, block: int, dtype: np.dtype
) -> Iterator[dict[str, np.ndarray]]:
    """The arrays of one block, a few trajectories at a time."""
    trajectories = generate_block(world, recipe, name, seed, block)
    step = max(1, CHUNK_BYTES // ((recipe.steps + 1) * 2 * world.size**2 * dtype.itemsize))
    for i in range(0, len(trajectories), step):
        locations, layouts = trajectories.locations[i : i + step], trajectories.layouts[i : i + step]
        states = render_states(world, locations, layouts, dtype)
        yield {"states": states, "actions": trajectories.actions[i : i + step], "locations": locations}


def _written_so_far(folder: Path, settings: dict) -> int | None:
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
        raise UserError(f"{here} is not a record of `data generate`; remove {folder} or give another --out") from None
    if earlier != settings:
        raise UserError(f"{folder} was begun with other settings (see {here}); remove it or give another --out")
    complete = written == settings["recipe"]["count"] and (folder / "states.npy").exists()
    return None if complete else min(max(written, 0), settings["recipe"]["count"])


def _require_one_version(root: Path) -> None:
    for name in RECIPES:
        if (version := recorded_version(root / name)) not in (None, SETS_VERSION):
            raise UserError(
                f"{root / name} holds version {version} of the procedural sets, and this program draws version "
                f"{SETS_VERSION}; remove it or give another --out"
            )


def _record(folder: Path, settings: dict, written: int) -> None:
    record = {"settings": settings, "version": __version__, "written": written, "of": settings["recipe"]["count"]}
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


def bytes_to_write(root: Path, recipes: Mapping[str, SetRecipe], world: Geometry, dtype: str) -> int:
    """What sets will add to `root`, beside what an interrupted run left there.

    Raises:
        UserError: the disk has no room for it.
    """
    needed = 0
    for name, recipe in recipes.items():
        shapes = array_shapes(recipe, world, name)
        sizes = (math.prod(shape) * types_of(dtype)[key].itemsize for key, shape in shapes.items())
        needed += sum(sizes) - sum(path.stat().st_size for path in (root / name).glob("*.npy*"))
    above = next(folder for folder in (root.absolute(), *root.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(above).free
    if needed > free:
        raise UserError(f"{root} needs {needed / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB free; write less")
    return max(needed, 0)


def types_of(dtype: str) -> dict[str, np.dtype]:
    """The type of each array of a set."""
    return {"states": np.dtype(dtype), "actions": np.dtype("float32"), "locations": np.dtype("float32")}
