"""Deeper looks at a model's errors: the numbers behind the pictures. Errors are MSEs over x and y in px²."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tiny_jepa.data import Loader, Source, TrajectorySet
from tiny_jepa.errors import UserError
from tiny_jepa.models import JEPA
from tiny_jepa.models.lift import lift
from tiny_jepa.probing import ProbingEvaluator
from tiny_jepa.probing.measure import GROUPS, SHORT, load_group
from tiny_jepa.probing.subjects import DeadReckoning
from tiny_jepa.worlds import DEFAULT
from tiny_jepa.worlds.two_rooms import Geometry
from tiny_jepa.worlds.two_rooms.scene import read_layouts


@dataclass(frozen=True)
class ReadOut:
    """What a prober reads of one set, beside the truth and beside dead reckoning."""

    predicted: np.ndarray  # [N, T, 2] px
    true: np.ndarray  # [N, T, 2] px
    reckoned: np.ndarray  # [N, T, 2] px
    layouts: np.ndarray  # [N, 2] px: wall column, door row
    channels: np.ndarray  # [N, H, W]: layout channels

    def errors(self, reckoned: bool = False) -> np.ndarray:
        """The model's, or dead reckoning's, at every step: [N, T] px²."""
        return (((self.reckoned if reckoned else self.predicted) - self.true) ** 2).mean(-1)


def layouts_of(channels: np.ndarray) -> np.ndarray:
    """Wall column and door row [N, 2] px of layout channels [N, H, W]."""
    return read_layouts(Geometry(size=channels.shape[-1]), channels > 0)[0]


def layout_channels(dataset: TrajectorySet, count: int) -> np.ndarray:
    """Layout channels [count, H, W] of the first `count` trajectories."""
    parts = np.array_split(np.arange(count), max(1, count // 500))
    return np.concatenate([dataset.frames(part, 0, 1)[:, 0, DEFAULT.frame.layout].numpy() for part in parts])


def read_out_all(
    model: nn.Module, source: Source, prober_source: Source, device: torch.device | str
) -> dict[str, ReadOut]:
    """Every set that the source has, by the name of its loss, read by one prober a group."""
    found = {}
    for group in GROUPS:
        train, loaders = load_group(group, source, prober_source)
        if train is None or not loaders:
            continue
        evaluator = ProbingEvaluator(device, model, train, loaders)
        prober = evaluator.train_pred_prober()
        reckoning = ProbingEvaluator(device, DeadReckoning(0), train, {})
        for name, loader in loaders.items():
            pairs = zip(*evaluator.read_out(prober, loader), strict=True)
            predicted, true = (torch.cat(part).cpu().numpy() for part in pairs)
            channels = layout_channels(loader.dataset, len(true))
            codes = reckoning.represent(loader)
            reckoned = codes.columns[: len(true), :, codes.groups].cpu().numpy() * DEFAULT.frame.unit
            found[name] = ReadOut(predicted, true, reckoned, layouts_of(channels), channels)
    if not found:
        raise UserError(f"{source.describe()}: no probing set to look at, or none to train a prober on")
    return found


def binned(values: np.ndarray, errors: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Mean error [len(edges) - 1] of each bin of `values`; nan where nothing was."""
    sums, counts = np.histogram(values, edges, weights=errors)[0], np.histogram(values, edges)[0]
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def error_map(places: np.ndarray, errors: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Mean error [row, column] of each cell of `places` [..., 2] px; nan where nothing was."""
    x, y = places[..., 0].ravel(), places[..., 1].ravel()
    sums = np.histogram2d(y, x, [edges, edges], weights=errors.ravel())[0]
    counts = np.histogram2d(y, x, [edges, edges])[0]
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


class View:
    """First frames of a set as trajectories of one frame, with targets [N, 2] px of one's choice."""

    def __init__(self, dataset: TrajectorySet, targets: np.ndarray) -> None:
        self.dataset, self.targets = dataset, torch.from_numpy(targets).float()
        self.name, self.image_size, self.length = dataset.name, dataset.image_size, 1

    def __len__(self) -> int:
        return len(self.targets)

    def frames(self, indices: np.ndarray, start: int = 0, stop: int | None = None) -> Tensor:
        return self.dataset.frames(indices, 0, 1)

    def actions(self, indices: np.ndarray) -> Tensor:
        return self.dataset.actions(indices)[:, :0]

    def locations(self, indices: np.ndarray) -> Tensor:
        return self.targets[indices][:, None]


class LayoutCode(nn.Module):
    """The layout encoder alone, lifted as the agent code is."""

    def __init__(self, model: JEPA) -> None:
        super().__init__()
        self.model, self.repr_dim = model, 512

    def forward(self, states: Tensor, actions: Tensor) -> Tensor:
        return lift(self.model.encode_layout(states[:, 0]), self.repr_dim)[:, None]


def probe_encoders(
    model: JEPA, source: Source, prober_source: Source, device: torch.device | str
) -> dict[str, tuple[float, float]]:
    """What the encoders tell of a single frame, nothing predicted: (MSE, variance of the target), both px²."""
    train, loaders = load_group(SHORT, source, prober_source)
    if train is None or "normal" not in loaders:
        return {}
    sets = (train.dataset, loaders["normal"].dataset)

    def probe(module: nn.Module, targets: list[np.ndarray]) -> list[tuple[float, float]]:
        views = [View(dataset, target) for dataset, target in zip(sets, targets, strict=True)]
        evaluator = ProbingEvaluator(device, module, Loader(views[0], shuffle=True), {})
        pairs = list(evaluator.read_out(evaluator.train_pred_prober(), Loader(views[1])))
        errors = torch.cat([(read - true).square() for read, true in pairs]).mean((0, 1)).tolist()
        return list(zip(errors, targets[0].var(0).tolist(), strict=True))

    agent = probe(model, [d.locations(np.arange(len(d)))[:, 0].numpy() for d in sets])
    layout = probe(LayoutCode(model), [layouts_of(layout_channels(d, len(d))) for d in sets])
    return dict(zip(("agent x", "agent y", "wall column", "door row"), agent + layout, strict=True))


def examples(sets: dict[str, ReadOut], each: int) -> list[tuple[str, ReadOut, int]]:
    """`each` trajectories of the normal and of the wall set (of any, where there is neither): from where walls hardly
    matter to where they matter most, by dead reckoning's error, so that nobody chose them by hand."""
    chosen: list[tuple[str, ReadOut, int]] = []
    for name in [name for name in ("normal", "wall") if name in sets] or list(sets)[:1]:
        order = np.argsort(sets[name].errors(reckoned=True).mean(1), kind="stable")
        ranks = np.linspace(0.1, 0.99, each) * (len(order) - 1)
        chosen += [(name, sets[name], int(order[int(rank)])) for rank in ranks]
    return chosen
