"""Phase 1, `encode`: short unrolls from frames, all moves made, teach the encoder where the agent is, and the predictor
how far an action goes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from tiny_jepa.data import work_ahead
from tiny_jepa.objectives import build_objective
from tiny_jepa.objectives.adapters import EncodedStep
from tiny_jepa.training.phase import Phase, randomness
from tiny_jepa.training.watch import Seen


class Encode(Phase):
    name = "encode"

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        config = self.config
        self.steps, self.lr = config.encode_steps, config.encode_lr
        self.objective = build_objective(config.objective, self.model.agent_encoder, config.variance_weight)

    def parameters(self) -> list[nn.Parameter]:
        return [*self.model.agent_encoder.parameters(), self.model.predictor.action]

    def start(self, done: int) -> None:
        self.batches: Iterator = work_ahead(self.read, range(done, self.steps), self.workers)

    def read(self, step: int) -> tuple[Tensor, Tensor]:
        """The frames [B, T, C, H, W] and the actions [B, T-1, 2] px of a step."""
        rng = randomness(self.config, step)
        frames = min(self.config.encode_frames, self.dataset.length)
        indices = np.sort(rng.integers(0, len(self.dataset), self.config.encode_batch))
        start = int(rng.integers(0, self.dataset.length - frames + 1))
        actions = self.dataset.actions(indices)[:, start : start + frames - 1]
        return self.dataset.frames(indices, start, start + frames), actions

    def terms(self, step: int, rng: np.random.Generator) -> tuple[dict[str, Tensor], Seen]:
        model = self.model
        states, actions = (part.to(self.device) for part in next(self.batches))
        if step + 1 == self.steps:
            del self.batches  # and with it the processes
        profiles = model.agent_profiles(model.as_frames(states)[0])
        codes = rearrange(model.agent_encoder(profiles), "(b t) d -> b t d", b=len(states))
        free = model.predictor.action * actions.cumsum(dim=1)  # the unroll of a predictor whose gate is open
        predicted = torch.cat([codes[:, :1], codes[:, :1] + free], dim=1)
        terms = self.objective.terms(EncodedStep(predicted, codes, profiles))
        with torch.no_grad():
            contexts = model.encode_context(states[:, 0])
        return terms, Seen(states.shape[0] * states.shape[1], codes.detach(), actions, contexts)

    def after_step(self) -> None:
        self.objective.after_step()

    def state(self) -> dict[str, Any]:
        return self.objective.state_dict()

    def load_state(self, state: dict[str, Any]) -> None:
        self.objective.load_state_dict(state)
