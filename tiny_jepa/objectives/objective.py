"""What all objectives share: the distance of predictions and targets, and how they are called."""

from torch import Tensor, nn

PREDICTION_WEIGHT = 25.0
"""Of the distance of predictions and targets, whatever keeps codes from collapsing."""


def prediction_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean squared distance of predicted and target codes [..., D] -> scalar."""
    return (predicted - target).square().mean()


class Objective(nn.Module):
    """`objective(predicted, codes, profiles)` -> weighted losses, to be summed: predicted and true codes [B, T, D], and
    the agent's profiles [B*T, ...] that were encoded. `after_step` follows every step of the optimizer."""

    def after_step(self) -> None:
        """Nothing to do, unless there is a target encoder."""
