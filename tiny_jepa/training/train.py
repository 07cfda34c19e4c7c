"""The training loop: two phases, one after the other. No label, no probing set and no image reconstruction is anywhere
in it.

`encode`: short unrolls from frames, all moves made, teach the encoder where the agent is, and the predictor how far an
action goes. `predict`: the gate learns which moves are made, from one-step predictions on the codes of the frozen
encoder, computed once.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from tiny_jepa.data import TrajectorySet
from tiny_jepa.errors import UserError
from tiny_jepa.models.encoder import centroid
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.models.map import widened
from tiny_jepa.objectives import OBJECTIVES
from tiny_jepa.settings import TrainingConfig
from tiny_jepa.training.examples import Draws, Examples, encode_trajectories, fit_action
from tiny_jepa.training.gate import adam, best_gate, descend, one_step_terms, scheduled_lr
from tiny_jepa.training.verdict import FAR, Verdict, judge
from tiny_jepa.training.watch import Seen

PROFILED = 100
"""Trajectories whose colours phase 1 takes apart."""
STARTS = 3
"""Phases 1 that may end with codes that follow no agent."""
SHOWN = 512
"""Trajectories that the watch looks at in phase 2: what the gate trains on is no fair draw."""


class Phase(NamedTuple):
    """Steps in which some of the model's parameters learn."""

    name: str
    steps: int
    lr: float  # Adam's highest rate
    learned: list[nn.Parameter]
    terms: Callable[[int], Iterator[tuple[dict[str, Tensor], Seen]]]
    """Steps done before -> the loss terms of each further step, to be summed, and what it looked at."""


