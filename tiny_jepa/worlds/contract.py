"""The contract of a world: all that the other rooms may know of one."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from tiny_jepa.options import settings, within
from tiny_jepa.worlds.actions import Actions


class Batch(NamedTuple):
    """states [B, T, C, H, W] uint8 or float32, locations [B, T, 2] px (empty where a set has none),
    actions [B, T-1, 2] px."""

    states: Tensor
    locations: Tensor
    actions: Tensor


class TrajectorySet(Protocol):
    """N trajectories of T frames: rendered on demand, or read from files."""

    name: str
    image_size: int
    length: int
    """Frames of a trajectory, T."""

    def __len__(self) -> int: ...

    def frames(self, indices: np.ndarray, start: int = 0, stop: int | None = None) -> Tensor:
        """States [B, stop - start, C, H, W] of the trajectories `indices` [B]."""
        ...

    def actions(self, indices: np.ndarray) -> Tensor:
        """Actions [B, T-1, 2] float32 px."""
        ...

    def locations(self, indices: np.ndarray) -> Tensor:
        """Locations [B, T, 2] float32 px; only probing may ask for them."""
        ...


def read_batch(dataset: TrajectorySet, indices: np.ndarray) -> Batch:
    """All frames, locations and actions of the trajectories `indices`."""
    return Batch(dataset.frames(indices), dataset.locations(indices), dataset.actions(indices))


def as_tensor(array: np.ndarray) -> Tensor:
    """A tensor that owns its memory: uint8 stays, any float becomes float32."""
    if array.dtype != np.uint8:
        array = array.astype(np.float32, copy=False)
    return torch.from_numpy(array if array.flags.owndata and array.flags.writeable else np.array(array))


Channel = Annotated[int, within(0, 63)]


@settings
class Frame:
    """What a model is told of a world's frames [C, H, W], H = W."""

    channels: Annotated[int, within(1, 64)]  # C
    agent: Channel | None  # index of the channel of what moves; None: to be found in a mix of all
    map: Channel | None  # the same of what stays; None: what the colours leave
    unit: Annotated[float, within(1e-3, 1e6)]  # px that a code unit stands for
    gates: Annotated[int, within(1, 2)] = 1  # 1: a move is made or not; 2: each axis on its own, in part or whole
    side: Annotated[int, within(0, 10**4)] = 0  # px to which larger frames are averaged first; 0: they stay as they are
    world: str = ""  # the world's name


@dataclass(frozen=True)
class Group:
    """One prober: the set that trains it, and the sets it scores by the name of their loss."""

    train: str
    scored: dict[str, str]

    def only(self, names: Sequence[str]) -> "Group":
        """The same prober for fewer sets."""
        return Group(self.train, {name: where for name, where in self.scored.items() if name in names})


class Inspection(Protocol):
    """What a world finds in the trajectories of a set that claims to be one of its own."""

    read: int
    """Trajectories looked at."""
    faults: Counter[str]
    """How many of them have a fault, by kind."""
    harmless: tuple[str, ...]
    """How the kinds begin that a model does not mind."""

    def add(self, states: np.ndarray, actions: np.ndarray, locations: np.ndarray | None) -> None:
        """Looks at some more: states [N, T, C, H, W], actions [N, T-1, 2], locations [N, T, 2] where a set has them."""
        ...

    def figures(self) -> dict[str, str]:
        """What a table says of the set."""
        ...

    def lines(self) -> list[str]:
        """What is wrong, a sentence each."""
        ...

    def notes(self) -> list[str]:
        """What is no fault, but unusual."""
        ...


class WorldModel(Protocol):
    """What planning asks of a model, and what a world's own dynamics can be given as. `JEPA` has it all."""

    def encode_agent(self, frames: np.ndarray) -> Tensor:
        """frames [E, C, H, W] -> codes [E, D]."""
        ...

    def encode_context(self, frames: np.ndarray) -> Tensor:
        """frames [E, C, H, W] -> what predictions depend on, and no action changes: maps [E, S, S] uint8."""
        ...

    def code_range(self, frames: np.ndarray) -> tuple[float, float]:
        """The least and the largest coordinate that codes of such frames can have."""
        ...

    def step(self, code: Tensor, action: Tensor, context: Tensor) -> Tensor:
        """code [..., D], action [..., 2], context [..., S, S]; what comes before these broadcasts -> next code
        [..., D]."""
        ...


@dataclass(frozen=True)
class Task:
    """What planning is measured by. The environment's `info` holds `goal_frame`; of what planners do not see, it holds
    `location` and `goal` [2] px, and `layout`."""

    environment: str  # gymnasium's name for it, with the module that registers it
    actions: Actions
    radii: tuple[float, ...]  # px: an agent this near to its goal has reached it
    dynamics: WorldModel  # the world itself in a model's place
    shortest: Callable[[np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]
    """(starts [E, 2], goals [E, 2], `info["walls"]` [E, ...], image size) -> lengths [E] px of the shortest ways."""


@dataclass(frozen=True)
class World:
    """A world. `simulate(name, seed, image_size, dtype)` opens one of its sets; `task` says how planning is measured,
    `inspect(set's name, image size)` what to look for in a folder that claims to hold such a set."""

    frame: Frame
    action_dim: int  # numbers of an action, px
    mean: tuple[float, float]  # of locations (x, y), px: what probing reads is normalised with these
    std: tuple[float, float]
    sets: tuple[str, ...]
    version: int  # of the distributions that the sets are drawn from
    sizes: range  # image sides, px
    size: int  # px: the side where none is asked for
    groups: tuple[Group, ...]
    simulate: Callable[[str, int, int, str], TrajectorySet] | None  # None: its data come from a folder alone
    task: Task | None = None
    inspect: Callable[[str, int], Inspection] | None = None
    presets: str | None = None  # the folder in budgets/ that holds its presets
