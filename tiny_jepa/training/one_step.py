"""One-step predictions from true codes (teacher forcing): their losses, and their error."""

from __future__ import annotations

import torch
from einops import repeat
from torch import Tensor

from tiny_jepa.models.encoder import UNIT
from tiny_jepa.models.predictor import GatedCell
from tiny_jepa.objectives import decision_loss
from tiny_jepa.training.codes import Codes
from tiny_jepa.training.config import TrainingConfig


def one_step_terms(cell: GatedCell, batch: Codes, layouts: Tensor, config: TrainingConfig) -> dict[str, Tensor]:
    """Weighted losses in px², without those of weight 0; layouts [B, 2]."""
    terms = {}
    if config.teacher_weight or config.decision_weight:
        each = repeat(layouts, "b d -> b t d", t=batch.actions.shape[1])
        move, logit = cell.propose(batch.agent[:, :-1], batch.actions, each)
        moved = batch.agent[:, 1:] - batch.agent[:, :-1]
    if config.teacher_weight:
        terms["teacher"] = config.teacher_weight * UNIT**2 * (torch.sigmoid(logit) * move - moved).square().mean()
    if config.decision_weight:
        terms["decision"] = config.decision_weight * UNIT**2 * decision_loss(logit, move, moved)
    return terms


@torch.no_grad()
def one_step_error(cell: GatedCell, batch: Codes, layouts: Tensor) -> float:
    """Mean squared error of one-step predictions from true codes, px²."""
    each = repeat(layouts, "b d -> b t d", t=batch.actions.shape[1])
    predicted = cell(batch.agent[:, :-1], batch.actions, each)
    return UNIT**2 * float((predicted - batch.agent[:, 1:]).square().mean())
