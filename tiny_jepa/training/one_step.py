"""One-step predictions from true codes (teacher forcing): their losses, and their error."""

import torch
from einops import repeat
from torch import Tensor

from tiny_jepa.models.encoder import UNIT
from tiny_jepa.models.predictor import GatedCell
from tiny_jepa.objectives import decision_loss
from tiny_jepa.training.config import TrainingConfig


def one_step_terms(
    cell: GatedCell, agent: Tensor, actions: Tensor, layouts: Tensor, config: TrainingConfig
) -> dict[str, Tensor]:
    """agent [B, T, 2], actions [B, T-1, 2] px, layouts [B, 2] -> weighted losses in px², without those of weight 0."""
    terms = {}
    if config.teacher_weight or config.decision_weight:
        each = repeat(layouts, "b d -> b t d", t=actions.shape[1])
        move, logit = cell.propose(agent[:, :-1], actions, each)
        moved = agent[:, 1:] - agent[:, :-1]
    if config.teacher_weight:
        terms["teacher"] = config.teacher_weight * UNIT**2 * (torch.sigmoid(logit) * move - moved).square().mean()
    if config.decision_weight:
        terms["decision"] = config.decision_weight * UNIT**2 * decision_loss(logit, move, moved)
    return terms


@torch.no_grad()
def one_step_error(cell: GatedCell, agent: Tensor, actions: Tensor, layouts: Tensor) -> float:
    """agent [B, T, 2], actions [B, T-1, 2] px, layouts [B, 2] -> the mean squared error, px²."""
    each = repeat(layouts, "b d -> b t d", t=actions.shape[1])
    predicted = cell(agent[:, :-1], actions, each)
    return UNIT**2 * float((predicted - agent[:, 1:]).square().mean())
