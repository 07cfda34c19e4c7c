"""Equal columns of a representation: stored once, trained once, with the very same outcome.

Two columns that hold equal numbers for every sample give their prober weights equal gradients, and so equal Adam
updates. A prober over `D` columns of which `U` are distinct is trained exactly by training a shared *change* [H, U].
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, relu

PART = 16  # trajectories looked at at once: what is compared stays in cache


class Represented(NamedTuple):
    """A set after the model."""

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


class TiedTraining(nn.Module):
    """Trains a prober `Linear(D, H), ReLU, Linear(H, 2)` on distinct columns alone: `change` [H, U] is what
    `write_back` adds to the weights of every column of a group. Its gradient is that of each single column."""

    def __init__(self, hidden: nn.Linear, out: nn.Linear, groups: Tensor) -> None:
        super().__init__()
        self.hidden, self.out, self.groups = hidden, out, groups
        sizes = torch.bincount(groups).to(hidden.weight.dtype)
        zeros = hidden.weight.new_zeros(hidden.out_features, len(sizes))
        self.sizes, self.start = sizes, zeros.index_add(1, groups, hidden.weight.detach())
        self.change = nn.Parameter(zeros)
        self.change.register_hook(lambda gradient: gradient / sizes)  # of the groups

    def forward(self, columns: Tensor) -> Tensor:
        """Distinct columns [..., U] -> the prober's output [..., 2] for the whole representation."""
        return self.out(relu(linear(columns, self.start + self.change * self.sizes, self.hidden.bias)))

    @torch.no_grad()
    def write_back(self) -> None:
        self.hidden.weight += self.change[:, self.groups]
