"""Phase 2, `predict`: the gate learns which moves are made, from one-step predictions on the codes of the frozen
encoders, computed once. After `EVEN_STEPS` it is asked, every `REFRESH` steps, what it is undecided about."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tiny_jepa.errors import UserError
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.progress import bar
from tiny_jepa.settings import TrainingConfig
from tiny_jepa.training.codes import encode_trajectories
from tiny_jepa.training.one_step import one_step_error, one_step_terms
from tiny_jepa.training.phase import Phase, scheduled_lr
from tiny_jepa.training.transitions import Strata, expressible, fit_action, undecided
from tiny_jepa.training.watch import Seen
from tiny_jepa.worlds.codes import Codes, Transitions

EVEN_STEPS = 1_000
REFRESH = 500
SHOWN = 512
"""Trajectories that the watch looks at: what the gate trains on is no fair draw."""
JUDGED = 65_536
"""Transitions that auditions are compared on."""


class Predict(Phase):
    name = "predict"

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.steps, self.lr = self.config.predict_steps, self.config.predict_lr
        if self.config.vary and self.world.vary is None:
            raise UserError("this world does not say how transitions may be varied; leave out --vary")
        self.strata: Strata | None = None

    def parameters(self) -> list[nn.Parameter]:
        return self.model.predictor.gate_parameters()

    def start(self, done: int) -> None:
        """Encodes the trajectories; at the phase's first step, fits the action's scale and chooses a gate."""
        c, cell = self.config, self.model.predictor
        chosen = np.random.default_rng([c.seed, 2]).permutation(len(self.dataset))[: c.cached]
        self.codes = encode_trajectories(self.model, self.dataset, chosen, self.device, self.workers)
        self.transitions = Transitions.of(self.codes)
        self.variation = self.world.vary(self.transitions) if c.vary and self.world.vary else None
        if not done:
            fit_action(cell, self.transitions)
        if cell.frame.gates > 1:  # of a single gate, the decision's share says the same
            self.transitions = expressible(cell, self.transitions)
        if not done and c.auditions > 1:
            cell.load_state_dict(best_gate(self.model, self.transitions, c))
        if self.strata is None:
            everything = torch.ones(len(self.transitions.actions), dtype=torch.bool, device=self.device)
            self.strata = Strata(everything, c.predict_batch)

    def terms(self, step: int, rng: np.random.Generator) -> tuple[dict[str, Tensor], Seen]:
        c, cell = self.config, self.model.predictor
        if step >= EVEN_STEPS and step % REFRESH == 0:
            self.strata = Strata(undecided(cell, self.transitions), c.predict_batch)
        assert self.strata is not None
        indices, weights = self.strata.draw(rng)
        drawn = self.transitions.select(indices)
        if self.variation is not None:
            drawn = self.variation.vary(drawn, (cell.action * drawn.actions).detach(), rng)
        terms = one_step_terms(cell, drawn, c, weights)
        some = Codes(*(part[:SHOWN] for part in self.codes))
        return terms, Seen(c.predict_batch, some.agent, some.actions, some.contexts)

    def state(self) -> dict[str, Any]:
        return {"undecided": self.strata.undecided if self.strata else None}

    def load_state(self, state: dict[str, Any]) -> None:
        if (known := state["undecided"]) is not None:
            count = min(self.config.cached, len(self.dataset)) * (self.dataset.length - 1)
            some_left_out = self.model.predictor.frame.gates > 1  # those that no gate can express
            if known.dtype != torch.bool or not ((some_left_out and known.ndim == 1) or known.shape == (count,)):
                raise ValueError("its transitions are of other data")
            self.strata = Strata(known, self.config.predict_batch)


def best_gate(model: JEPA, transitions: Transitions, config: TrainingConfig) -> dict[str, Tensor]:
    """Trains `auditions` freshly drawn gates for `audition_steps` -> the state of the predictor with the least one-step
    error. A narrow gate that starts badly stays at dead reckoning. The choice is by training codes: no label, no other
    set."""
    action = model.predictor.action
    judged = Transitions(*(part[:JUDGED] for part in transitions))
    best, least = model.predictor.state_dict(), math.inf
    shown = bar(total=config.auditions * config.audition_steps, desc="auditions", unit="step", leave=False)
    for number in range(config.auditions):
        cell = model.fresh_predictor(seed=config.seed * 1_000 + number).to(action.device)
        cell.action.data.copy_(action.data)
        learned = cell.gate_parameters()
        optimizer = torch.optim.Adam(learned, betas=(0.9, 0.99), fused=True)
        rng = np.random.default_rng([config.seed, 3, number])
        for step in range(config.audition_steps):
            optimizer.param_groups[0]["lr"] = scheduled_lr(step, config.audition_steps, config.predict_lr)
            indices = torch.from_numpy(rng.integers(0, len(transitions.actions), config.predict_batch))
            terms = one_step_terms(cell, transitions.select(indices.to(action.device)), config)
            optimizer.zero_grad()
            torch.stack(list(terms.values())).sum().backward()
            nn.utils.clip_grad_norm_(learned, config.clip)
            optimizer.step()
            shown.update()
        error = one_step_error(cell, judged)
        if error < least:
            best, least = cell.state_dict(), error
        shown.set_postfix_str(f"least one-step error {least:.4f} px²", refresh=False)
    shown.close()
    return best
