"""The training loop. No label, no probing set and no image reconstruction is anywhere in it.

Phase 1, `encode`: short recurrent unrolls from frames, the predictor's gate at rest, teach the encoders where
agent, wall and door are and the action map how far an action goes. Phase 2, `predict`: the agent encoder is frozen
and the codes of many trajectories are computed once; the predictor then learns which moves are blocked, from
one-step predictions at every time step (one_step.py) and from recurrent unrolls whose horizon grows. A frame
costs phase 2 a twentieth of what it costs phase 1 (benchmarks/bench_training.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from tiny_jepa.augment import augment
from tiny_jepa.data import TrajectorySet
from tiny_jepa.models.encoder import UNIT, centroid, marginals
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.objectives import build_objective, concentration_loss, variance_loss
from tiny_jepa.objectives.adapters import TWIN_SHIFT, EncodedStep
from tiny_jepa.objectives.vicreg import TARGET_STD
from tiny_jepa.training.audition import best_gate
from tiny_jepa.training.codes import Codes, encode_trajectories
from tiny_jepa.training.config import TrainingConfig
from tiny_jepa.training.one_step import one_step_terms

WARM_UP = 100  # steps of each phase


class Seen(NamedTuple):
    """What a step looked at: frames, agent codes [B, T, 2], actions [B, T-1, 2] px, layout codes [B, L]."""

    frames: int
    codes: Tensor
    actions: Tensor
    layout: Tensor


class Trainer:
    """Trains `model` on `dataset`. All randomness of a step comes from (seed, step): a resumed run is the same run."""

    def __init__(self, model: JEPA, dataset: TrajectorySet, config: TrainingConfig, device: torch.device) -> None:
        self.model, self.dataset, self.config, self.device = model.to(device), dataset, config, device
        self.objective = build_objective(
            config.objective, model.agent_encoder, model.layout_encoder, UNIT, variance_weight=config.variance_weight
        )
        self.total_steps = config.encode_steps + config.predict_steps
        self.step = 0
        self.codes: Codes | None = None
        self.optimizer = self._optimizer_of_phase()

    @property
    def phase(self) -> str:
        return "encode" if self.step < self.config.encode_steps else "predict"

    def _optimizer_of_phase(self) -> torch.optim.Optimizer:
        model = self.model
        if self.phase == "encode":
            learned = [model.agent_encoder, model.layout_encoder, model.predictor.action]
        else:
            learned = [model.layout_encoder, model.predictor]
        parameters = [p for module in learned for p in module.parameters()]
        return torch.optim.Adam(parameters, lr=0.0, betas=(0.9, 0.99))

    def run(self, after_step: Callable[[dict[str, Tensor], Seen], None]) -> None:
        """Runs to the last step; `after_step` gets each step's loss, its terms, and what was seen."""
        while self.step < self.total_steps:
            if self.phase == "predict" and self.codes is None:
                self._start_predicting()
            rng = np.random.default_rng([self.config.seed, 0, self.step])
            self._set_learning_rate()
            terms, seen = self._encode_step(rng) if self.phase == "encode" else self._predict_step(rng)
            loss = torch.stack(list(terms.values())).sum()
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.optimizer.param_groups[0]["params"], self.config.clip)
            self.optimizer.step()
            self.objective.after_step()
            self.step += 1
            after_step({"loss": loss.detach(), **{name: term.detach() for name, term in terms.items()}}, seen)

    def state(self) -> dict[str, Any]:
        """All that a later process needs to go on to the same end, bit for bit."""
        fresh = self.step == self.config.encode_steps  # the next step builds its optimizer anew
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "objective": self.objective.state_dict(),
            "optimizer": None if fresh else self.optimizer.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self.objective.load_state_dict(state["objective"])
        self.optimizer = self._optimizer_of_phase()
        if state["optimizer"] is not None:
            self.optimizer.load_state_dict(state["optimizer"])

    def _start_predicting(self) -> None:
        """Freezes the agent encoder and encodes `cached` trajectories with it."""
        if self.step == self.config.encode_steps:
            self.optimizer = self._optimizer_of_phase()
        rng = np.random.default_rng([self.config.seed, 2])
        chosen = rng.permutation(len(self.dataset))[: self.config.cached]
        self.codes = encode_trajectories(
            self.model, self.dataset, chosen, self.config.augmentation, self.config.seed, self.device
        )
        if self.step == self.config.encode_steps and self.config.auditions > 1:
            self.model.predictor.load_state_dict(best_gate(self.model, self.codes, self.config))

    def _set_learning_rate(self) -> None:
        """Warm-up in each phase; the first stays there, the second falls to zero along a cosine."""
        c, done = self.config, self.step
        if self.phase == "encode":
            lr = c.encode_lr * min(1.0, (done + 1) / WARM_UP)
        else:
            done -= c.encode_steps
            lr = c.predict_lr * min(1.0, (done + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * done / c.predict_steps))
        for group in self.optimizer.param_groups:
            group["lr"] = lr

    def _encode_step(self, rng: np.random.Generator) -> tuple[dict[str, Tensor], Seen]:
        c, model = self.config, self.model
        window = min(c.encode_frames, self.dataset.length)
        indices = np.sort(rng.integers(0, len(self.dataset), c.encode_batch))
        start = int(rng.integers(0, self.dataset.length - window + 1))
        states = self.dataset.frames(indices, start, start + window)
        actions = self.dataset.actions(indices)[:, start : start + window - 1]
        states, actions = augment(states, actions, rng, c.augmentation)
        states, actions = states.to(self.device), actions.to(self.device)

        agent_profiles = marginals(rearrange(states[:, :, 0], "b t h w -> (b t) h w"))
        codes = rearrange(model.agent_encoder(agent_profiles), "(b t) d -> b t d", t=window)
        layout_profiles = marginals(states[:, 0, 1])
        maps = model.layout_encoder.maps(layout_profiles)
        layout = centroid(maps)
        predicted = model.unroll(codes[:, 0], actions, layout.detach())  # the gate at rest has nothing to teach it
        shift = int(rng.integers(-TWIN_SHIFT, TWIN_SHIFT + 1))
        terms = self.objective.terms(EncodedStep(predicted, codes, layout, agent_profiles, layout_profiles, shift))
        terms["concentration"] = c.concentration_weight * concentration_loss(maps, UNIT)
        return terms, Seen(states.shape[0] * states.shape[1], codes.detach(), actions, layout.detach())

    def _predict_step(self, rng: np.random.Generator) -> tuple[dict[str, Tensor], Seen]:
        c, model = self.config, self.model
        assert self.codes is not None
        batch = self.codes.select(torch.from_numpy(rng.integers(0, len(self.codes.agent), c.predict_batch)))
        maps = model.layout_encoder.maps(batch.layout_profiles)
        layout = centroid(maps)
        terms = one_step_terms(model.predictor, batch, layout, c)
        if c.unroll_weight:
            n, horizon = c.unroll_batch, self._horizon()
            start = int(rng.integers(0, batch.actions.shape[1] - horizon + 1))
            target = batch.agent[:n, start : start + horizon + 1]
            predicted = model.unroll(target[:, 0], batch.actions[:n, start : start + horizon], layout[:n])
            terms["unroll"] = c.unroll_weight * UNIT**2 * (predicted - target).square().mean()
        if c.layout_hold:  # until the gate makes use of the layout code, its errors must not wear it away
            hold = c.concentration_weight * concentration_loss(maps, UNIT)
            if c.objective == "vicreg":
                hold = hold + c.variance_weight * variance_loss(layout, TARGET_STD)
            terms["layout"] = c.layout_hold * hold
        return terms, Seen(c.predict_batch * batch.agent.shape[1], batch.agent, batch.actions, layout.detach())

    def _horizon(self) -> int:
        """Grows from 2 to `horizon` over the first half of the phase."""
        longest = min(self.config.horizon, self.dataset.length - 1)
        done = (self.step - self.config.encode_steps) / self.config.predict_steps
        return min(longest, 2 + int((longest - 1) * 2 * done))