class Trainer:
    """Trains `model` on `dataset`. All randomness of a step comes from (seed, step): a resumed run is the same run."""

    def __init__(self, model: JEPA, dataset: TrajectorySet, config: TrainingConfig, device: torch.device) -> None:
        self.model, self.dataset, self.config, self.device = model.to(device), dataset, config, device
        encoder, gate = [model.agent_encoder.conv["taps"], model.predictor.action], model.predictor.gate_parameters()
        self.phases = (
            Phase("encode", config.encode_steps, config.encode_lr, encoder, self.encode),
            Phase("predict", config.predict_steps, config.predict_lr, gate, self.predict),
        )
        self.total_steps = config.encode_steps + config.predict_steps
        self.step, self.start = 0, 0
        self.verdict: Verdict | None = None
        self.whole = True  # step, weights and optimizer belong together: a checkpoint may be written
        self.optimizer = adam(encoder)

    def at(self, step: int) -> tuple[Phase, int]:
        """The phase that does step number `step`, and how many of its steps come before."""
        encode, predict = self.phases
        return (encode, step) if step < encode.steps else (predict, step - encode.steps)

    def run(self) -> Iterator[tuple[Tensor, Seen]]:
        """Runs to the last step. After each there is its loss, and what it looked at."""
        while self.step < self.total_steps:
            phase, done = self.at(self.step)
            if done == 0:
                self.optimizer = adam(phase.learned)
            for terms, seen in phase.terms(done):
                _, done = self.at(self.step)
                loss = descend(self.optimizer, terms, scheduled_lr(done, phase.steps, phase.lr), self.config.clip)
                self.whole = False
                self.optimizer.step()
                self.step += 1
                self.whole = True
                yield loss, seen

    def randomness(self, step: int) -> np.random.Generator:
        """All that is random in step number `step` of a run, from its last start on."""
        return np.random.default_rng([self.config.seed, self.start, step])

    def profiles(self, done: int) -> Iterator[tuple[Tensor, Tensor, Callable[[], Tensor]]]:
        """Of each step of phase 1: agent profiles [B * T, 2, S], actions [B, T-1, 2] px, and what draws the maps
        [B, S, S]. Colours are taken apart once, those of `PROFILED` trajectories."""
        c, model, longest, count = self.config, self.model, self.dataset.length, len(self.dataset)
        frames, kept, drawn = min(c.encode_frames, longest), torch.empty(0), torch.empty(0)
        if model.frame.agent is None:
            count = min(PROFILED, count)
            model.learn_colour(self.dataset.frames(np.array([i]))[0] for i in range(count))
            parts = [model.take_apart(self.dataset.frames(np.array([i]))[0]) for i in range(count)]
            kept, drawn = (torch.stack(each) for each in zip(*((p, maps[0]) for p, maps in parts), strict=True))
            rows = centroid(kept[:, :, 1], 1.0)  # [N, T]
            against = (rows.diff(dim=1) * self.dataset.actions(np.arange(count))[..., 1].to(rows)).sum() < 0
            model.set_scales(model.architecture.crossings, model.architecture.radius, bool(against))
        for step in range(done, c.encode_steps):
            rng = self.randomness(step)
            indices = np.sort(rng.integers(0, count, c.encode_batch))
            start = int(rng.integers(0, longest - frames + 1))
            actions = self.dataset.actions(indices)[:, start : start + frames - 1].to(self.device)
            if model.frame.agent is None:
                profiles = rearrange(kept[indices, start : start + frames], "b t k s -> (b t) k s")
                yield profiles, actions, partial(drawn.__getitem__, indices)
            else:
                states = self.dataset.frames(indices, start, start + frames).to(self.device)
                yield (
                    model.agent_profiles(model.as_frames(states)[0]),
                    actions,
                    partial(model.encode_context, states[:, 0]),
                )

    def encode(self, done: int) -> Iterator[tuple[dict[str, Tensor], Seen]]:
        """Phase 1."""
        model = self.model
        for profiles, actions, maps in self.profiles(done):
            codes = rearrange(model.agent_encoder(profiles), "(b t) d -> b t d", b=len(actions))
            free = model.predictor.move(actions.cumsum(dim=1))  # the unroll of a predictor whose gate is open
            predicted = torch.cat([codes[:, :1], codes[:, :1] + free], dim=1)
            terms = OBJECTIVES[self.config.objective](predicted, codes, self.config.variance_weight)
            yield terms, Seen(codes.detach(), actions, maps)

    def predict(self, done: int) -> Iterator[tuple[dict[str, Tensor], Seen]]:
        """Phase 2. Before its first step, codes are judged, the action's scale is fitted and a gate is chosen; begun
        again from the same encoder, all come out the same. Codes that follow no agent lead back to phase 1."""
        c, cell = self.config, self.model.predictor
        chosen = np.random.default_rng([c.seed, 2]).permutation(len(self.dataset))[: c.cached]
        codes = encode_trajectories(self.model, self.dataset, chosen, self.device)
        if done == 0:
            fit_action(cell, codes)
        self.verdict = self.verdict or judge(codes, float(cell.action.detach()), self.model.frame.unit)
        form, radii, colours = self.model.architecture, [0], self.model.frame.agent is None
        if says := self.verdict.misfit(colours):
            if self.start + 1 < STARTS:
                return self.begin_again()
            raise UserError(f"stopped after {STARTS} starts: {says}; docs/training.md says what to try")
        if colours:
            if form.radius is None:
                radii = sorted({max(self.verdict.radius - less, 0) for less in (0, 1, 2, FAR)})
            self.model.set_scales(form.crossings or 1 + int(self.verdict.largest), form.radius, form.up)
        shown = codes.maps.pixels[codes.maps.whose[:SHOWN]]
        draws = {radius: Draws(Examples.of(cell, codes.widened(radius)), c.predict_batch) for radius in radii}
        agent, actions, radius = codes.agent[:SHOWN], cell.turned(codes.actions[:SHOWN]), 0
        del codes  # a map for each of tens of thousands of trajectories
        if done == 0 and c.auditions * len(radii) > 1:
            radius, gate = best_gate(self.model, draws, c)
            cell.load_state_dict(gate)
        if len(radii) > 1:
            self.model.set_scales(cell.crossings, radius, form.up)
        shown = widened(shown, radius)
        seen = Seen(agent, actions, lambda: shown)
        for step in range(c.encode_steps + done, self.total_steps):
            yield one_step_terms(cell, *draws[radius].draw(self.randomness(step)), c), seen

    def begin_again(self) -> None:
        """Phase 1 from other weights."""
        self.step, self.start, self.verdict = 0, self.start + 1, None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed * 1_000 + self.start)
            fresh = JEPA(self.model.architecture, self.model.frame)
        self.model.load_state_dict(fresh.state_dict())

    def state(self) -> dict[str, Any]:
        """All that a later process needs to go on to the same end, bit for bit."""
        form, fresh = self.model.architecture, self.at(self.step)[1] == 0  # the next step builds its optimizer anew
        return {
            "step": self.step,
            "start": self.start,
            "scales": (form.crossings, form.radius, form.up),
            "verdict": self.verdict and self.verdict._asdict(),
            "model": self.model.state_dict(),
            "optimizer": None if fresh else self.optimizer.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Goes on where `state()` was asked for; raises whatever it likes where that was another training."""
        if state["step"] not in range(self.total_steps + 1):
            raise ValueError(f"step {state['step']} of {self.total_steps}")
        self.step, self.start = state["step"], int(state["start"])
        self.model.load_state_dict(state["model"])
        self.model.set_scales(*state["scales"])
        self.verdict = state["verdict"] and Verdict(**state["verdict"])
        phase, done = self.at(self.step)
        self.optimizer = adam(phase.learned)
        if done:
            self.optimizer.load_state_dict(state["optimizer"])
            for parameter in phase.learned:
                moments = self.optimizer.state[parameter]
                if not moments["exp_avg"].shape == moments["exp_avg_sq"].shape == parameter.shape:
                    raise ValueError("its optimizer is of other parameters")
