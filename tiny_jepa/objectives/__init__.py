"""Objectives: prediction in representation space, and what keeps representations from collapsing."""

from collections.abc import Callable

from torch import nn

from tiny_jepa.objectives.barlow import BarlowTwins, barlow_twins_loss
from tiny_jepa.objectives.byol import BYOL
from tiny_jepa.objectives.decision import decision_loss, share_made
from tiny_jepa.objectives.objective import PREDICTION_WEIGHT, Objective, prediction_loss
from tiny_jepa.objectives.vicreg import VICReg, covariance_loss, variance_loss


def build_objective(name: str, agent_encoder: nn.Module, variance_weight: float) -> Objective:
    """The objective `name` (vicreg, barlow or byol) for this encoder."""
    made: dict[str, Callable[[], Objective]] = {
        "vicreg": lambda: VICReg(variance_weight),
        "barlow": BarlowTwins,
        "byol": lambda: BYOL(agent_encoder),
    }
    return made[name]()
