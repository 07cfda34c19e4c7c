"""BYOL (Grill et al. 2020, https://arxiv.org/abs/2006.07733): targets come from a slowly moving copy of the encoder."""

import copy

import torch
from torch import Tensor, nn


class TargetEncoder(nn.Module):
    """Exponential moving average of an encoder; it never receives a gradient."""

    def __init__(self, encoder: nn.Module, momentum: float) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.momentum = momentum

    @torch.no_grad()
    def update(self, encoder: nn.Module) -> None:
        """target <- momentum * target + (1 - momentum) * encoder."""
        for target, online in zip(self.encoder.parameters(), encoder.parameters(), strict=True):
            target.lerp_(online, 1 - self.momentum)

    @torch.no_grad()
    def forward(self, inputs: Tensor) -> Tensor:
        return self.encoder(inputs)


def byol_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean squared distance to targets that pass no gradient back: codes [..., D] -> scalar."""
    return (predicted - target.detach()).square().mean()
