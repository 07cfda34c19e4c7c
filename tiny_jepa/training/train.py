"""The training loop: two phases, one after the other. No label, no probing set and no image reconstruction is anywhere
in it.

`encode`: short unrolls from frames, all moves made, teach the encoder where the agent is, and the predictor how far an
action goes. `predict`: the gate learns which moves are made, from one-step predictions on the codes of the frozen
encoder, computed once.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from tiny_jepa.data import TrajectorySet
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.objectives import build_objective
from tiny_jepa.progress import bar
from tiny_jepa.settings import TrainingConfig
from tiny_jepa.training.examples import Draws, Examples, encode_trajectories, fit_action, one_step_error, one_step_terms
from tiny_jepa.training.watch import Seen

WARM_UP = 100  # steps
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
        self.objective = build_objective(config.objective, model.agent_encoder, config.variance_weight)
        encoder, gate = [*model.agent_encoder.parameters(), model.predictor.action], model.predictor.gate_parameters()
        self.phases = (
            Phase("encode", config.encode_steps, config.encode_lr, encoder, self.encode),
            Phase("predict", config.predict_steps, config.predict_lr, gate, self.predict),
        )
        self.total_steps = config.encode_steps + config.predict_steps
        self.step = 0
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
                if phase.name == "encode":
                    self.objective.after_step()
                self.step += 1
                self.whole = True
                yield loss, seen

    def randomness(self, step: int) -> np.random.Generator:
        """All that is random in step number `step` of a run."""
        return np.random.default_rng([self.config.seed, 0, step])

    def read(self, step: int) -> tuple[Tensor, Tensor]:
        """The frames [B, T, C, H, W] and the actions [B, T-1, 2] px of a step of phase 1."""
        rng, longest = self.randomness(step), self.dataset.length
        frames = min(self.config.encode_frames, longest)
        indices = np.sort(rng.integers(0, len(self.dataset), self.config.encode_batch))
        start = int(rng.integers(0, longest - frames + 1))
        actions = self.dataset.actions(indices)[:, start : start + frames - 1]
        return self.dataset.frames(indices, start, start + frames), actions

    def encode(self, done: int) -> Iterator[tuple[dict[str, Tensor], Seen]]:
        """Phase 1."""
        model = self.model
        for step in range(done, self.config.encode_steps):
            states, actions = (part.to(self.device) for part in self.read(step))
            profiles = model.agent_profiles(model.as_frames(states)[0])
            codes = rearrange(model.agent_encoder(profiles), "(b t) d -> b t d", b=len(states))
            free = model.predictor.action * actions.cumsum(dim=1)  # the unroll of a predictor whose gate is open
            predicted = torch.cat([codes[:, :1], codes[:, :1] + free], dim=1)
            terms = self.objective(predicted, codes, profiles)
            maps = partial(model.encode_context, states[:, 0])
            yield terms, Seen(codes[..., 0].numel(), codes.detach(), actions, maps)

    def predict(self, done: int) -> Iterator[tuple[dict[str, Tensor], Seen]]:
        """Phase 2. Before its first step, the action's scale is fitted and a gate is chosen; begun again from the same
        encoder, both come out the same."""
        c, cell = self.config, self.model.predictor
        chosen = np.random.default_rng([c.seed, 2]).permutation(len(self.dataset))[: c.cached]
        codes = encode_trajectories(self.model, self.dataset, chosen, self.device)
        maps = codes.maps.pixels[codes.maps.whose[:SHOWN]]
        seen = Seen(c.predict_batch, codes.agent[:SHOWN], codes.actions[:SHOWN], lambda: maps)
        if done == 0:
            fit_action(cell, codes)
        draws = Draws(Examples.of(cell, codes), c.predict_batch)
        del codes  # a map for each of tens of thousands of trajectories
        if done == 0 and c.auditions > 1:
            cell.load_state_dict(best_gate(self.model, draws, c))
        for step in range(c.encode_steps + done, self.total_steps):
            yield one_step_terms(cell, *draws.draw(self.randomness(step)), c), seen

    def state(self) -> dict[str, Any]:
        """All that a later process needs to go on to the same end, bit for bit."""
        fresh = self.at(self.step)[1] == 0  # the next step builds its optimizer anew
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizer": None if fresh else self.optimizer.state_dict(),
            "objective": self.objective.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Goes on where `state()` was asked for; raises whatever it likes where that was another training."""
        if state["step"] not in range(self.total_steps + 1):
            raise ValueError(f"step {state['step']} of {self.total_steps}")
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self.objective.load_state_dict(state["objective"])
        phase, done = self.at(self.step)
        self.optimizer = adam(phase.learned)
        if done:
            self.optimizer.load_state_dict(state["optimizer"])
            for parameter in phase.learned:
                moments = self.optimizer.state[parameter]
                if not moments["exp_avg"].shape == moments["exp_avg_sq"].shape == parameter.shape:
                    raise ValueError("its optimizer is of other parameters")


def best_gate(model: JEPA, draws: Draws, config: TrainingConfig) -> dict[str, Tensor]:
    """Trains `auditions` freshly drawn gates for `audition_steps` -> the state of the predictor with the least one-step
    error. A narrow gate that starts badly stays at dead reckoning. The choice is by training codes: no label, no other
    set."""
    action, steps = model.predictor.action, config.audition_steps
    best, least = model.predictor.state_dict(), math.inf
    with bar(total=config.auditions * steps, desc="auditions", unit="step", leave=False) as shown:
        for number in range(config.auditions):
            cell = model.fresh_predictor(seed=config.seed * 1_000 + number).to(action.device)
            cell.action.data.copy_(action.data)
            optimizer, rng = adam(cell.gate_parameters()), np.random.default_rng([config.seed, 3, number])
            for step in range(steps):
                terms = one_step_terms(cell, *draws.draw(rng), config)
                descend(optimizer, terms, scheduled_lr(step, steps, config.predict_lr), config.clip)
                optimizer.step()
                shown.update()
            if (error := one_step_error(cell, draws.examples)) < least:
                best, least = cell.state_dict(), error
            shown.set_postfix_str(f"least one-step error {least:.4f} px²", refresh=False)
    return best


def adam(parameters: list[nn.Parameter]) -> torch.optim.Adam:
    return torch.optim.Adam(parameters, lr=0.0, betas=(0.9, 0.99), fused=True)


def scheduled_lr(step: int, steps: int, highest: float) -> float:
    """The rate of step number `step` of `steps`: a linear warm-up, and a cosine that falls to zero."""
    return highest * min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))


def descend(optimizer: torch.optim.Optimizer, terms: dict[str, Tensor], lr: float, clip: float) -> Tensor:
    """Rate and clipped gradients of an optimizer's next step -> the loss."""
    group = optimizer.param_groups[0]
    group["lr"] = lr
    loss = torch.stack(list(terms.values())).sum()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(group["params"], clip)
    return loss.detach()
