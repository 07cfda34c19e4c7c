"""One call for all objectives: what each needs of a step of the encoder's training, and nothing else."""

from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from tiny_jepa.objectives.barlow import BarlowTwins
from tiny_jepa.objectives.byol import TargetEncoder, byol_loss
from tiny_jepa.objectives.vicreg import VICReg

TWIN_SHIFT = 4
"""px: the farthest that a layout's twin is shifted."""


class EncodedStep(NamedTuple):
    """predicted and codes [B, T, 2], layout [B, L], and the profiles that were encoded: of the agent [B*T, 2, S]
    or [B*T, C, 2, S], of the layout likewise; twin_shift: px, this step's random shift of a layout's twin."""

    predicted: Tensor
    codes: Tensor
    layout: Tensor
    agent_profiles: Tensor
    layout_profiles: Tensor
    twin_shift: int


class Objective(nn.Module):
    """`terms(step)` are weighted losses to be summed; `after_step` follows every optimiser step."""

    def terms(self, step: EncodedStep) -> dict[str, Tensor]:
        raise NotImplementedError

    def after_step(self) -> None:
        """Nothing to do, unless there is a target encoder."""


class VICRegObjective(Objective):
    def __init__(self, prediction_weight: float, variance_weight: float) -> None:
        super().__init__()
        self.loss = VICReg(prediction_weight, variance_weight)

    def terms(self, step: EncodedStep) -> dict[str, Tensor]:
        return self.loss(step.predicted, step.codes, step.layout)


class BarlowObjective(Objective):
    """The layout's twin is its code in a frame shifted by a few px, shifted back."""

    def __init__(self, prediction_weight: float, layout_encoder: nn.Module, unit: float) -> None:
        super().__init__()
        self.loss = BarlowTwins(prediction_weight)
        self.layout_encoder, self.unit = layout_encoder, unit

    def terms(self, step: EncodedStep) -> dict[str, Tensor]:
        shifted = torch.roll(step.layout_profiles, step.twin_shift, dims=-1)
        twin = self.layout_encoder(shifted) - step.twin_shift / self.unit
        return self.loss(step.predicted, step.codes, step.layout, twin)


class BYOLObjective(Objective):
    """Targets from an averaged copy of the agent encoder; nothing but the predictor stands against collapse."""

    def __init__(self, prediction_weight: float, agent_encoder: nn.Module, momentum: float) -> None:
        super().__init__()
        self.prediction_weight = prediction_weight
        self.online = agent_encoder
        self.target = TargetEncoder(agent_encoder, momentum)

    def terms(self, step: EncodedStep) -> dict[str, Tensor]:
        target = rearrange(self.target(step.agent_profiles), "(b t) d -> b t d", t=step.codes.shape[1])
        return {"prediction": self.prediction_weight * byol_loss(step.predicted, target)}

    def after_step(self) -> None:
        self.target.update(self.online)


def build_objective(
    name: str,
    agent_encoder: nn.Module,
    layout_encoder: nn.Module,
    unit: float,
    prediction_weight: float = 25.0,
    variance_weight: float = 0.3,
    momentum: float = 0.99,
) -> Objective:
    """The objective `name` (vicreg, barlow or byol) for these encoders, whose codes are in units of `unit` px."""
    if name == "barlow":
        return BarlowObjective(prediction_weight, layout_encoder, unit)
    if name == "byol":
        return BYOLObjective(prediction_weight, agent_encoder, momentum)
    return VICRegObjective(prediction_weight, variance_weight)
