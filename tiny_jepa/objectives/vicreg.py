"""VICReg (Bardes, Ponce & LeCun 2022, https://arxiv.org/abs/2105.04906) for codes along a trajectory."""

import torch
from torch import Tensor

PREDICTION_WEIGHT = 25.0
COVARIANCE_WEIGHT = 0.006
TARGET_STD = 0.9
"""Of each code dimension over a batch, in code units: about what locations spread in two rooms."""


def prediction_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean squared distance of predicted and target codes [..., D] -> scalar."""
    return (predicted - target).square().mean()


def variance_loss(codes: Tensor, target_std: float = 1.0, epsilon: float = 1e-4) -> Tensor:
    """Hinge on the standard deviation of each dimension over the batch (eq. 1): codes [N, D] -> scalar."""
    std = (codes.var(dim=0) + epsilon).sqrt()
    return torch.relu(target_std - std).mean()


def covariance_loss(codes: Tensor) -> Tensor:
    """Squared off-diagonal covariances over D (eqs. 3 and 4): codes [N, D] -> scalar."""
    centred = codes - codes.mean(dim=0)
    covariance = centred.T @ centred / (len(codes) - 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / codes.shape[1]


def vicreg(predicted: Tensor, codes: Tensor, variance_weight: float) -> dict[str, Tensor]:
    """Variance and covariance terms for the codes at every time step, beside prediction."""
    spread = torch.stack([variance_loss(each, TARGET_STD) for each in codes.unbind(1)])
    joint = torch.stack([covariance_loss(each) for each in codes.unbind(1)])
    return {
        "prediction": PREDICTION_WEIGHT * prediction_loss(predicted, codes),
        "variance": variance_weight * spread.mean(),
        "covariance": COVARIANCE_WEIGHT * joint.mean(),
    }
