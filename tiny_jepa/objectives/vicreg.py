"""VICReg (Bardes, Ponce & LeCun 2022, https://arxiv.org/abs/2105.04906) for codes along a trajectory."""

import torch
from torch import Tensor, nn

TARGET_STD = 0.9
"""Of each code dimension over a batch, in units of 16 px: about what locations spread."""


def invariance_loss(predicted: Tensor, target: Tensor) -> Tensor:
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


class VICReg(nn.Module):
    """Prediction in representation space, with variance and covariance terms for the codes at every time step.

    Args:
        prediction_weight, variance_weight, covariance_weight: of the three terms.
        target_std: of each code dimension over the batch, in code units.
    """

    def __init__(
        self,
        prediction_weight: float = 25.0,
        variance_weight: float = 0.3,
        covariance_weight: float = 0.006,
        target_std: float = TARGET_STD,
    ) -> None:
        super().__init__()
        self.weights = (prediction_weight, variance_weight, covariance_weight)
        self.target_std = target_std

    def forward(self, predicted: Tensor, target: Tensor) -> dict[str, Tensor]:
        """predicted, target [B, T, D] -> weighted terms, to be summed."""
        prediction, variance, covariance = self.weights
        spread = [variance_loss(codes, self.target_std) for codes in target.unbind(1)]
        joint = [covariance_loss(codes) for codes in target.unbind(1)]
        return {
            "prediction": prediction * invariance_loss(predicted, target),
            "variance": variance * torch.stack(spread).mean(),
            "covariance": covariance * torch.stack(joint).mean(),
        }
