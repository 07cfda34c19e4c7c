"""The losses of a model: a prober for each group of sets, and the run over all of them."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from tiny_jepa.data import Loader, Source, look_at
from tiny_jepa.errors import UserError
from tiny_jepa.probing import Prober, ProbingConfig, ProbingEvaluator
from tiny_jepa.worlds.contract import Group

BATCH = 64
STEPS = 3_120
"""Of the protocol, on the course's 10,000 trajectories."""
DRAWS = 1_000
"""Of the bootstrap."""


def load_group(group: Group, source: Source, prober_source: Source) -> tuple[Loader | None, dict[str, Loader]]:
    """The loader that trains a group's prober and the loaders to score, without the sets that are absent."""
    train, found = prober_source.find(group.train), {name: source.find(where) for name, where in group.scored.items()}
    scored = {name: Loader(dataset, BATCH) for name, dataset in found.items() if dataset is not None}
    return None if train is None else Loader(train, BATCH, shuffle=True), scored


def evaluators(
    model: nn.Module,
    source: Source,
    device: torch.device | str,
    groups: Sequence[Group],
    prober_source: Source | None = None,
) -> list[ProbingEvaluator | None]:
    """One for each group, or None where its sets are absent; a `UserError` where the source has nothing to score, or
    has sets of the first group but none to train its prober on. All sets are looked at before anything is fitted."""
    found: list[ProbingEvaluator | None] = []
    world, prober_source = source.world, prober_source or source
    for group in groups:
        train, scored = load_group(group, source, prober_source)
        if train is None and scored and group is groups[0]:
            raise UserError(
                f"{prober_source.root} has no set {group.train} to train the prober on; "
                "take one from elsewhere, such as: --prober-data procedural:size=65,dtype=float32"
            )
        if train is None or not scored:
            found.append(None)
            continue
        for loader in (train, *scored.values()):
            look_at(loader.dataset)
        config = ProbingConfig(mean=world.mean, std=world.std)
        if not world.simulate:  # a collected set may have any size
            config = replace(config, epochs=max(config.epochs, -(-STEPS // len(train))))
        if config.epochs * len(train) < STEPS // 4:
            few = f"{len(train.dataset):,} trajectories, too few to train a prober"
            print(f"warning: {group.train} has {few}: its errors say little of the model", file=sys.stderr)
        found.append(ProbingEvaluator(device, model, train, scored, config))
    if not any(found):
        raise UserError(f"{source.describe()}: no probing set to score, or none to train a prober on")
    return found


def train_prober(evaluator: ProbingEvaluator, seed: int) -> Prober:
    """A prober whose start, shuffling and sampled time steps all come from `seed`."""
    evaluator.ds = Loader(evaluator.ds.dataset, BATCH, shuffle=True, seed=seed)
    evaluator.config = replace(evaluator.config, seed=seed)
    return evaluator.train_pred_prober()


def interval(errors: np.ndarray) -> list[float]:
    """The 95 % bootstrap interval of a mean over trajectories: percentiles of the means of as many, drawn anew."""
    rng = np.random.default_rng(0)
    return np.percentile([rng.choice(errors, len(errors)).mean() for _ in range(DRAWS)], [2.5, 97.5]).tolist()


def measure(
    model: nn.Module,
    source: Source,
    device: torch.device | str = "cpu",
    *,
    seeds: Sequence[int] = (0,),
    prober_source: Source | None = None,
    groups: Sequence[Group],
) -> Iterator[tuple[str, list[float] | None, list[float] | None]]:
    """Each set of `groups` as soon as it is done: its name, its losses in px², one a seed, and the `interval` of their
    mean; None, None where the source has no such set."""
    for group, one in zip(groups, evaluators(model, source, device, groups, prober_source), strict=True):
        found = [(one.evaluate_all(train_prober(one, seed)), one.errors) for seed in seeds] if one else []
        for name in group.scored:
            if one and name in one.val_ds:
                yield name, [each[name] for each, _ in found], interval(np.mean([each[name] for _, each in found], 0))
            else:
                yield name, None, None
