"""The probing protocol: a frozen world model is scored by how well a small prober reads the agent's true location
from its predicted representations (docs/evaluation.md). Errors are MSEs in px²."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from einops import reduce
from torch import Tensor, nn
from torch.nn.functional import linear, relu

from tiny_jepa.errors import UserError
from tiny_jepa.probing.representations import FrozenModel, is_indexed
from tiny_jepa.progress import bar


@dataclass(frozen=True)
class ProbingConfig:
    """The protocol's settings. Change one and the figures are comparable with nobody's."""

    lr: float = 2e-4  # of the first step; the schedule's base is lr * batch_size / 256
    epochs: int = 20
    hidden: int = 256  # width of the prober
    sample_timesteps: int = 30  # time steps of each longer trajectory that train the prober
    seed: int = 0  # of the prober's start and of the sampled time steps
    mean: tuple[float, float] = (31.5863, 32.0618)  # px, x then y, the course's: targets are normalised with these
    std: tuple[float, float] = (16.1025, 16.1353)


class Prober(nn.Module):
    """Representation [..., D] -> normalised location [..., 2]."""

    def __init__(self, repr_dim: int, hidden: int = 256) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(repr_dim, hidden), nn.Linear(hidden, 2)
        self.float()  # whatever torch's default is

    def forward(self, representations: Tensor) -> Tensor:
        return self.out(relu(self.hidden(representations)))


class TiedTraining(nn.Module):
    """Trains a prober on the U distinct of its D columns alone, with the very same outcome: columns that are equal in
    every sample give their weights equal gradients, and so equal Adam updates. `change` [H, U] is what `write_back`
    adds to the weights of every column of a group. Its gradient is that of each single column."""

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


def protocol_lr(step: int, max_steps: int, base: float) -> float:
    """Learning rate after `step` steps of the schedule: linear warm-up over a tenth, then cosine to `base` / 1000."""
    warmup = int(0.1 * max_steps)
    if step < warmup:
        return base * step / warmup
    cosine = 0.5 * (1 + math.cos(math.pi * (step - warmup) / (max_steps - warmup)))
    return base * cosine + 0.001 * base * (1 - cosine)


class ProbingEvaluator:
    """Trains probers on `probe_train_ds`, a loader of batches with `.states`, `.locations`, `.actions`; scores them on
    each loader of `probe_val_ds`, by name. What of this, or of the model, is of another form is a `UserError`.

    `model(states=[B, 1, C, H, W], actions=[B, T-1, 2]) -> [B, T, D]`, its `repr_dim` being D. `quick_debug`: three
    steps of training, to see that everything runs."""

    def __init__(
        self,
        device: torch.device | str,
        model: nn.Module,
        probe_train_ds: Any,
        probe_val_ds: Mapping[str, Any],
        config: ProbingConfig = ProbingConfig(),
        quick_debug: bool = False,
    ) -> None:
        if not (isinstance(probe_val_ds, Mapping) and all(hasattr(each, "__iter__") for each in probe_val_ds.values())):
            raise UserError("probe_val_ds must be loaders of batches, by name")
        self.frozen, self.device = FrozenModel(model, device), torch.device(device)
        self.ds, self.val_ds = probe_train_ds, dict(probe_val_ds)
        self.config, self.quick_debug = config, quick_debug
        self.mean = torch.tensor(config.mean, device=self.device)
        self.std = torch.tensor(config.std, device=self.device)

    def train_pred_prober(self) -> Prober:
        """A prober trained on `probe_train_ds`, by the protocol's recipe."""
        config, loader = self.config, self.ds
        epochs = 1 if self.quick_debug else config.epochs
        try:
            max_steps, base = epochs * len(loader), config.lr * loader.batch_size / 256
        except (TypeError, AttributeError) as error:
            raise UserError(f"the schedule needs a loader's length and its batch_size: {error}") from error
        if max_steps == 0:
            raise UserError("probe_train_ds has no batch; give it more trajectories, or drop_last=False")
        for scored in filter(is_indexed, self.val_ds.values()):
            self.frozen.represent(scored)  # a model that fails on it fails before anything is fitted
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            prober = Prober(self.frozen.width, config.hidden).to(self.device)
        rng = torch.Generator().manual_seed(config.seed)
        tied = TiedTraining(prober.hidden, prober.out, self.frozen.groups(loader))
        optimizer = torch.optim.Adam(tied.parameters(), lr=config.lr)
        batches = (batch for _ in range(epochs) for batch in self.frozen.batches(loader))
        steps = bar(batches, desc="prober", total=max_steps, unit="step", mininterval=1, leave=False)
        for step, (columns, locations) in enumerate(islice(steps, 3 if self.quick_debug else None)):
            if columns.shape[1] > config.sample_timesteps:
                order = torch.rand(locations.shape[:2], generator=rng).argsort(dim=1)
                chosen = order[:, : config.sample_timesteps].to(self.device)
                rows = torch.arange(len(chosen), device=self.device)[:, None]
                columns, locations = columns[rows, chosen], locations[rows, chosen]
            loss = (tied(columns) - (locations - self.mean) / self.std).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            # as in the course's code: the first step runs at `lr`, the schedule sets the rate of the next
            for group in optimizer.param_groups:
                group["lr"] = protocol_lr(step, max_steps, base)
        tied.write_back()
        return prober.eval()

    @torch.no_grad()
    def evaluate_all(self, prober: Prober) -> dict[str, float]:
        """Loss of each validation set in px²: over the batch, then over batches, then over time and x, y. Leaves each
        trajectory's mean error [N] in `errors`."""
        losses, self.errors = {}, dict[str, np.ndarray]()
        for name, loader in self.val_ds.items():
            squared = [(read - true).square() for read, true in self.read_out(prober, loader)]
            batches = [reduce(each, "b t k -> t k", "mean") for each in squared]
            losses[name] = float(torch.stack(batches).mean(0).mean()) if batches else math.nan
            if not math.isfinite(losses[name]):
                raise UserError(f"{name} has no loss: it has no batch, or locations that are not finite")
            self.errors[name] = torch.cat([each.mean((1, 2)) for each in squared]).cpu().numpy()
        return losses

    @torch.no_grad()
    def read_out(self, prober: Prober, loader: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of (what the prober reads, true locations), both [B, T, 2] px."""
        read = TiedTraining(prober.hidden, prober.out, self.frozen.groups(loader))
        for columns, locations in self.frozen.batches(loader):
            yield read(columns) * self.std + self.mean, locations
