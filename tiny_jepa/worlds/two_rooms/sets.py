"""The procedural data: the course's sets, drawn by the simulator on demand. No file, little memory.

Trajectories are generated in blocks, each from its own seed, so that any block is the same whoever asks for it.
Only locations and actions are kept (45 MB for the training set); frames are rendered when they are read.
"""

import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from torch import Tensor

from tiny_jepa.worlds.contract import Group, as_tensor
from tiny_jepa.worlds.two_rooms.geometry import UNSEEN_WALLS, Geometry, sample_layouts
from tiny_jepa.worlds.two_rooms.render import render_states
from tiny_jepa.worlds.two_rooms.trajectories import Trajectories, expert, explore, run_into_wall

SETS_VERSION = 2
"""Of the distributions below. Version 1 were the sets up to revision 61a1c84: their wall runs were easier, and no
trajectory started inside the wall."""
BLOCK = 2000  # trajectories
COURSE = Geometry()


@dataclass(frozen=True)
class SetRecipe:
    """How one set is drawn."""

    kind: str  # explore, wall or expert
    count: int  # trajectories
    steps: int = 16  # actions of each
    walls: str = "all"  # all, seen (without columns 37 to 41) or unseen (only those)
    door_rate: float = 0.35  # explore: share built to pass the door
    exclude_walls: tuple[int, ...] = ()  # wall columns left out as well
    exclude_doors: tuple[int, ...] = ()  # door rows left out

    def allowed_walls(self, world: Geometry) -> tuple[int, ...]:
        """The wall columns that this set may have."""
        columns = set(UNSEEN_WALLS) if self.walls == "unseen" else set(world.wall_columns)
        if self.walls == "seen":
            columns -= set(UNSEEN_WALLS)
        return tuple(sorted(columns - set(self.exclude_walls)))


RECIPES = {
    "train": SetRecipe("explore", 147_000, walls="seen"),
    "probe_normal/train": SetRecipe("explore", 10_000),
    "probe_normal/val": SetRecipe("explore", 4_000),
    "probe_wall/val": SetRecipe("wall", 4_000, walls="seen"),
    "probe_wall_other/val": SetRecipe("wall", 4_000, walls="unseen"),
    "probe_expert/train": SetRecipe("expert", 6_000, steps=90),
    "probe_expert/val": SetRecipe("expert", 1_000, steps=90),
    "probe_long/train": SetRecipe("explore", 2_000, steps=90),
    "probe_long/val": SetRecipe("explore", 500, steps=90),
}
"""The course's sets at their real sizes, and `probe_long`, which is ours."""
GROUPS = (
    Group(
        "probe_normal/train",
        {"normal": "probe_normal/val", "wall": "probe_wall/val", "wall_other": "probe_wall_other/val"},
    ),
    Group("probe_expert/train", {"expert": "probe_expert/val"}),
    Group("probe_long/train", {"long": "probe_long/val"}),
)
SIZES = range(62, 73)
"""Image sides in px of procedural data; from 62 on every unseen wall column has a place."""


def generate_block(world: Geometry, recipe: SetRecipe, name: str, seed: int, block: int) -> Trajectories:
    """Block `block` of a set: the same arguments give the same trajectories everywhere."""
    count = min(BLOCK, recipe.count - block * BLOCK)
    rng = np.random.default_rng([seed, zlib.crc32(name.encode()), block])
    walls = recipe.allowed_walls(world)
    layouts = sample_layouts(world, count, rng, only=walls, exclude_doors=recipe.exclude_doors)
    if recipe.kind == "explore":
        return explore(world, layouts, recipe.steps, rng, recipe.door_rate)
    return {"wall": run_into_wall, "expert": expert}[recipe.kind](world, layouts, recipe.steps, rng)


@lru_cache(maxsize=16)
def generate(world: Geometry, recipe: SetRecipe, name: str, seed: int) -> Trajectories:
    """A whole set's trajectories, without frames."""
    blocks = [generate_block(world, recipe, name, seed, i) for i in range(-(-recipe.count // BLOCK))]
    return Trajectories(
        *(np.concatenate(parts) for parts in zip(*((b.locations, b.actions, b.layouts) for b in blocks), strict=True))
    )


class ProceduralSet:
    """A set of the simulator's, with the interface of one read from files."""

    def __init__(
        self, name: str, recipe: SetRecipe, world: Geometry = COURSE, seed: int = 0, dtype: str = "uint8"
    ) -> None:
        self.name, self.recipe, self.world, self.seed, self.dtype = name, recipe, world, seed, np.dtype(dtype)
        self.image_size = world.size
        self.length = recipe.steps + 1

    @property
    def trajectories(self) -> Trajectories:
        return generate(self.world, self.recipe, self.name, self.seed)

    def __len__(self) -> int:
        return self.recipe.count

    def frames(self, indices: np.ndarray, start: int = 0, stop: int | None = None) -> Tensor:
        t = self.trajectories
        return as_tensor(render_states(self.world, t.locations[indices, start:stop], t.layouts[indices], self.dtype))

    def actions(self, indices: np.ndarray) -> Tensor:
        return as_tensor(self.trajectories.actions[indices])

    def locations(self, indices: np.ndarray) -> Tensor:
        return as_tensor(self.trajectories.locations[indices])


def simulate(name: str, seed: int = 0, image_size: int = COURSE.size, dtype: str = "uint8") -> ProceduralSet:
    """The set `name` as the simulator draws it."""
    return ProceduralSet(name, RECIPES[name], Geometry(size=image_size), seed, dtype)
