"""The probing protocol: a frozen world model is scored by how well a small prober reads the agent's true location
from its predicted representations.

A prober is trained on one labelled set and scored on others; errors are MSEs in px². The model sees the first frame
and the actions only. It is frozen, so its representations are computed once and kept (docs/evaluation.md).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import torch
from einops import reduce
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from tiny_jepa.data import Batch, Loader
from tiny_jepa.errors import UserError
from tiny_jepa.probing.columns import DistinctColumns, TiedTraining
from tiny_jepa.progress import bar

AT_ONCE = 500
"""Trajectories represented at once: few calls of the model, and activations of some MB."""


@dataclass(frozen=True)
class ProbingConfig:
    """The protocol's settings. Change one and the figures are no longer comparable with anybody's."""

    lr: float = 2e-4  # of the first step; the schedule's base is lr * batch_size / 256
    epochs: int = 20
    hidden: int = 256  # width of the prober
    sample_timesteps: int = 30  # time steps of each longer trajectory that train the prober
    seed: int = 0  # of the prober's start and of the sampled time steps
    mean: tuple[float, float] = (31.5863, 32.0618)  # px, x then y, the course's: targets are normalised with these
    std: tuple[float, float] = (16.1025, 16.1353)


class Prober(nn.Module):
    """Linear(D, 256), ReLU, Linear(256, 2): representation [..., D] -> normalised location [..., 2]."""

    def __init__(self, repr_dim: int, hidden: int = 256) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(repr_dim, hidden), nn.Linear(hidden, 2)

    def forward(self, representations: Tensor) -> Tensor:
        return self.out(torch.relu(self.hidden(representations)))


def scheduled_lr(step: int, max_steps: int, base: float) -> float:
    """Learning rate after `step` steps of the schedule: linear warm-up over a tenth, then cosine to `base` / 1000."""
    warmup = int(0.1 * max_steps)
    if step < warmup:
        return base * step / warmup
    cosine = 0.5 * (1 + math.cos(math.pi * (step - warmup) / (max_steps - warmup)))
    return base * cosine + 0.001 * base * (1 - cosine)


def sample_steps(representations: Tensor, targets: Tensor, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """`count` random time steps of each trajectory: [B, T, U] and [B, T, 2] -> [B, count, U] and [B, count, 2]."""
    steps = torch.rand(targets.shape[:2], generator=rng).argsort(dim=1)[:, :count].to(targets.device)
    rows = torch.arange(len(steps), device=steps.device)[:, None]
    return representations[rows, steps], targets[rows, steps]


class Represented(NamedTuple):
    """A set after the model."""

    columns: Tensor  # [N, T, U]: the distinct ones
    groups: Tensor  # [D]: which of them each column is
    locations: Tensor  # [N, T, 2] px: the truth


class ProbingEvaluator:
    """Trains probers on `probe_train_ds` and scores them on each loader of `probe_val_ds`.

    Args:
        model: called as `model(states=[B, 1, C, H, W], actions=[B, T-1, 2]) -> [B, T, D]`; its `repr_dim` is D.
        probe_train_ds: loader of batches with `.states`, `.locations`, `.actions`, and with `.batch_size`.
        probe_val_ds: name -> loader.
        quick_debug: three steps of training, to see that everything runs.

    Raises:
        UserError: model or loader are not of this form.
    """

    def __init__(
        self,
        device: torch.device | str,
        model: nn.Module,
        probe_train_ds: Any,
        probe_val_ds: Mapping[str, Any],
        config: ProbingConfig = ProbingConfig(),
        quick_debug: bool = False,
    ) -> None:
        width = getattr(model, "repr_dim", None)
        if not isinstance(model, nn.Module) or not isinstance(width, Integral):
            raise UserError(f"a {type(model).__name__} is no torch.nn.Module whose repr_dim is the width of its output")
        self.device, self.model, self.width = torch.device(device), model.to(device).eval(), int(width)
        self.ds, self.val_ds = probe_train_ds, dict(probe_val_ds)
        self.config, self.quick_debug = config, quick_debug
        self.mean = torch.tensor(config.mean, device=self.device)
        self.std = torch.tensor(config.std, device=self.device)
        self._represented: dict[int, tuple[Any, Represented]] = {}

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
            self.represent(scored)  # a model that fails on it fails before anything is fitted
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            prober = Prober(self.width, config.hidden).to(self.device)
        rng = torch.Generator().manual_seed(config.seed)
        tied = TiedTraining(prober.hidden, prober.out, self._groups(loader))
        optimizer = torch.optim.Adam(tied.trained(), lr=config.lr)
        batches = (batch for _ in range(epochs) for batch in self._batches(loader))
        steps = bar(batches, desc="prober", total=max_steps, unit="step", mininterval=1, leave=False)
        for step, (columns, locations) in enumerate(steps):
            if columns.shape[1] > config.sample_timesteps:
                columns, locations = sample_steps(columns, locations, config.sample_timesteps, rng)
            loss = (tied(columns) - (locations - self.mean) / self.std).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            # as in the course's code: the first step runs at `lr`, the schedule sets the rate of the next
            for group in optimizer.param_groups:
                group["lr"] = scheduled_lr(step, max_steps, base)
            if self.quick_debug and step == 2:
                break
        tied.write_back()
        return prober.eval()

    @torch.no_grad()
    def evaluate_all(self, prober: Prober) -> dict[str, float]:
        """Loss of each validation set in px²: over the batch, then over batches, then over time and x, y."""
        losses = {}
        for name, loader in self.val_ds.items():
            batches = [reduce((p - t).square(), "b t k -> t k", "mean") for p, t in self.read_out(prober, loader)]
            losses[name] = float(torch.stack(batches).mean(0).mean()) if batches else math.nan
            if not math.isfinite(losses[name]):
                raise UserError(f"{name} has no loss: it has no batch, or locations that are not finite")
        return losses

    @torch.no_grad()
    def read_out(self, prober: Prober, loader: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of (what the prober reads, true locations), both [B, T, 2] px."""
        read = TiedTraining(prober.hidden, prober.out, self._groups(loader))
        for columns, locations in self._batches(loader):
            yield read(columns) * self.std + self.mean, locations

    def represent(self, loader: Any) -> Represented:
        """Every trajectory of the loader's data set through the frozen model, once however often it is asked for."""
        key = id(loader.dataset)
        if key not in self._represented:
            distinct, locations = DistinctColumns(self.width), []
            for batch in bar(in_order(loader), desc="representations", unit="batch", mininterval=1, leave=False):
                representations, where = self._forward(batch)
                distinct.add(representations)
                locations.append(where)
            done = Represented(distinct.stored(), distinct.groups, torch.cat(locations))
            self._represented[key] = (loader.dataset, done)  # the data set stays alive: its id stays its own
        return self._represented[key][1]

    def _groups(self, loader: Any) -> Tensor:
        """Which of the columns that `_batches` yields each of the D is."""
        return self.represent(loader).groups if is_indexed(loader) else torch.arange(self.width, device=self.device)

    def _batches(self, loader: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch: (representations or their distinct columns [B, T, .], locations [B, T, 2] px)."""
        if not is_indexed(loader):
            yield from map(self._forward, loader)
            return
        represented = self.represent(loader)
        for indices in loader.batch_sampler:
            chosen = torch.as_tensor(np.asarray(indices), device=represented.columns.device)
            yield represented.columns[chosen], represented.locations[chosen]

    @torch.no_grad()
    def _forward(self, batch: Any) -> tuple[Tensor, Tensor]:
        states, actions = batch.states[:, :1].to(self.device), batch.actions.to(self.device)
        called = "model(states=[B, 1, C, H, W], actions=[B, T-1, 2])"
        try:
            found = self.model(states=states, actions=actions)
        except TypeError as error:
            raise UserError(f"{called} fails: {error}") from error
        expected, locations = (len(actions), actions.shape[1] + 1, self.width), batch.locations.to(self.device).float()
        if not isinstance(found, Tensor) or found.shape != expected or not found.is_floating_point():
            what = f"{tuple(found.shape)} {found.dtype}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
            raise UserError(f"{called} returns {what}, not floats [B, T, D] = {expected}, D its repr_dim")
        if not found.isfinite().all():
            raise UserError(f"{called} returns numbers that are not finite")
        if locations.shape != (*expected[:2], 2):
            raise UserError(f"a batch has locations of shape {tuple(locations.shape)}, not {(*expected[:2], 2)}")
        return found.float(), locations


def is_indexed(loader: Any) -> bool:
    """Whether a loader says which samples it puts into which batch, so that the model needs to see each only once."""
    if isinstance(loader, DataLoader):
        return loader.batch_sampler is not None and not isinstance(loader.dataset, IterableDataset)
    return isinstance(loader, Loader)


def in_order(loader: Any) -> Iterator[Any]:
    """All samples of a loader's data set in the order of their index; only first frames, where the set can tell."""
    dataset = loader.dataset
    if isinstance(loader, DataLoader):
        size = loader.batch_size or 64
        yield from DataLoader(dataset, size, num_workers=loader.num_workers, collate_fn=loader.collate_fn)
        return
    for start in range(0, len(dataset), AT_ONCE):
        part = np.arange(start, min(start + AT_ONCE, len(dataset)))
        yield Batch(dataset.frames(part, 0, 1), dataset.locations(part), dataset.actions(part))
