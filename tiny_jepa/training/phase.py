"""What the training loop asks of a phase, and what phases share: their form and the course of the learning rate."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tiny_jepa.data import TrajectorySet
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.settings import TrainingConfig
from tiny_jepa.training.watch import Seen
from tiny_jepa.worlds.contract import World

WARM_UP = 100  # steps


def randomness(config: TrainingConfig, step: int) -> np.random.Generator:
    """All that is random in step number `step` of a run."""
    return np.random.default_rng([config.seed, 0, step])


def scheduled_lr(step: int, steps: int, highest: float) -> float:
    """The rate of step number `step` of `steps`: a linear warm-up, and a cosine that falls to zero."""
    return highest * min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))


class Phase:
    """Steps in which some of the model's parameters learn."""

    name: str
    steps: int
    lr: float  # Adam's highest rate

    def __init__(
        self,
        model: JEPA,
        dataset: TrajectorySet,
        config: TrainingConfig,
        device: torch.device,
        world: World,
        workers: int = 0,
    ) -> None:
        self.model, self.dataset, self.config, self.device, self.world = model, dataset, config, device, world
        self.workers = workers  # processes that read data

    def parameters(self) -> list[nn.Parameter]:
        """Those that learn."""
        raise NotImplementedError

    def start(self, done: int) -> None:
        """Whatever the steps need, of which `done` were done before: more than none where a run was resumed."""

    def terms(self, step: int, rng: np.random.Generator) -> tuple[dict[str, Tensor], Seen]:
        """The loss terms of a step, to be summed, and what it looked at."""
        raise NotImplementedError

    def after_step(self) -> None:
        """Follows every step of the optimiser."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        raise NotImplementedError

    def load_state(self, state: dict[str, Any]) -> None:
        raise NotImplementedError
