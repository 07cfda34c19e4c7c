"""Batches of a set of trajectories."""

from collections.abc import Iterator

import numpy as np

from tiny_jepa.worlds.contract import Batch, TrajectorySet, read_batch


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
