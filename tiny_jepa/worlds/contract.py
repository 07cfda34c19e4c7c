"""The contract of a world: all that the other rooms may know of one."""

from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor


class Batch(NamedTuple):
    """states [B, T, 2, H, W] uint8 or float32, locations [B, T, 2] px (empty where a set has none),
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
        """States [B, stop - start, 2, H, W] of the trajectories `indices` [B]."""
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
