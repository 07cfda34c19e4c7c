"""One call for all objectives: what each needs of a step of the encoder's training, and nothing else."""

from typing import NamedTuple

from einops import rearrange
from torch import Tensor, nn

from tiny_jepa.objectives.barlow import BarlowTwins
from tiny_jepa.objectives.byol import TargetEncoder, byol_loss
from tiny_jepa.objectives.vicreg import VICReg

PREDICTION_WEIGHT = 25.0
"""Of the distance of predictions and targets, whatever keeps these from collapsing."""


class EncodedStep(NamedTuple):
    """predicted and codes [B, T, 2], and the agent's profiles that were encoded: [B*T, 2, S] or [B*T, C, 2, S]."""

    predicted: Tensor
    codes: Tensor
    profiles: Tensor


class Objective(nn.Module):
    """`terms(step)` are weighted losses to be summed; `after_step` follows every optimiser step."""

    def terms(self, step: EncodedStep) -> dict[str, Tensor]:
        raise NotImplementedError

    def after_step(self) -> None:
        """Nothing to do, unless there is a target encoder."""


class Regularised(Objective):
    """A loss of predicted and target codes alone: VICReg, Barlow Twins."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def terms(self, step: EncodedStep) -> dict[str, Tensor]:
        return self.loss(step.predicted, step.codes)


class BYOL(Objective):
    """Targets from an averaged copy of the agent encoder; nothing but the predictor stands against collapse."""

    def __init__(self, agent_encoder: nn.Module, momentum: float = 0.99) -> None:
        super().__init__()
        self.online, self.target = agent_encoder, TargetEncoder(agent_encoder, momentum)

    def terms(self, step: EncodedStep) -> dict[str, Tensor]:
        target = rearrange(self.target(step.profiles), "(b t) d -> b t d", t=step.codes.shape[1])
        return {"prediction": PREDICTION_WEIGHT * byol_loss(step.predicted, target)}

    def after_step(self) -> None:
        self.target.update(self.online)


def build_objective(name: str, agent_encoder: nn.Module, variance_weight: float = 0.3) -> Objective:
    """The objective `name` (vicreg, barlow or byol) for this encoder."""
    if name == "byol":
        return BYOL(agent_encoder)
    loss = BarlowTwins(PREDICTION_WEIGHT) if name == "barlow" else VICReg(PREDICTION_WEIGHT, variance_weight)
    return Regularised(loss)
