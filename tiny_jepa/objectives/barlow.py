"""Barlow Twins (Zbontar et al. 2021, https://arxiv.org/abs/2103.03230): prediction and target are the twins."""

import torch
from torch import Tensor

from tiny_jepa.objectives.vicreg import PREDICTION_WEIGHT, prediction_loss


def barlow_twins_loss(a: Tensor, b: Tensor, redundancy_weight: float = 5e-3, epsilon: float = 1e-5) -> Tensor:
    """Distance (eq. 1) of the cross-correlation matrix [D, D] of codes standardised over the batch (eq. 2) to the
    identity: codes [N, D] -> scalar."""
    a, b = ((x - x.mean(dim=0)) / (x.var(dim=0, unbiased=False) + epsilon).sqrt() for x in (a, b))
    matrix = a.T @ b / len(a)
    diagonal = matrix.diagonal()
    off_diagonal = matrix.square().sum() - diagonal.square().sum()
    return (1 - diagonal).square().sum() + redundancy_weight * off_diagonal


def barlow_twins(predicted: Tensor, codes: Tensor, variance_weight: float) -> dict[str, Tensor]:
    """Barlow Twins at every predicted time step, beside prediction: standardised codes alone do not fix the scale."""
    steps = zip(predicted[:, 1:].unbind(1), codes[:, 1:].unbind(1), strict=True)
    twins = torch.stack([barlow_twins_loss(a, b) for a, b in steps]).mean()
    return {"prediction": PREDICTION_WEIGHT * prediction_loss(predicted, codes), "twins": twins}
