"""Where data comes from: `--data`, else the environment, else the course's folder, else procedural; and its batches."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from tiny_jepa.data.folder import METADATA, CourseSet
from tiny_jepa.errors import UserError
from tiny_jepa.files import read_json
from tiny_jepa.options import Seed, read, settings, within
from tiny_jepa.worlds.contract import Batch, TrajectorySet, World, read_batch

ENVIRONMENT = "TINY_JEPA_DATA"
COURSE_ROOTS = (Path("/scratch/DL24FA"), Path("/scratch/DL25SP"))  # autumn 2024, spring 2025
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
        changed = asdict(self.drawn).items() - asdict(Drawn()).items()
        return PROCEDURAL + ":" * bool(changed) + ",".join(f"{key}={value}" for key, value in sorted(changed))

    @property
    def sets_version(self) -> int | None:
        """Version of the procedural sets that this source draws, or that a folder was written from; None for others."""
        if self.root is None:
            return self.world.version
        for name in self.world.sets:
            with contextlib.suppress(Exception):  # there may be none, or somebody else's
                recorded = read_json(self.root / name / METADATA, "")["settings"]
                return int(recorded.get("sets_version", 1))  # version 1 did not say so
        return None

    def describe(self) -> str:
        what, drawn, version = f"folder {self.root}", self.drawn, self.sets_version
        if self.root is None:
            what = f"{self.spec} ({drawn.size or self.world.size} px, {drawn.dtype}, seed {drawn.seed})"
        return f"{what}{f', sets version {version}' if version else ''}, chosen by {self.chosen_by}"

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
        if (found := self.find(name)) is None:
            raise UserError(f"{self.spec} has no set {name}; sets are {', '.join(self.world.sets)}")
        return found


def open_source(data: str | None, world: World) -> Source:
    """Resolves `--data`: a folder, or `procedural[:seed=1,size=65,dtype=float32]`."""
    there = (str(root) for root in COURSE_ROOTS if world.simulate and root.is_dir())
    given = {"--data": data, ENVIRONMENT: os.environ.get(ENVIRONMENT) or None, "default": next(there, PROCEDURAL)}
    chosen_by, data = next((by, said) for by, said in given.items() if said is not None)
    kind, _, options = data.partition(":")
    if kind == PROCEDURAL:
        if world.simulate is None:
            made = "collect data with `python -m tiny_jepa data collect` and give its folder: --data FOLDER"
            raise UserError(f"the world {world.frame.world} is not simulated; {made}")
        words = dict(option.partition("=")[::2] for option in options.split(",") if option)
        drawn = read(Drawn, words, f"--data {data}, which takes seed, size and dtype")
        if drawn.size not in (None, *world.sizes):
            least, most = world.sizes[0], world.sizes[-1]
            raise UserError(f"--data {data}: size must be from {least} to {most} px, not {drawn.size}")
        return Source(world, None, chosen_by, drawn)
    root = Path(data)
    if not any((root / name).is_dir() for name in world.sets):
        where = f"{data[:200]} (from {chosen_by}), or one that is not the folder of all sets"
        raise UserError(f"no such data folder: {where}; expected train/, probe_normal/val/, ..., or '{PROCEDURAL}'")
    return Source(world, root, chosen_by)


class Loader:
    """With the attributes that the course's evaluator asks of a loader. Each iteration is an epoch. The last batch is
    left out where it is not full, as in the protocol; a set smaller than a batch is one batch."""

    def __init__(self, dataset: TrajectorySet, batch_size: int = 64, shuffle: bool = False, seed: int = 0) -> None:
        self.dataset, self.batch_size, self.shuffle = dataset, min(batch_size, len(dataset)), shuffle
        self.rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return len(self.dataset) // self.batch_size

    @property
    def batch_sampler(self) -> Iterator[np.ndarray]:
        """The indices of each batch of the next epoch."""
        count = len(self.dataset)
        order = self.rng.permutation(count) if self.shuffle else np.arange(count)
        return (order[i * self.batch_size : (i + 1) * self.batch_size] for i in range(len(self)))

    def __iter__(self) -> Iterator[Batch]:
        return (read_batch(self.dataset, indices) for indices in self.batch_sampler)
