"""The training loop: two phases, one after the other. No label, no probing set and no image reconstruction is anywhere
in it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tiny_jepa.data import TrajectorySet
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.settings import TrainingConfig
from tiny_jepa.training.encode import Encode
from tiny_jepa.training.phase import Phase, randomness, scheduled_lr
from tiny_jepa.training.predict import Predict
from tiny_jepa.training.watch import Seen
from tiny_jepa.worlds.contract import World


class Trainer:
    """Trains `model` on `dataset`. All randomness of a step comes from (seed, step): a resumed run is the same run.
    `workers` processes read data ahead of its use."""

    def __init__(
        self,
        model: JEPA,
        dataset: TrajectorySet,
        config: TrainingConfig,
        device: torch.device,
        world: World,
        workers: int = 0,
    ) -> None:
        self.model, self.config, self.device = model.to(device), config, device
        self.phases = [phase(self.model, dataset, config, device, world, workers) for phase in (Encode, Predict)]
        self.total_steps = sum(phase.steps for phase in self.phases)
        self.step = 0
        self.whole = True  # step, weights and optimizer belong together: a checkpoint may be written
        self._started: Phase | None = None
        self.optimizer = self._new_optimizer()

    def at(self, step: int) -> tuple[Phase, int]:
        """The phase that does step number `step`, and how many of its steps come before."""
        for phase in self.phases:
            if step < phase.steps:
                return phase, step
            step -= phase.steps
        return self.phases[-1], self.phases[-1].steps

    @property
    def phase(self) -> Phase:
        """Of the next step; after the last, of the last."""
        return self.at(self.step)[0]

    def _new_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.phase.parameters(), lr=0.0, betas=(0.9, 0.99), fused=True)

    def run(self, after_step: Callable[[dict[str, Tensor], Seen], None]) -> None:
        """Runs to the last step; `after_step` gets each step's loss, its terms, and what was seen."""
        while self.step < self.total_steps:
            phase, done = self.at(self.step)
            if phase is not self._started:
                self.whole = self.whole and done > 0  # a phase's start may change the weights
                if done == 0:
                    self.optimizer = self._new_optimizer()
                phase.start(done)
                self._started = phase
            self.optimizer.param_groups[0]["lr"] = scheduled_lr(done, phase.steps, phase.lr)
            terms, seen = phase.terms(done, randomness(self.config, self.step))
            loss = torch.stack(list(terms.values())).sum()
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.optimizer.param_groups[0]["params"], self.config.clip)
            self.whole = False
            self.optimizer.step()
            phase.after_step()
            self.step += 1
            self.whole = True
            after_step({"loss": loss.detach(), **{name: term.detach() for name, term in terms.items()}}, seen)

    def state(self) -> dict[str, Any]:
        """All that a later process needs to go on to the same end, bit for bit."""
        fresh = self.at(self.step)[1] == 0  # the next step builds its optimizer anew
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizer": None if fresh else self.optimizer.state_dict(),
            "phases": {phase.name: phase.state() for phase in self.phases},
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Goes on where `state()` was asked for.

        Raises:
            ValueError: it was a state of another training; other exceptions where it was none at all.
        """
        self.step, self._started = state["step"], None
        if type(self.step) is not int or not 0 <= self.step <= self.total_steps:
            raise ValueError(f"step {self.step} of {self.total_steps}")
        if (state["optimizer"] is None) != (self.at(self.step)[1] == 0):
            raise ValueError("its optimizer is of another step")
        self.model.load_state_dict(state["model"])
        self.optimizer = self._new_optimizer()
        if state["optimizer"] is not None:
            settings = self.optimizer.state_dict()["param_groups"]
            self.optimizer.load_state_dict({"state": state["optimizer"]["state"], "param_groups": settings})
            for parameter in self.phase.parameters():
                moments = self.optimizer.state[parameter]
                if any(moments[name].shape != parameter.shape for name in ("exp_avg", "exp_avg_sq")):
                    raise ValueError("its optimizer is of other parameters")
        for phase in self.phases:
            phase.load_state(state["phases"][phase.name])
