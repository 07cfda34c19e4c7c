"""What is probed: a trained model, the same untrained or without the lift, or dead reckoning."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tiny_jepa.models import JEPA, count_parameters
from tiny_jepa.models.encoder import centroid, marginals
from tiny_jepa.models.jepa import lift
from tiny_jepa.probing.results import Kind
from tiny_jepa.weights import fingerprint
from tiny_jepa.worlds.contract import Frame


class DeadReckoning(nn.Module):
    """The start read from the agent channel's pixels, all actions added up, every wall ignored. No parameter. Where the
    agent has no channel of its own, a model's encoder reads the start."""

    def __init__(self, repr_dim: int, frame: Frame, model: JEPA | None = None) -> None:
        super().__init__()
        self.lifted, self.repr_dim, self.frame, self.model = repr_dim > 0, repr_dim or 2, frame, model

    def forward(self, states: Tensor, actions: Tensor) -> Tensor:
        total = actions.float().cumsum(dim=1)
        if self.model is None:
            start, moved = centroid(marginals(states[:, 0, self.frame.agent]), self.frame.unit), total / self.frame.unit
        else:
            start, moved = self.model.encode_agent(states[:, 0]), self.model.predictor.move(total)
        codes = torch.cat([start[:, None], start[:, None] + moved], dim=1)
        return lift(codes, self.repr_dim) if self.lifted else codes


@dataclass(frozen=True)
class Subject:
    model: nn.Module
    name: str  # what a table calls it
    kind: Kind
    lift: bool
    weights: Path | None = None

    @property
    def parameters(self) -> int:
        return count_parameters(self.model)

    @property
    def metadata(self) -> dict[str, Any]:
        return getattr(self.model, "metadata", {})

    def describe(self) -> str:
        known, what = self.metadata, self.name
        if self.weights is not None:
            what = f"budget {self.name}, {self.weights} ({fingerprint(self.model)})"
            what += f", run {known.get('run', 'unnamed')}, trained on {known.get('data', 'unknown data')}"
            what += f" by '{known.get('command', 'an unknown command')}'"
        return f"Model: {what}{'' if self.lift else ', without the lift'}"


def dead_reckoning(frame: Frame, lift: bool, model: JEPA | None = None) -> Subject:
    return Subject(DeadReckoning(512 if lift else 0, frame, model), "dead reckoning", "dead-reckoning", lift)


def compared(model: JEPA, path: Path, kind: Kind, lift: bool) -> Subject:
    """A model of a weights file as it is, or without its lift; or what it is compared with: the same with the
    parameters that training starts from, or dead reckoning."""
    if kind == "dead-reckoning":
        return dead_reckoning(model.frame, lift, model)
    name = str(model.metadata.get("budget", path.stem))
    if not lift:
        model.architecture, model.repr_dim = replace(model.architecture, repr_dim=0), 2
    if kind == "trained":
        return Subject(model, name, kind, lift, path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Subject(JEPA(model.architecture, model.frame).eval(), f"untrained {name}", kind, lift)
