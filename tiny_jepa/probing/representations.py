"""What a frozen model makes of anybody's loaders: computed once, where a loader names the samples of its batches, and
equal columns of a representation stored once."""

from collections.abc import Iterable, Iterator
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from tiny_jepa.data import Batch, Loader
from tiny_jepa.errors import UserError, of_others
from tiny_jepa.progress import bar
from tiny_jepa.worlds.contract import asked

AT_ONCE = 500
"""Trajectories represented at once: few calls of the model, and activations of some MB."""
PART = 16  # trajectories looked at at once: what is compared stays in cache
CALLED = "model(states=[B, 1, C, H, W], actions=[B, T-1, 2]) -> [B, T, repr_dim]"


class Represented(NamedTuple):
    columns: Tensor  # [N, T, U]: the distinct ones
    groups: Tensor  # [D]: which of them each column is
    locations: Tensor  # [N, T, 2] px: the truth


def collect(batches: Iterable[tuple[Tensor, Tensor]], width: int) -> Represented:
    """Representations [B, T, D] and locations, batch by batch; what tells equal columns apart splits their group."""
    groups, first, places = torch.zeros(width, dtype=torch.long), [0], []
    chunks: list[Tensor] = []
    for batch, locations in batches:
        groups = groups.to(batch.device)
        if not all(torch.equal(part, part[..., first][..., groups]) for part in batch.split(PART)):
            keys = torch.cat([groups[None].to(batch.dtype), batch.flatten(0, -2)]).cpu()
            finer = torch.unique(keys, dim=1, return_inverse=True)[1]
            first = [finer.tolist().index(group) for group in range(int(finer.max()) + 1)]
            chunks = [chunk[..., groups[first]] for chunk in chunks]
            groups = finer.to(batch.device)
        chunks.append(batch[..., first])
        places.append(locations)
    return Represented(torch.cat(chunks), groups, torch.cat(places))


class FrozenModel:
    """`CALLED`. What is of another form is a `UserError`."""

    def __init__(self, model: nn.Module, device: torch.device | str) -> None:
        width = getattr(model, "repr_dim", None)
        if not isinstance(model, nn.Module) or not isinstance(width, Integral) or width < 1:
            raise UserError(f"a {type(model).__name__} is no torch.nn.Module whose repr_dim is the width of its output")
        self.model, self.device, self.width = model.to(device).eval(), torch.device(device), int(width)
        self._done: dict[int, tuple[Any, Represented]] = {}

    def represent(self, loader: Any) -> Represented:
        """Every trajectory of the loader's data set, through the model once however often it is asked for."""
        key = id(loader.dataset)
        if key not in self._done:
            batches = bar(in_order(loader), desc="representations", unit="batch", mininterval=1, leave=False)
            # the data set stays alive: its id stays its own
            self._done[key] = (loader.dataset, collect(map(self._forward, batches), self.width))
        return self._done[key][1]

    def groups(self, loader: Any) -> Tensor:
        """Which of the columns that `batches` yields each of the D is."""
        return self.represent(loader).groups if is_indexed(loader) else torch.arange(self.width, device=self.device)

    def batches(self, loader: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch: (representations or their distinct columns [B, T, .], locations [B, T, 2] px)."""
        if not is_indexed(loader):
            return map(self._forward, loader)
        columns, _, locations = self.represent(loader)
        chosen = (torch.as_tensor(np.asarray(indices), device=self.device) for indices in loader.batch_sampler)
        return ((columns[each], locations[each]) for each in chosen)

    @torch.no_grad()
    def _forward(self, batch: Any) -> tuple[Tensor, Tensor]:
        with of_others("a batch of states, actions and locations"):
            states, actions, locations = batch.states[:, :1], batch.actions.to(self.device), batch.locations.float()
            steps, states = (len(actions), actions.shape[1] + 1), states.to(self.device)
        form = *steps, self.width
        found = asked(CALLED, lambda: self.model(states=states, actions=actions), lambda _: form)
        if locations.shape != (*steps, 2):
            raise UserError(f"a batch has locations of shape {tuple(locations.shape)}, not {(*steps, 2)}")
        return found, locations.to(self.device)


def is_indexed(loader: Any) -> bool:
    """Whether a loader says which samples it puts into which batch."""
    if isinstance(loader, DataLoader):
        return loader.batch_sampler is not None and not isinstance(loader.dataset, IterableDataset)
    return isinstance(loader, Loader)


def in_order(loader: Any) -> Iterator[Any]:
    """All samples of an indexed loader's set, in their order; only first frames, where the set can tell."""
    dataset = loader.dataset
    if isinstance(loader, DataLoader):
        size, workers = loader.batch_size or 64, loader.num_workers
        yield from DataLoader(dataset, size, num_workers=workers, collate_fn=loader.collate_fn)
    else:
        for part in np.split(np.arange(len(dataset)), range(AT_ONCE, len(dataset), AT_ONCE)):
            yield Batch(dataset.frames(part, 0, 1), dataset.locations(part), dataset.actions(part))
