"""Where data comes from: `--data`, else the environment, else the course's folder, else procedural."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tiny_jepa.data.folder import CourseSet, recorded_version
from tiny_jepa.errors import UserError
from tiny_jepa.worlds.contract import TrajectorySet, World

ENVIRONMENT = "TINY_JEPA_DATA"
COURSE_ROOTS = (Path("/scratch/DL24FA"), Path("/scratch/DL25SP"))
"""Where the course keeps its data: autumn 2024, spring 2025."""
PROCEDURAL = "procedural"


@dataclass(frozen=True)
class Source:
    """A root of sets: a folder in the course's layout, or the simulator."""

    world: World
    root: Path | None = None  # None: procedural
    chosen_by: str = "--data"
    seed: int = 0  # procedural only
    image_size: int = 0  # px; 0: the world's own
    dtype: str = "uint8"

    @property
    def spec(self) -> str:
        """What `--data` takes to open this source again."""
        if self.root is not None:
            return str(self.root)
        default = Source(self.world)
        pairs = {key: getattr(self, name) for key, name in _OPTIONS.items()}
        changed = [f"{key}={value}" for key, value in pairs.items() if value != getattr(default, _OPTIONS[key])]
        return PROCEDURAL + (":" + ",".join(changed) if changed else "")

    @property
    def sets_version(self) -> int | None:
        """Version of the procedural sets that this source draws, or that a folder was written from; None for others."""
        if self.root is None:
            return self.world.version
        versions = (recorded_version(self.root / name) for name in self.world.sets)
        return next((version for version in versions if version is not None), None)

    def describe(self) -> str:
        details = [] if self.root else [f"{self.image_size or self.world.size} px", self.dtype, f"seed {self.seed}"]
        if self.sets_version is not None:
            details.append(f"sets version {self.sets_version}")
        what = f"folder {self.root}" if self.root else self.spec
        return what + (f" ({', '.join(details)})" if details else "") + f", chosen by {self.chosen_by}"

    def find(self, name: str) -> TrajectorySet | None:
        """The set `name` ("train", "probe_wall/val", ...), or None where this source has none."""
        if self.root is None:
            assert self.world.simulate is not None
            return self.world.simulate(name, self.seed, self.image_size or self.world.size, self.dtype)
        folder = self.root / name
        return CourseSet(folder, name, labelled=name != "train", world=self.world) if folder.is_dir() else None

    def require(self, name: str) -> TrajectorySet:
        """The set `name`; a `UserError` where there is none."""
        if (found := self.find(name)) is None:
            raise UserError(f"{self.root} has no set {name}; expected {self.root}/{name} with its .npy files")
        return found


_OPTIONS = {"seed": "seed", "size": "image_size", "dtype": "dtype"}


def split_set(folder: Path, world: World) -> tuple[Path, str | None]:
    """The root and the name of the set that a folder is; the folder itself and None where it is none."""
    here = folder.absolute()
    for name in world.sets:
        depth = len(Path(name).parts)
        if here.parts[-depth:] == Path(name).parts and (here / "states.npy").exists():
            return here.parents[depth - 1], name
    return folder, None


def open_source(data: str | None, world: World) -> Source:
    """Resolves `--data` (a folder, or `procedural[:seed=1,size=65,dtype=float32]`).

    Raises:
        UserError: no such folder, a folder without any set, or an unknown procedural option.
    """
    chosen_by = "--data"
    if data is None and os.environ.get(ENVIRONMENT):
        data, chosen_by = os.environ[ENVIRONMENT], ENVIRONMENT
    if data is None:
        there = (str(root) for root in COURSE_ROOTS if world.simulate and root.is_dir())
        data, chosen_by = next(there, PROCEDURAL), "default"
    if data == PROCEDURAL or data.startswith(PROCEDURAL + ":"):
        if world.simulate is None:
            raise UserError(
                f"the world {world.frame.world} is not simulated; collect data with `python -m tiny_jepa data collect` "
                "and give its folder: --data FOLDER"
            )
        return replace(_parse_procedural(data, world), chosen_by=chosen_by)
    root = Path(data)
    try:
        parent, one = split_set(root, world)
        if root.is_dir():
            next(root.iterdir(), None)
    except OSError as error:
        raise UserError(f"cannot read {data[:200]} (from {chosen_by}): {error.strerror}; give another folder") from None
    if one is not None:
        raise UserError(f"{root} (from {chosen_by}) is the one set {one}; give the folder of all sets, {parent}")
    if not root.is_dir():
        raise UserError(
            f"no such data folder: {root} (from {chosen_by}); "
            "give the folder that holds train/ and probe_normal/, or 'procedural'"
        )
    if not any((root / name).is_dir() for name in world.sets):
        raise UserError(
            f"{root} (from {chosen_by}) holds no set; expected folders such as {root}/train or {root}/probe_normal/val"
        )
    return Source(world, root, chosen_by)


def _parse_procedural(data: str, world: World) -> Source:
    source = Source(world)
    for option in filter(None, data.partition(":")[2].split(",")):
        key, _, value = option.partition("=")
        if key not in _OPTIONS:
            raise UserError(f"unknown option '{key}' in --data {data}; there are {', '.join(_OPTIONS)}")
        sizes = world.sizes
        if key == "dtype" and value not in ("uint8", "float32"):
            raise UserError(f"dtype in --data {data} must be uint8 or float32, not '{value}'")
        if key != "dtype" and (not re.fullmatch(r"[0-9]{1,18}", value) or (key == "size" and int(value) not in sizes)):
            within = f" from {sizes[0]} to {sizes[-1]}" if key == "size" else ""
            raise UserError(f"{key} in --data {data} must be a whole number{within}, not '{value}'")
        chosen: dict[str, Any] = {_OPTIONS[key]: value if key == "dtype" else int(value)}
        source = replace(source, **chosen)
    return source
