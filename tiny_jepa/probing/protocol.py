"""The probing protocol: a frozen world model is scored by how well a small prober reads the agent's true location
from its predicted representations.

A prober is trained on one labelled set and scored on others; errors are MSEs in px². The model sees the first frame
and the actions only. It is frozen, so its representations are computed once and kept (docs/evaluation.md). Locations
are used here and nowhere else: nothing flows back into the model.
"""

import inspect
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
    """A set after the model: distinct columns [N, T, U], which of them each of the D columns is [D], and the true
    locations [N, T, 2] px."""

    columns: Tensor
    groups: Tensor
    locations: Tensor


class ProbingEvaluator:
    """Trains probers on `probe_train_ds` and scores them on each loader of `probe_val_ds`.

    Args:
        model: any module called as `model(states=[B, 1, C, H, W], actions=[B, T-1, 2]) -> [B, T, D]` with the
            attribute `repr_dim` = D.
        probe_train_ds: loader of batches with `.states`, `.locations`, `.actions`, and with `.batch_size`.
        probe_val_ds: name -> loader.
        quick_debug: three steps of training, to see that everything runs.

    Raises:
        UserError: model or loader are not of this form, which is said before anything is fitted.
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
        check_model(model)
        self.device, self.model = torch.device(device), model.to(device).eval()
        self.ds, self.val_ds = probe_train_ds, dict(probe_val_ds)
        self.config, self.quick_debug = config, quick_debug
        self.mean = torch.tensor(config.mean, device=self.device)
        self.std = torch.tensor(config.std, device=self.device)
        self._represented: dict[int, tuple[Any, Represented]] = {}

    def train_pred_prober(self) -> Prober:
        """A prober trained on `probe_train_ds`, by the protocol's recipe."""
        config, loader = self.config, self.ds
        check_loader(loader)
        for scored in self.val_ds.values():
            if is_indexed(scored):  # a model that fails on it fails now; what it says is kept
                self.represent(scored)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            prober = Prober(int(self.model.repr_dim), config.hidden).to(self.device)  # type: ignore[arg-type]
        rng = torch.Generator().manual_seed(config.seed)
        groups = self.represent(loader).groups if is_indexed(loader) else torch.arange(prober.hidden.in_features)
        tied = TiedTraining(prober.hidden, prober.out, groups.to(self.device))
        optimizer = torch.optim.Adam(tied.trained(), lr=config.lr)
        epochs = 1 if self.quick_debug else config.epochs
        max_steps, base = epochs * len(loader), config.lr * loader.batch_size / 256
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
    def evaluate_all(self, prober: nn.Module) -> dict[str, float]:
        """Loss of each validation set in px²: over the batch, then over batches, then over time and x, y."""
        losses = {}
        for name, loader in self.val_ds.items():
            batches = [reduce((p - t).square(), "b t k -> t k", "mean") for p, t in self.read_out(prober, loader)]
            require(bool(batches), f"{name} has no batch to score")
            losses[name] = float(torch.stack(batches).mean(0).mean())
            require(math.isfinite(losses[name]), f"the loss of {name} is {losses[name]}: its locations are not finite")
        return losses

    @torch.no_grad()
    def read_out(self, prober: nn.Module, loader: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of (what the prober reads, true locations), both [B, T, 2] px."""
        groups: Any = self.represent(loader).groups if is_indexed(loader) else slice(None)
        if isinstance(prober, Prober) and is_indexed(loader):  # each distinct column once
            prober, groups = TiedTraining(prober.hidden, prober.out, groups), slice(None)
        for columns, locations in self._batches(loader):
            yield prober(columns[..., groups]) * self.std + self.mean, locations

    def represent(self, loader: Any) -> Represented:
        """Every trajectory of the loader's data set through the frozen model, once however often it is asked for."""
        key = id(loader.dataset)
        if key not in self._represented:
            distinct, locations = DistinctColumns(int(self.model.repr_dim)), []  # type: ignore[arg-type]
            for batch in bar(in_order(loader), desc="representations", unit="batch", mininterval=1, leave=False):
                representations, where = self._forward(batch)
                distinct.add(representations)
                locations.append(where)
            done = Represented(distinct.stored(), distinct.groups, torch.cat(locations))
            self._represented[key] = (loader.dataset, done)  # the data set stays alive: its id stays its own
        return self._represented[key][1]

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
        representations, locations = self.model(states=states, actions=actions), batch.locations.to(self.device).float()
        check_returned(representations, (*locations.shape[:2], int(self.model.repr_dim)))  # type: ignore[arg-type]
        frames = (len(actions), actions.shape[1] + 1, 2)
        require(locations.shape == frames, f"a batch has locations of shape {tuple(locations.shape)}, not {frames}")
        return representations.float(), locations


def require(holds: bool, sentence: str) -> None:
    if not holds:
        raise UserError(sentence)


def is_count(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and value > 0  # type: ignore[operator]


def check_model(model: Any) -> None:
    """Raises a `UserError` that says what a world model lacks to be probed."""
    called = "model(states=[B, 1, C, H, W], actions=[B, T-1, 2])"
    name = f"the model ({type(model).__name__})"
    require(isinstance(model, nn.Module), f"{name} is no torch.nn.Module")
    width = getattr(model, "repr_dim", None)
    require(is_count(width), f"{name} has repr_dim = {width!r}; it has to be the width D of what {called} returns")
    try:
        form = inspect.signature(model.forward if type(model).__call__ is nn.Module.__call__ else model)
    except ValueError:  # compiled: it does not tell
        return
    try:
        form.bind(states=None, actions=None)
    except TypeError as error:
        raise UserError(f"{name} is called as {called}, which its forward does not take ({error})") from None


def check_loader(loader: Any) -> None:
    """Raises a `UserError` that says what the loader that trains a prober lacks."""
    name, size = "probe_train_ds", getattr(loader, "batch_size", None)
    require(is_count(size), f"{name} has batch_size = {size!r}; it has to be a whole number, for the schedule")
    try:
        count = len(loader)
    except TypeError:
        raise UserError(f"{name} has no length: the schedule needs the number of batches") from None
    require(count > 0, f"{name} has no batch: give it more trajectories than batch_size, or drop_last=False")


def check_returned(representations: Any, expected: tuple[int, int, int]) -> None:
    """Raises a `UserError` where a model did not return finite representations of the shape [B, T, D] `expected`."""
    tensor = isinstance(representations, Tensor)
    require(tensor, f"the model returns a {type(representations).__name__}, not one tensor [B, T, D]")
    shape = tuple(representations.shape)
    says = f"the model returns shape {shape}, not [B, T, D] = {expected}, with D its repr_dim"
    require(shape == expected, f"{says} and T one more than the actions it is given")
    real = representations.is_floating_point()
    require(real, f"the model returns {representations.dtype}, not floating-point representations")
    finite = bool(representations.isfinite().all())
    require(finite, "the model returns representations that are not finite; a prober cannot read them")


def is_indexed(loader: Any) -> bool:
    """Whether a loader says which samples it puts into which batch, so that the model needs to see each only once."""
    if isinstance(loader, DataLoader):
        return loader.batch_sampler is not None and not isinstance(loader.dataset, IterableDataset)
    return isinstance(loader, Loader)


def in_order(loader: Any) -> Iterator[Any]:
    """All samples of a loader's data set in the order of their index, in batches. Of a set that can tell first frames
    from the others, only those are rendered or read."""
    dataset = loader.dataset
    if isinstance(loader, DataLoader):
        size = loader.batch_size or 64
        yield from DataLoader(dataset, size, num_workers=loader.num_workers, collate_fn=loader.collate_fn)
        return
    for start in range(0, len(dataset), AT_ONCE):
        part = np.arange(start, min(start + AT_ONCE, len(dataset)))
        yield Batch(dataset.frames(part, 0, 1), dataset.locations(part), dataset.actions(part))
