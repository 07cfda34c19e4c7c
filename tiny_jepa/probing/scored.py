"""The model that `main.py` scores: which one, from which weights, and the result that its measurement becomes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from tiny_jepa.data import Source
from tiny_jepa.errors import UserError
from tiny_jepa.models.size import count_parameters
from tiny_jepa.probing.measure import GROUPS
from tiny_jepa.probing.results import Result
from tiny_jepa.probing.subjects import DeadReckoning, untrained, without_lift
from tiny_jepa.weights import fingerprint, read_weights


@dataclass(frozen=True)
class Scored:
    """A model with all that is known of it."""

    model: nn.Module
    name: str  # what a table calls it
    kind: str  # trained, untrained or dead-reckoning
    lift: bool
    weights: Path | None
    metadata: dict[str, Any]

    @property
    def parameters(self) -> int:
        return count_parameters(self.model)

    def describe(self) -> str:
        """One line: what is scored."""
        lift = "" if self.lift else ", without the lift"
        if self.weights is None:
            return f"Model: {self.name}{lift}"
        known = self.metadata
        return (
            f"Model: budget {self.name}, {self.weights} ({fingerprint(self.model)}){lift}, "
            f"run {known.get('run', 'unnamed')}, trained on {known.get('data', 'unknown data')} "
            f"by '{known.get('command', 'an unknown command')}'"
        )


def choose_model(weights: Path, budget: str | None = None, kind: str = "trained", lift: bool = True) -> Scored:
    """The model of `weights`, or of a budget's own trained weights; or what it is compared with.

    Args:
        kind: trained; untrained (the same architecture as training starts from); dead-reckoning (needs no weights).
        lift: False reads out the bare agent code.
    """
    if kind == "dead-reckoning":
        return Scored(DeadReckoning(512 if lift else 0), "dead reckoning", kind, lift, None, {})
    if budget is not None:
        from tiny_jepa.budgets import find_weights

        weights = find_weights(budget)
    model, metadata = read_weights(weights)
    name = str(metadata.get("budget", weights.stem))
    if kind == "untrained":
        fresh = untrained(model)
        return Scored(fresh if lift else without_lift(fresh), f"untrained {name}", kind, lift, None, {})
    return Scored(model if lift else without_lift(model), name, kind, lift, weights, metadata)


def frames_of(source: Source) -> str:
    """What the frames of a source's scored sets are, such as "64 px uint8"."""
    names = (name for group in GROUPS for name in group.scored.values())
    dataset = next((found for name in names if (found := source.find(name)) is not None), None)
    if dataset is None:
        raise UserError(f"{source.describe()}: no probing set to score")
    dtype = str(dataset.frames(np.arange(1), 0, 1).dtype).removeprefix("torch.")
    return f"{dataset.image_size} px {dtype}"


def result_of(
    scored: Scored,
    losses: dict[str, list[float] | None],
    seeds: list[int],
    source: Source,
    prober: Source,
    command: str,
) -> Result:
    """What is stored of a measurement."""
    return Result(
        model=scored.name,
        kind=scored.kind,
        parameters=scored.parameters,
        fingerprint=fingerprint(scored.model) if scored.weights else None,
        command=command,
        trained_by=scored.metadata.get("command"),
        trained_on=scored.metadata.get("data"),
        data=source.spec,
        prober_data=prober.spec,
        sets_version=source.sets_version,
        frames=frames_of(source),
        lift=scored.lift,
        seeds=seeds,
        losses=losses,
        minutes=scored.metadata.get("minutes"),
    )
