"""What a set of trajectories is to the rest of the kit, and the loader that walks over one."""

from collections.abc import Iterator
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


class BatchSampler:
    """Index batches of one epoch, anew at each iteration; the same seed gives the same sequence of epochs."""

    def __init__(self, count: int, batch_size: int, shuffle: bool, drop_last: bool, seed: int) -> None:
        self.count, self.batch_size, self.shuffle, self.drop_last = count, batch_size, shuffle, drop_last
        self.rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return self.count // self.batch_size if self.drop_last else -(-self.count // self.batch_size)

    def __iter__(self) -> Iterator[np.ndarray]:
        order = self.rng.permutation(self.count) if self.shuffle else np.arange(self.count)
        for i in range(len(self)):
            yield order[i * self.batch_size : (i + 1) * self.batch_size]


class Loader:
    """Batches of a set, with the attributes that the course's evaluator asks of a loader.

    `drop_last` holds for validation too, as in the protocol; a set smaller than a batch is one batch.
    """

    def __init__(self, dataset: TrajectorySet, batch_size: int = 64, shuffle: bool = False, seed: int = 0) -> None:
        self.dataset = dataset
        self.batch_size = min(batch_size, len(dataset))
        self.batch_sampler = BatchSampler(len(dataset), self.batch_size, shuffle, drop_last=True, seed=seed)

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[Batch]:
        for indices in self.batch_sampler:
            yield read_batch(self.dataset, indices)


def read_batch(dataset: TrajectorySet, indices: np.ndarray) -> Batch:
    """All frames, locations and actions of the trajectories `indices`."""
    return Batch(dataset.frames(indices), dataset.locations(indices), dataset.actions(indices))


def as_tensor(array: np.ndarray) -> Tensor:
    """A tensor that owns its memory: uint8 stays, any float becomes float32."""
    if array.dtype != np.uint8:
        array = array.astype(np.float32, copy=False)
    return torch.from_numpy(array if array.flags.owndata and array.flags.writeable else np.array(array))
