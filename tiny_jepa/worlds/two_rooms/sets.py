"""The procedural data: the course's sets, drawn by the simulator on demand. No file, little memory.

Trajectories are generated in blocks, each from its own seed, so that any block is the same whoever asks for it.
Only locations and actions are kept (45 MB for the training set); frames are rendered when they are read.
"""

import zlib
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Annotated, Any, Literal

import numpy as np
from torch import Tensor

from tiny_jepa.options import settings, within
from tiny_jepa.worlds.contract import Group, as_tensor
from tiny_jepa.worlds.two_rooms.plans import PLANS
from tiny_jepa.worlds.two_rooms.render import render_states
from tiny_jepa.worlds.two_rooms.trajectories import Trajectories, expert, explore, run_into_wall, wander
from tiny_jepa.worlds.two_rooms.walls import Geometry, sample_layouts

SETS_VERSION = 3
"""Of the sets below. Version 2 had smaller ones to score and no other floor plans; version 1, up to revision 61a1c84,
had easier wall runs, and no trajectory started inside the wall."""
BLOCK, COURSE = 2000, Geometry()  # trajectories drawn at a time; the course's room


@dataclass(frozen=True)
class SetRecipe:
    kind: str  # explore, wall or expert; or a floor plan: rooms, doors or maze
    count: int = 12_000  # trajectories
    steps: int = 16  # actions of each
    walls: str = "all"  # two rooms: all, seen (without columns 37 to 41) or unseen (only those)
    door_rate: float = 0.35  # explore: share built to pass the door
    exclude_walls: tuple[int, ...] = ()  # wall columns left out as well
    exclude_doors: tuple[int, ...] = ()  # door rows left out

    def allowed(self, world: Geometry) -> tuple[list[int], list[int]]:
        """The wall columns and the door rows that this set may have."""
        columns, rows = world.columns(self.walls), world.door_rows
        return [c for c in columns if c not in self.exclude_walls], [r for r in rows if r not in self.exclude_doors]


RECIPES = {
    "train": SetRecipe("explore", 147_000, walls="seen"),
    "probe_normal/train": SetRecipe("explore", 10_000),
    "probe_normal/val": SetRecipe("explore"),
    "probe_wall/val": SetRecipe("wall", walls="seen"),
    "probe_wall_other/val": SetRecipe("wall", walls="unseen"),
    "probe_expert/train": SetRecipe("expert", 6_000, steps=90),
    "probe_expert/val": SetRecipe("expert", steps=90),
    "probe_long/val": SetRecipe("explore", steps=90),
    "probe_rooms/val": SetRecipe("rooms"),
    "probe_doors/val": SetRecipe("doors"),
    "probe_maze/val": SetRecipe("maze"),
}
"""The course's sets, those to train on at their real sizes; and four of ours."""
SHORT = ("normal", "wall", "wall_other", "rooms", "doors", "maze", "long")
GROUPS = (
    Group("probe_normal/train", {name: f"probe_{name}/val" for name in SHORT}),
    Group("probe_expert/train", {"expert": "probe_expert/val"}),
)
SIZES = range(62, 73)  # image sides in px; from 62 on every unseen wall column has a place
Side = Annotated[int, within(SIZES[0], SIZES[-1])]
Length = Annotated[float, within(0, 10**6)]


@settings
class Rooms:
    """Where the environment's episodes take place."""

    layouts: Literal["seen", "unseen", "all", "rooms", "doors", "maze"] = "seen"  # the last three were never trained
    image_size: Side = COURSE.size  # px; side of the frames
    goal_size: Side | None = None  # px; side of the goal's frame, if another
    start: Literal["room", "door"] = "room"  # where episodes begin; in the door: between the wall's faces
    noise: Length = 0.0  # px; standard deviation of what disturbs each move along each axis


@lru_cache(maxsize=16)
def generate(world: Geometry, recipe: SetRecipe, name: str, seed: int) -> Trajectories:
    """A whole set's trajectories, without frames: the same arguments give the same ones everywhere."""
    explored = partial(explore, door_rate=recipe.door_rate)
    kinds: dict[str, Any] = {"explore": explored, "wall": run_into_wall, "expert": expert}
    draw, blocks = kinds.get(recipe.kind, wander), []
    for first in range(0, recipe.count, BLOCK):
        rng, count = np.random.default_rng([seed, zlib.crc32(name.encode()), first // BLOCK]), recipe.count - first
        plan = PLANS.get(recipe.kind) or partial(sample_layouts, allowed=recipe.allowed(world))
        blocks.append(draw(world, plan(world, min(BLOCK, count), rng), recipe.steps, rng))
    return Trajectories(*map(np.concatenate, zip(*blocks, strict=True)))


class ProceduralSet:
    """A set of the simulator's, with the interface of one read from files."""

    def __init__(
        self, name: str, recipe: SetRecipe, world: Geometry = COURSE, seed: int = 0, dtype: str = "uint8"
    ) -> None:
        self.name, self.recipe, self.world, self.seed, self.dtype = name, recipe, world, seed, np.dtype(dtype)
        self.image_size, self.length = world.size, recipe.steps + 1

    def __len__(self) -> int:
        return self.recipe.count

    @property
    def trajectories(self) -> Trajectories:
        return generate(self.world, self.recipe, self.name, self.seed)

    def frames(self, indices: np.ndarray, start: int = 0, stop: int | None = None) -> Tensor:
        t = self.trajectories
        return as_tensor(render_states(self.world, t.locations[indices, start:stop], t.walls[indices], self.dtype))

    def actions(self, indices: np.ndarray) -> Tensor:
        return as_tensor(self.trajectories.actions[indices])

    def locations(self, indices: np.ndarray) -> Tensor:
        return as_tensor(self.trajectories.locations[indices])
