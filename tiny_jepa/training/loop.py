"""The training loop. No label, no probing set and no image reconstruction is anywhere in it.

Phase 1, `encode`: short recurrent unrolls from frames, the predictor's gate at rest, teach the encoders where
agent, wall and door are and the action map how far an action goes. Phase 2, `predict`: the agent encoder is frozen
and the codes of many trajectories are computed once; the predictor then learns which moves are blocked, from
one-step predictions at every time step (one_step.py) and from recurrent unrolls whose horizon grows. A frame
costs phase 2 a thirtieth of what it costs phase 1 (benchmarks/bench_training.py). Phase 3, `sharpen`: the gate alone
goes on, on the few transitions that it is undecided about (sharpen.py). Phase 4, `grow`, of large budgets: the gate is
widened, and sharpened on transitions that vary (vary.py).
"""

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
from tiny_jepa.training.sharpen import REFRESH, Sharpening, fit_action_map, transitions_of
from tiny_jepa.training.vary import Variation, mirrors_of

PHASES = ("encode", "predict", "sharpen", "grow")
WARM_UP = 100  # steps of each phase
MIRRORED = 256  # frames that tell where codes are mirrored


class Seen(NamedTuple):
    """What a step looked at: frames, agent codes [B, T, 2], actions [B, T-1, 2] px, layout codes [B, L]."""

    frames: int
    codes: Tensor
    actions: Tensor
    layout: Tensor


