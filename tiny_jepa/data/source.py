"""Where data comes from: `--data`, else the environment, else the course's folder, else procedural."""

import contextlib
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from tiny_jepa.data.folder import CourseSet, read_record
from tiny_jepa.errors import UserError
from tiny_jepa.options import Seed, read, settings, within
from tiny_jepa.worlds.contract import TrajectorySet, World

ENVIRONMENT = "TINY_JEPA_DATA"
COURSE_ROOTS = (Path("/scratch/DL24FA"), Path("/scratch/DL25SP"))
"""Where the course keeps its data: autumn 2024, spring 2025."""
PROCEDURAL = "procedural"


@settings
class Drawn:
    """How sets are drawn: the options of `procedural:seed=1,size=65,dtype=float32`."""

    seed: Seed = 0
    size: Annotated[int, within(1, 10**4)] | None = None  # px; the world's own unless given
    dtype: Literal["uint8", "float32"] = "uint8"  # of the frames


@dataclass(frozen=True)
class Source:
    """A root of sets: a folder in the course's layout, or the simulator."""

    world: World
    root: Path | None = None  # None: procedural
    chosen_by: str = "--data"
    drawn: Drawn = field(default_factory=Drawn)  # procedural only

    @property
    def spec(self) -> str:
        """What `--data` takes to open this source again."""
        if self.root is not None:
            return str(self.root)
        changed = [f"{key}={value}" for key, value in asdict(self.drawn).items() if value != getattr(Drawn, key)]
        return PROCEDURAL + (":" + ",".join(changed) if changed else "")

    @property
    def sets_version(self) -> int | None:
        """Version of the procedural sets that this source draws, or that a folder was written from; None for others."""
        if self.root is None:
            return self.world.version
        for name in self.world.sets:
            with contextlib.suppress(UserError, TypeError, ValueError, OverflowError):
                return int(read_record(self.root / name).settings.get("sets_version", 1))  # version 1 did not say so
        return None

    def describe(self) -> str:
        drawn, version = self.drawn, self.sets_version
        details = [] if self.root else [f"{drawn.size or self.world.size} px", drawn.dtype, f"seed {drawn.seed}"]
        details += [] if version is None else [f"sets version {version}"]
        what = f"folder {self.root}" if self.root else self.spec
        return what + (f" ({', '.join(details)})" if details else "") + f", chosen by {self.chosen_by}"

    def find(self, name: str) -> TrajectorySet | None:
        """The set `name` ("train", "probe_wall/val", ...), or None where this source has none."""
        if self.root is not None:
            return CourseSet(self.root / name, name, self.world) if (self.root / name).is_dir() else None
        if self.world.simulate is None or name not in self.world.sets:
            return None
        return self.world.simulate(name, self.drawn.seed, self.drawn.size or self.world.size, self.drawn.dtype)

    @property
    def frames(self) -> str:
        """What frames its probing sets have: "64 px uint8"."""
        names = (name for group in self.world.groups for name in group.scored.values())
        dataset = next(filter(None, map(self.find, names)))
        return f"{dataset.image_size} px {str(dataset.frames(np.arange(1), 0, 1).dtype).removeprefix('torch.')}"

    def require(self, name: str) -> TrajectorySet:
        """The set `name`; a `UserError` where there is none."""
        if (found := self.find(name)) is None:
            raise UserError(f"{self.spec} has no set {name}; sets are {', '.join(self.world.sets)}")
        return found


def split_set(folder: Path, world: World) -> tuple[Path, str | None]:
    """The root and the name of the set that a folder is; the folder itself and None where it is none."""
    here = folder.absolute()
    for name in world.sets:
        if here.match(name) and (here / "states.npy").exists():
            return here.parents[name.count("/")], name
    return folder, None


def open_source(data: str | None, world: World) -> Source:
    """Resolves `--data` (a folder, or `procedural[:seed=1,size=65,dtype=float32]`); a `UserError` where there is no
    such folder, no set in it, or no such option."""
    chosen_by = "--data"
    if data is None:
        there = (str(root) for root in COURSE_ROOTS if world.simulate and root.is_dir())
        data, chosen_by = os.environ.get(ENVIRONMENT), ENVIRONMENT
        data, chosen_by = (data, chosen_by) if data else (next(there, PROCEDURAL), "default")
    kind, _, options = data.partition(":")
    if kind == PROCEDURAL:
        if world.simulate is None:
            raise UserError(
                f"the world {world.frame.world} is not simulated; collect data with `python -m tiny_jepa data collect` "
                "and give its folder: --data FOLDER"
            )
        given = {key: value for key, _, value in (option.partition("=") for option in options.split(",") if option)}
        drawn = read(Drawn, given, f"--data {data}, which takes seed, size and dtype")
        if drawn.size not in (None, *world.sizes):
            least, most = world.sizes[0], world.sizes[-1]
            raise UserError(f"--data {data}: size must be from {least} to {most} px, not {drawn.size}")
        return Source(world, None, chosen_by, drawn)
    root = Path(data)
    parent, one = split_set(root, world)
    if one is not None:
        raise UserError(f"{root} (from {chosen_by}) is the one set {one}; give the folder of all sets, {parent}")
    if not any((root / name).is_dir() for name in world.sets):
        raise UserError(
            f"no such data folder: {data[:200]} (from {chosen_by}), or one that holds no set; expected folders such as "
            f"train/ and probe_normal/val/ in it, or '{PROCEDURAL}'"
        )
    return Source(world, root, chosen_by)
