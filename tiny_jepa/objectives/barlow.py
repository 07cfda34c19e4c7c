"""Barlow Twins (Zbontar et al. 2021, https://arxiv.org/abs/2103.03230): prediction and target are the twins."""

import torch
from torch import Tensor

from tiny_jepa.objectives.objective import PREDICTION_WEIGHT, Objective, prediction_loss


def cross_correlation(a: Tensor, b: Tensor, epsilon: float = 1e-5) -> Tensor:
    """Cross-correlation matrix [D, D] of two batches of codes [N, D], each standardised over the batch (eq. 2)."""
    a = (a - a.mean(dim=0)) / (a.var(dim=0, unbiased=False) + epsilon).sqrt()
    b = (b - b.mean(dim=0)) / (b.var(dim=0, unbiased=False) + epsilon).sqrt()
    return a.T @ b / len(a)


def barlow_twins_loss(a: Tensor, b: Tensor, redundancy_weight: float = 5e-3) -> Tensor:
    """Distance of the cross-correlation matrix to the identity (eq. 1): codes [N, D] -> scalar."""
    matrix = cross_correlation(a, b)
    diagonal = matrix.diagonal()
    off_diagonal = matrix.square().sum() - diagonal.square().sum()
    return (1 - diagonal).square().sum() + redundancy_weight * off_diagonal


class BarlowTwins(Objective):
    """Barlow Twins at every predicted time step, beside prediction: standardised codes alone do not fix the scale."""

    def forward(self, predicted: Tensor, codes: Tensor, profiles: Tensor) -> dict[str, Tensor]:
        steps = zip(predicted[:, 1:].unbind(1), codes[:, 1:].unbind(1), strict=True)
        twins = torch.stack([barlow_twins_loss(a, b) for a, b in steps]).mean()
        return {"prediction": PREDICTION_WEIGHT * prediction_loss(predicted, codes), "twins": twins}
