"""Batches of a set of trajectories."""

from collections.abc import Iterator

import numpy as np

from tiny_jepa.worlds.contract import Batch, TrajectorySet, read_batch


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
