"""Phase 1, `encode`: short recurrent unrolls from frames, the predictor's gate at rest, teach the encoders where agent,
wall and door are, and the predictor how far an action goes."""

from typing import Any

import numpy as np
from einops import rearrange
from torch import Tensor, nn

from tiny_jepa.models.encoder import centroid, with_edges
from tiny_jepa.objectives import build_objective, concentration_loss
from tiny_jepa.objectives.adapters import TWIN_SHIFT, EncodedStep
from tiny_jepa.training.phase import Phase
from tiny_jepa.training.watch import Seen


class Encode(Phase):
    name = "encode"

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        config, model = self.config, self.model
        self.steps, self.lr = config.encode_steps, config.encode_lr
        encoders, weight = (model.agent_encoder, model.layout_encoder), config.variance_weight
        self.objective = build_objective(config.objective, *encoders, model.frame.unit, variance_weight=weight)

    def parameters(self) -> list[nn.Parameter]:
        model = self.model
        return [*model.agent_encoder.parameters(), *model.layout_encoder.parameters(), model.predictor.action]

    def terms(self, step: int, rng: np.random.Generator) -> tuple[dict[str, Tensor], Seen]:
        c, model, unit = self.config, self.model, self.model.frame.unit
        window = min(c.encode_frames, self.dataset.length)
        indices = np.sort(rng.integers(0, len(self.dataset), c.encode_batch))
        start = int(rng.integers(0, self.dataset.length - window + 1))
        states = self.dataset.frames(indices, start, start + window).to(self.device)
        actions = self.dataset.actions(indices)[:, start : start + window - 1].to(self.device)

        agent_profiles = model.agent_profiles(rearrange(states, "b t c h w -> (b t) c h w"))
        codes = rearrange(model.agent_encoder(agent_profiles), "(b t) d -> b t d", t=window)
        layout_profiles = model.layout_profiles(states[:, 0])
        maps = model.layout_encoder.maps(layout_profiles)
        layout = centroid(maps, unit)
        context = with_edges(
            layout.detach(), states.shape[-1] + model.frame.beyond, unit
        )  # the gate at rest has nothing to teach it
        predicted = model.unroll(codes[:, 0], actions, context)
        shift = int(rng.integers(-TWIN_SHIFT, TWIN_SHIFT + 1))
        terms = self.objective.terms(EncodedStep(predicted, codes, layout, agent_profiles, layout_profiles, shift))
        if model.frame.layout_dim:
            terms["concentration"] = c.concentration_weight * concentration_loss(maps, unit)
        return terms, Seen(states.shape[0] * states.shape[1], codes.detach(), actions, context)

    def after_step(self) -> None:
        self.objective.after_step()

    def state(self) -> dict[str, Any]:
        return self.objective.state_dict()

    def load_state(self, state: dict[str, Any]) -> None:
        self.objective.load_state_dict(state)
