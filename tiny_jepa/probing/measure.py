"""The losses of a model: a prober for each group of sets, and the run over all of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import nn

from tiny_jepa.data import Loader, Source, look_at
from tiny_jepa.errors import UserError
from tiny_jepa.probing import Prober, ProbingConfig, ProbingEvaluator
from tiny_jepa.worlds.contract import Group

BATCH = 64
STEPS = 3_120
"""Of the protocol, on the course's 10,000 trajectories."""


def load_group(
    group: Group, source: Source, prober_source: Source | None = None
) -> tuple[Loader | None, dict[str, Loader]]:
    """The loader that trains a group's prober and the loaders to score, without the sets that are absent."""
    train = (prober_source or source).find(group.train)
    found = {name: source.find(where) for name, where in group.scored.items()}
    loaders = {name: Loader(dataset, BATCH) for name, dataset in found.items() if dataset is not None}
    return None if train is None else Loader(train, BATCH, shuffle=True), loaders


def evaluators(
    model: nn.Module,
    source: Source,
    device: torch.device | str,
    groups: Sequence[Group],
    prober_source: Source | None = None,
) -> list[ProbingEvaluator | None]:
    """One for each group, or None where its sets are absent; a `UserError` where the source has sets of the first group
    to score but none to train its prober on. All sets are looked at before anything is fitted."""
    found: list[ProbingEvaluator | None] = []
    world = source.world
    for group in groups:
        train, loaders = load_group(group, source, prober_source)
        if train is None and loaders and group is groups[0]:
            raise UserError(
                f"{(prober_source or source).root} has no set {group.train} to train the prober on; "
                "take one from elsewhere, such as: --prober-data procedural:size=65,dtype=float32"
            )
        if train is None or not loaders:
            found.append(None)
            continue
        for loader in (train, *loaders.values()):
            look_at(loader.dataset)
        config = ProbingConfig(mean=world.mean, std=world.std)
        if not world.simulate:  # a collected set may have any size
            config = replace(config, epochs=max(config.epochs, -(-STEPS // len(train))))
        found.append(ProbingEvaluator(device, model, train, loaders, config))
    return found


def train_prober(evaluator: ProbingEvaluator, seed: int) -> Prober:
    """A prober whose start, shuffling and sampled time steps all come from `seed`."""
    evaluator.ds = Loader(evaluator.ds.dataset, BATCH, shuffle=True, seed=seed)
    evaluator.config = replace(evaluator.config, seed=seed)
    return evaluator.train_pred_prober()


def measure(
    model: nn.Module,
    source: Source,
    device: torch.device | str = "cpu",
    *,
    seeds: Sequence[int] = (0,),
    prober_source: Source | None = None,
    groups: Sequence[Group],
    report: Callable[[str, list[float] | None], None] = lambda name, losses: None,
) -> dict[str, list[float] | None]:
    """Losses in px² of each set of `groups`, one a seed, or None where the source has no such set.

    `report(name, losses)` is called as soon as a set is done.
    """
    results: dict[str, list[float] | None] = {}
    for group, one in zip(groups, evaluators(model, source, device, groups, prober_source), strict=True):
        per_seed = [one.evaluate_all(train_prober(one, seed)) for seed in seeds] if one else []
        for name in group.scored:
            results[name] = [losses[name] for losses in per_seed if name in losses] or None
            report(name, results[name])
    return results
