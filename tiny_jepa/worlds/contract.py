"""The contract of a world: all that the other rooms may know of one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import pi
from typing import Annotated, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from einops import reduce
from torch import Tensor

from tiny_jepa.errors import UserError, of_others
from tiny_jepa.options import settings, within


class Batch(NamedTuple):
    """Trajectories in memory."""

    states: Tensor  # [B, T, C, H, W] uint8 or float32
    locations: Tensor  # [B, T, 2] px
    actions: Tensor  # [B, T-1, 2] px


class TrajectorySet(Protocol):
    """N trajectories of T frames: rendered on demand, or read from files. `indices` [B] say which are asked for."""

    name: str
    image_size: int  # px, H and W
    length: int  # T

    def __len__(self) -> int: ...
    def frames(self, indices: np.ndarray, start: int = 0, stop: int | None = None) -> Tensor: ...  # [B, T, C, H, W]
    def actions(self, indices: np.ndarray) -> Tensor: ...  # [B, T-1, 2] float32 px
    def locations(self, indices: np.ndarray) -> Tensor: ...  # [B, T, 2] float32 px; only probing may ask for them


def read_batch(dataset: TrajectorySet, indices: np.ndarray) -> Batch:
    return Batch(dataset.frames(indices), dataset.locations(indices), dataset.actions(indices))


def as_tensor(array: np.ndarray) -> Tensor:
    """A tensor that owns its memory: uint8 stays, any float becomes float32."""
    if array.dtype != np.uint8:
        array = array.astype(np.float32, copy=False)
    return torch.from_numpy(array if array.flags.owndata and array.flags.writeable else np.array(array))


def as_finite(given: Any, what: str, dtype: torch.dtype | None = torch.float32) -> Tensor:
    """Real numbers as numpy or torch has them -> a tensor of finite ones: uint8 stays, others become `dtype`."""
    try:
        values = given
        if not isinstance(given, Tensor):
            array = np.asarray(given)
            if array.dtype.kind in "cmMV":
                raise TypeError
            values = torch.from_numpy(array.astype(np.uint8 if array.dtype == np.uint8 else np.float64, "C"))
        if values.is_complex():
            raise TypeError
        values = values if values.dtype in (torch.uint8, dtype or values.dtype) else values.to(dtype=dtype)
        fine = bool(values.isfinite().all())
    except Exception:  # a stranger's object raises whatever it likes
        fine = False
    if not fine:
        raise UserError(f"{what} must be finite real numbers, not {str(given)[:80]}")
    return values


def asked(what: str, call: Callable[[], Any], form: Callable[[tuple], tuple], dtype: Any = torch.float32) -> Tensor:
    """What a `call` of anybody's code, known as `what`, returns, once it is finite numbers of the shape that `form`
    makes of its own."""
    with of_others(what):
        found = call()
        found = found.detach() if isinstance(found, Tensor) else found
    found = as_finite(found, f"what {what} returns", dtype)
    if found.shape != (wanted := form(found.shape)):
        raise UserError(f"what {what} returns must be of the form {[*wanted]}, not {[*found.shape]}")
    return found


def read_agents(agent: np.ndarray) -> np.ndarray:
    """The mean coordinates [N, T, 2] of agent channels [N, T, H, W]; NaN where they are empty."""
    index = np.arange(agent.shape[-1], dtype=np.float32)
    columns, rows = (reduce(agent, f"n t h w -> n t {axis}", "sum") for axis in "wh")
    with np.errstate(invalid="ignore"):
        return np.stack([columns @ index, rows @ index], axis=-1) / agent.sum((2, 3), dtype=np.float32)[..., None]


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

    def __post_init__(self) -> None:
        if max(self.agent or 0, self.map or 0) >= self.channels:
            raise UserError(f"agent and map must be below {self.channels}, the number of channels")


@dataclass(frozen=True)
class Group:
    """One prober: the set that trains it, and the sets it scores by the name of their loss."""

    train: str
    scored: dict[str, str]

    def only(self, names: Sequence[str]) -> "Group":
        return Group(self.train, {name: where for name, where in self.scored.items() if name in names})


UNUSUAL = "unusual"  # so begin the names of faults that a model does not mind


@settings
class Actions:
    """The actions that a planner may choose from: two numbers, up to a size of `limit`."""

    limit: Annotated[float, within(1e-6, 1e6)]
    box: bool = False  # the size of an action is its larger number, not its norm

    def size(self, actions: Tensor) -> Tensor:
        """actions [..., 2] -> sizes [...] as shares of the limit: above 1 an action is not allowed."""
        return actions.norm(p=torch.inf if self.box else 2, dim=-1) / self.limit

    def clip(self, actions: Tensor) -> Tensor:
        """actions [..., 2] -> the same, or the longest allowed in their direction."""
        return actions / self.size(actions).clamp_min(1.0)[..., None]

    def spread(self, directions: int, sizes: int) -> Tensor:
        """Actions [1 + directions * sizes, 2]: none, then evenly spread directions and sizes, the largest last."""
        angle, shares = torch.arange(directions) * (2 * pi / directions), torch.arange(1, sizes + 1) / sizes
        circle = self.limit * torch.stack([angle.cos(), angle.sin()], dim=-1)
        rim = circle / self.size(circle)[:, None]
        return torch.cat([torch.zeros(1, 2), (shares[:, None, None] * rim).flatten(0, 1)])


@runtime_checkable
class WorldModel(Protocol):
    """What planning asks of a model, and what a world's own dynamics can be given as. `JEPA` has it all."""

    def encode_agent(self, frames: np.ndarray) -> Tensor: ...  # [E, C, H, W] -> codes [E, D]
    def encode_context(self, frames: np.ndarray) -> Tensor: ...  # [E, C, H, W] -> what does not move [E, S, S] uint8
    def code_range(self, frames: np.ndarray) -> tuple[float, float]: ...  # least and largest coordinate of a code
    # code [..., D], action [..., 2], context [..., S, S] -> next code [..., D]; what comes before these broadcasts
    def step(self, code: Tensor, action: Tensor, context: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Task:
    """What planning is measured by. The environment's `info` holds `goal_frame`; of what planners do not see, it holds
    `location` and `goal` [2] px, and `walls`."""

    environment: str  # gymnasium's name for it, with the module that registers it
    actions: Actions
    radii: tuple[float, ...]  # px: an agent this near to its goal has reached it
    dynamics: WorldModel  # the world itself in a model's place
    shortest: Callable[[np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]
    """(starts [E, 2], goals [E, 2], `info["walls"]` [E, ...], image size) -> lengths [E] px of the shortest ways."""


@dataclass(frozen=True)
class World:
    """A world: what its frames hold, which sets it has, and what is optional."""

    frame: Frame
    mean: tuple[float, float]  # of locations (x, y), px: what probing reads is normalised with these
    std: tuple[float, float]
    sets: tuple[str, ...]
    version: int  # of the distributions that the sets are drawn from
    sizes: range  # image sides, px
    size: int  # px: the side where none is asked for
    groups: tuple[Group, ...]
    simulate: Callable[[str, int, int, str], TrajectorySet] | None  # (set, seed, size, dtype); None: data from folders
    task: Task | None = None  # what planning is measured by
    inspect: Callable[[np.ndarray, np.ndarray, np.ndarray | None], dict[str, np.ndarray]] | None = None
    """states [N, T, C, H, W], actions [N, T-1, 2], locations [N, T, 2] if there are any -> which of them [N] have which
    fault."""
    presets: str | None = None  # the folder in budgets/ that holds its presets
