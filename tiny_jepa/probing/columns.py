"""Equal columns of a representation: stored once, trained once, with the very same outcome.

Two columns of a representation that hold equal numbers for every sample give their prober weights equal gradients,
and so equal Adam updates, whatever the weights started from. A prober over `D` columns of which `U` are distinct is
therefore trained exactly by training a shared *change* [H, U] of its weights. A lifted or tiled representation costs
what it holds, not what it spans; where all columns differ, nothing changes.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, relu


class DistinctColumns:
    """Collects representations [B, T, D] batch by batch; `groups` [D] says which stored column each of the D is."""

    def __init__(self, columns: int) -> None:
        self.groups = torch.zeros(columns, dtype=torch.long)
        self.first = torch.zeros(1, dtype=torch.long)
        self.chunks: list[Tensor] = []

    def add(self, batch: Tensor) -> None:
        """Stores the distinct columns of `batch`; where it tells apart what was equal so far, groups are split."""
        self.groups, self.first = self.groups.to(batch.device), self.first.to(batch.device)
        if not torch.equal(batch, batch[..., self.first][..., self.groups]):
            flat = batch.flatten(0, -2).nan_to_num()
            keys = torch.cat([self.groups[None].to(flat.dtype), flat]).cpu()
            groups = torch.unique(keys, dim=1, return_inverse=True)[1]
            count = int(groups.max()) + 1
            index = torch.arange(len(groups))
            first = torch.zeros(count, dtype=torch.long).scatter_reduce(0, groups, index, "amin", include_self=False)
            first, groups = first.to(batch.device), groups.to(batch.device)
            self.chunks = [chunk[..., self.groups[first]] for chunk in self.chunks]
            self.groups, self.first = groups, first
        self.chunks.append(batch[..., self.first])

    def stored(self) -> Tensor:
        """Everything added so far, its distinct columns only: [N, T, U]."""
        return torch.cat(self.chunks)


class TiedTraining(nn.Module):
    """Trains a prober `Linear(D, H), ReLU, Linear(H, 2)` on distinct columns alone.

    The trained parameter `change` [H, U] is what is added to the weights of every column of a group; `write_back`
    adds it. Its gradient is divided by the size of the group: it is then the gradient of each single column.
    """

    def __init__(self, hidden: nn.Linear, out: nn.Linear, groups: Tensor) -> None:
        super().__init__()
        self.hidden, self.out, self.groups = hidden, out, groups
        sizes = torch.bincount(groups).to(hidden.weight.dtype)
        zeros = hidden.weight.new_zeros(hidden.out_features, len(sizes))
        self.sizes, self.start = sizes, zeros.index_add(1, groups, hidden.weight.detach())
        self.change = nn.Parameter(zeros)
        self.change.register_hook(lambda gradient: gradient / sizes)

    def trained(self) -> list[nn.Parameter]:
        """The parameters that an optimiser of the prober has to step."""
        return [self.change, self.hidden.bias, *self.out.parameters()]

    def forward(self, columns: Tensor) -> Tensor:
        """Distinct columns [..., U] -> the prober's output [..., 2] for the whole representation."""
        return self.out(relu(linear(columns, self.start + self.change * self.sizes, self.hidden.bias)))

    @torch.no_grad()
    def write_back(self) -> None:
        self.hidden.weight += self.change[:, self.groups]