class Trainer:
    """Trains `model` on `dataset`. All randomness of a step comes from (seed, step): a resumed run is the same run."""

    def __init__(
        self,
        model: JEPA,
        dataset: TrajectorySet,
        config: TrainingConfig,
        device: torch.device,
        grown_to: tuple[int, ...] = (),
    ) -> None:
        self.model, self.dataset, self.config, self.device = model.to(device), dataset, config, device
        self.grown_to = grown_to
        self.objective = build_objective(
            config.objective, model.agent_encoder, model.layout_encoder, UNIT, variance_weight=config.variance_weight
        )
        steps = (config.encode_steps, config.predict_steps, config.sharpen_steps, config.grow_steps)
        self.phases = {name: range(sum(steps[:i]), sum(steps[: i + 1])) for i, name in enumerate(PHASES)}
        self.total_steps = sum(steps)
        self.step = 0
        self.whole = True  # step, weights and optimizer belong together: a checkpoint may be written
        self.codes: Codes | None = None
        self.sharpening: Sharpening | None = None
        self._started, self._doubtful = "", None
        self.optimizer = self._optimizer_of_phase()

    @property
    def phase(self) -> str:
        """Of the next step; after the last, of the last."""
        return self.phase_of(min(self.step, self.total_steps - 1))

    def phase_of(self, step: int) -> str:
        return next(name for name, steps in self.phases.items() if step in steps)

    def _optimizer_of_phase(self) -> torch.optim.Optimizer:
        model = self.model
        if self.phase in ("sharpen", "grow"):
            learned = model.predictor.gate_parameters()
        elif self.phase == "predict":
            learned = [*model.layout_encoder.parameters(), *model.predictor.parameters()]
        else:
            modules = (model.agent_encoder, model.layout_encoder, model.predictor.action)
            learned = [p for module in modules for p in module.parameters()]
        return torch.optim.Adam(learned, lr=0.0, betas=(0.9, 0.99))

    def run(self, after_step: Callable[[dict[str, Tensor], Seen], None]) -> None:
        """Runs to the last step; `after_step` gets each step's loss, its terms, and what was seen."""
        while self.step < self.total_steps:
            if self._started != self.phase:
                self._start_phase()
            rng = np.random.default_rng([self.config.seed, 0, self.step])
            self._set_learning_rate()
            terms, seen = getattr(self, f"_{self.phase}_step")(rng)
            loss = torch.stack(list(terms.values())).sum()
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.optimizer.param_groups[0]["params"], self.config.clip)
            self.whole = False
            self.optimizer.step()
            self.objective.after_step()
            self.step += 1
            self.whole = True
            after_step({"loss": loss.detach(), **{name: term.detach() for name, term in terms.items()}}, seen)

    def state(self) -> dict[str, Any]:
        """All that a later process needs to go on to the same end, bit for bit."""
        fresh = self.step in {steps.start for steps in self.phases.values()}  # the next step builds its optimizer anew
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "objective": self.objective.state_dict(),
            "optimizer": None if fresh else self.optimizer.state_dict(),
            "doubtful": self.sharpening.doubtful if self.sharpening else None,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        if self.phase == "grow" and self.step > self.phases["grow"].start:
            self.model.grow(self.grown_to, self.config.seed)
        self.model.load_state_dict(state["model"])
        self.objective.load_state_dict(state["objective"])
        self.optimizer = self._optimizer_of_phase()
        if state["optimizer"] is not None:
            self.optimizer.load_state_dict(state["optimizer"])
        self._doubtful = state["doubtful"]

    def _start_phase(self) -> None:
        """What the phase's steps need beside the model: at its first step, and again after a resume."""
        c, first = self.config, self.step == self.phases[self.phase].start
        self._started = self.phase
        if first and self.phase == "grow":
            self.whole = False
            self.model.grow(self.grown_to, c.seed)
        if first:
            self.optimizer = self._optimizer_of_phase()
        if self.phase != "encode" and self.codes is None:  # the agent encoder is frozen by now
            rng, rounds = np.random.default_rng([c.seed, 2]), -(-c.cached // len(self.dataset))
            chosen = np.concatenate([rng.permutation(len(self.dataset)) for _ in range(rounds)])[: c.cached]
            self.codes = encode_trajectories(self.model, self.dataset, chosen, c.augmentation, c.seed, self.device)
        cell = self.model.predictor
        if self.phase == "predict" and first and c.auditions > 1:
            cell.load_state_dict(best_gate(self.model, self._cached(), c))
        if self.phase in ("sharpen", "grow"):
            codes = self._cached()
            with torch.no_grad():
                self.layouts = self.model.layout_encoder(codes.layout_profiles)
            transitions = transitions_of(codes, self.layouts)
            if first and self.phase == "sharpen":
                self.whole = False  # a second fit would ask a gate that sees the first one's map
                fit_action_map(cell, transitions)
            batch = c.predict_batch * codes.actions.shape[1]
            variation = None
            if self.phase == "grow":
                frames = self.dataset.frames(np.arange(min(MIRRORED, len(self.dataset))), 0, 1)[:, 0]
                variation = Variation.within(*transitions, mirrors_of(self.model, frames.to(self.device)))
            doubtful = None if first else self._doubtful
            self.sharpening = Sharpening(cell, transitions, c, batch, doubtful, variation)

    def _cached(self) -> Codes:
        assert self.codes is not None
        return self.codes

    def _set_learning_rate(self) -> None:
        """Warm-up in each phase; the first stays there, the others fall to zero along a cosine."""
        c, steps = self.config, self.phases[self.phase]
        done = self.step - steps.start
        highest = c.grow_lr if self.phase == "grow" else c.predict_lr
        lr = c.encode_lr if self.phase == "encode" else highest * 0.5 * (1 + math.cos(math.pi * done / len(steps)))
        for group in self.optimizer.param_groups:
            group["lr"] = lr * min(1.0, (done + 1) / WARM_UP)

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
        codes = self._cached()
        batch = codes.select(torch.from_numpy(rng.integers(0, len(codes.agent), c.predict_batch)))
        maps = model.layout_encoder.maps(batch.layout_profiles)
        layout = centroid(maps)
        terms = one_step_terms(model.predictor, batch.agent, batch.actions, layout, c)
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

    def _sharpen_step(self, rng: np.random.Generator) -> tuple[dict[str, Tensor], Seen]:
        assert self.sharpening is not None
        done = self.step - self.phases[self.phase].start
        if done and done % REFRESH == 0:
            self.sharpening.divide()
        codes = self._cached()
        some = slice(0, self.config.predict_batch)  # to look at: what it trains on is no fair draw
        seen = Seen(self.sharpening.batch, codes.agent[some], codes.actions[some], self.layouts[some])
        return self.sharpening.terms(rng), seen

    _grow_step = _sharpen_step

    def _horizon(self) -> int:
        """Grows from 2 to `horizon` over the first half of the phase."""
        longest = min(self.config.horizon, self.dataset.length - 1)
        done = (self.step - self.phases["predict"].start) / self.config.predict_steps
        return min(longest, 2 + int((longest - 1) * 2 * done))
