"""Phase 2, `predict`: the gate learns which moves are made, from one-step predictions on the codes of the frozen
encoder, computed once."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tiny_jepa.models.jepa import JEPA
from tiny_jepa.progress import bar
from tiny_jepa.settings import TrainingConfig
from tiny_jepa.training.codes import encode_trajectories
from tiny_jepa.training.examples import Draws, Examples, fit_action
from tiny_jepa.training.one_step import one_step_error, one_step_terms
from tiny_jepa.training.phase import Phase, scheduled_lr
from tiny_jepa.training.watch import Seen

SHOWN = 512
"""Trajectories that the watch looks at: what the gate trains on is no fair draw."""


class Predict(Phase):
    name = "predict"

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.steps, self.lr = self.config.predict_steps, self.config.predict_lr

    def parameters(self) -> list[nn.Parameter]:
        return self.model.predictor.gate_parameters()

    def start(self, done: int) -> None:
        """Encodes the trajectories; at the phase's first step, fits the action's scale and chooses a gate."""
        c, cell = self.config, self.model.predictor
        chosen = np.random.default_rng([c.seed, 2]).permutation(len(self.dataset))[: c.cached]
        codes = encode_trajectories(self.model, self.dataset, chosen, self.device, self.workers)
        maps = codes.maps
        self.shown = Seen(c.predict_batch, codes.agent[:SHOWN], codes.actions[:SHOWN], maps.pixels[maps.whose[:SHOWN]])
        if not done:
            fit_action(cell, codes)
        self.draws = Draws(Examples.of(cell, codes), c.predict_batch)
        if not done and c.auditions > 1:
            cell.load_state_dict(best_gate(self.model, self.draws, c))

    def terms(self, step: int, rng: np.random.Generator) -> tuple[dict[str, Tensor], Seen]:
        return one_step_terms(self.model.predictor, *self.draws.draw(rng), self.config), self.shown

    def state(self) -> dict[str, Any]:
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """All that this phase knows is encoded again."""


def best_gate(model: JEPA, draws: Draws, config: TrainingConfig) -> dict[str, Tensor]:
    """Trains `auditions` freshly drawn gates for `audition_steps` -> the state of the predictor with the least one-step
    error. A narrow gate that starts badly stays at dead reckoning. The choice is by training codes: no label, no other
    set."""
    action = model.predictor.action
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
            terms = one_step_terms(cell, *draws.draw(rng), config)
            optimizer.zero_grad()
            torch.stack(list(terms.values())).sum().backward()
            nn.utils.clip_grad_norm_(learned, config.clip)
            optimizer.step()
            shown.update()
        error = one_step_error(cell, draws.examples)
        if error < least:
            best, least = cell.state_dict(), error
        shown.set_postfix_str(f"least one-step error {least:.4f} px²", refresh=False)
    shown.close()
    return best
