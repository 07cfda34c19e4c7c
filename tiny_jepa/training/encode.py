"""Phase 1, `encode`: short recurrent unrolls from frames, the predictor's gate at rest, teach the encoders where agent,
wall and door are, and the predictor how far an action goes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from einops import rearrange
from torch import Tensor, nn

from tiny_jepa.data import work_ahead
from tiny_jepa.models.encoder import centroid
from tiny_jepa.objectives import build_objective, concentration_loss
from tiny_jepa.objectives.adapters import TWIN_SHIFT, EncodedStep
from tiny_jepa.objectives.vicreg import invariance_loss
from tiny_jepa.training.phase import Phase, randomness
from tiny_jepa.training.watch import Seen

REST_WEIGHT = 25.0
"""Of the distance between layout codes of two frames of a trajectory, as of a prediction: the layout stays."""


class Encode(Phase):
    name = "encode"

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        config, model = self.config, self.model
        self.steps, self.lr = config.encode_steps, config.encode_lr
        encoders, weight = (model.agent_encoder, model.layout_encoder), config.variance_weight
        self.agent_in_sight = bool(model.frame.layout_dim) and model.frame.layout is None  # of the layout encoder
        self.objective = build_objective(config.objective, *encoders, model.frame.unit, variance_weight=weight)

    def parameters(self) -> list[nn.Parameter]:
        model = self.model
        return [*model.agent_encoder.parameters(), *model.layout_encoder.parameters(), model.predictor.action]

    def start(self, done: int) -> None:
        self.batches: Iterator = work_ahead(self.read, range(done, self.steps), self.workers)

    def read(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """The frames [B, T, C, H, W] and the actions [B, T-1, 2] px of a step, and the frames [B, C, H, W] of the same
        trajectories that are farthest from them in time; none of these where nothing but the layout is in its channel.
        """
        indices, window = self.draw(randomness(self.config, step))
        states, last = self.dataset.frames(indices, window.start, window.stop), self.dataset.length - 1
        far = 0 if window.start > last - window.start else last
        others = self.dataset.frames(indices, far, far + 1)[:, 0] if self.agent_in_sight else states[:0, 0]
        return states, self.dataset.actions(indices)[:, window.start : window.stop - 1], others

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, slice]:
        """The trajectories [B] of a step, and which frames of them."""
        frames = min(self.config.encode_frames, self.dataset.length)
        indices = np.sort(rng.integers(0, len(self.dataset), self.config.encode_batch))
        start = int(rng.integers(0, self.dataset.length - frames + 1))
        return indices, slice(start, start + frames)

    def terms(self, step: int, rng: np.random.Generator) -> tuple[dict[str, Tensor], Seen]:
        c, model, unit = self.config, self.model, self.model.frame.unit
        self.draw(rng)  # as `read` does: what follows is drawn after it
        states, actions, others = (part.to(self.device) for part in next(self.batches))
        if step + 1 == self.steps:
            del self.batches  # and with it the processes

        agent_profiles = model.agent_profiles(rearrange(states, "b t c h w -> (b t) c h w"))
        codes = rearrange(model.agent_encoder(agent_profiles), "(b t) d -> b t d", b=len(states))
        layout_profiles = model.layout_profiles(states[:, 0])
        maps = model.layout_encoder.maps(layout_profiles)
        layout, code = centroid(maps, unit), model.layout_encoder.read_off(maps).detach()
        context = model.context_of(code, states.shape[-1])  # the gate at rest has nothing to teach it
        predicted = model.unroll(codes[:, 0], actions, context)
        shift = int(rng.integers(-TWIN_SHIFT, TWIN_SHIFT + 1))
        terms = self.objective.terms(EncodedStep(predicted, codes, layout, agent_profiles, layout_profiles, shift))
        if model.frame.layout_dim:
            terms["concentration"] = c.concentration_weight * concentration_loss(maps, unit)
        if self.agent_in_sight:
            elsewhere = centroid(model.layout_encoder.maps(model.layout_profiles(others)), unit)
            terms["rest"] = REST_WEIGHT * invariance_loss(elsewhere, layout)
        return terms, Seen(states.shape[0] * states.shape[1], codes.detach(), actions, context)

    def after_step(self) -> None:
        self.objective.after_step()

    def state(self) -> dict[str, Any]:
        return self.objective.state_dict()

    def load_state(self, state: dict[str, Any]) -> None:
        self.objective.load_state_dict(state)
