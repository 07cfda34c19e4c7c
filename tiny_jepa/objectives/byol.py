"""BYOL (Grill et al. 2020, https://arxiv.org/abs/2006.07733): targets come from a slowly moving copy of the encoder.
Nothing but the predictor stands against collapse."""

import copy

import torch
from einops import rearrange
from torch import Tensor, nn

from tiny_jepa.objectives.objective import PREDICTION_WEIGHT, Objective, prediction_loss


class BYOL(Objective):
    """Prediction of the codes of a target encoder, which never receives a gradient."""

    def __init__(self, encoder: nn.Module, momentum: float = 0.99) -> None:
        super().__init__()
        self.online, self.target, self.momentum = encoder, copy.deepcopy(encoder).requires_grad_(False), momentum

    def forward(self, predicted: Tensor, codes: Tensor, profiles: Tensor) -> dict[str, Tensor]:
        target = rearrange(self.target(profiles), "(b t) d -> b t d", t=codes.shape[1])
        return {"prediction": PREDICTION_WEIGHT * prediction_loss(predicted, target)}

    @torch.no_grad()
    def after_step(self) -> None:
        """target <- momentum * target + (1 - momentum) * online, an exponential moving average."""
        for target, online in zip(self.target.parameters(), self.online.parameters(), strict=True):
            target.lerp_(online, 1 - self.momentum)
