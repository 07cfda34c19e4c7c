"""One-step predictions from true codes (teacher forcing): their losses, and their error."""

import torch
from torch import Tensor

from tiny_jepa.models.predictor import GatedCell
from tiny_jepa.objectives import decision_loss
from tiny_jepa.settings import TrainingConfig
from tiny_jepa.training.examples import Examples


def one_step_terms(cell: GatedCell, examples: Examples, weights: Tensor, config: TrainingConfig) -> dict[str, Tensor]:
    """Losses, without those of weight 0; `weights` [N, gates] are those of the examples in the mean. The prediction's
    error is that of the gate times the move, and the moves' lengths are in the weights."""
    logit, terms = cell.gate_logit(examples.seen), {}
    if config.teacher_weight:
        error = torch.sigmoid(logit) - examples.share
        terms["teacher"] = config.teacher_weight * (weights * error.square()).sum()
    if config.decision_weight:
        terms["decision"] = config.decision_weight * decision_loss(logit, examples.share, weights)
    return terms


@torch.no_grad()
def one_step_error(cell: GatedCell, examples: Examples) -> float:
    """The mean squared error over x and y, px²."""
    error = torch.sigmoid(cell.gate_logit(examples.seen)) - examples.share
    return cell.frame.unit**2 * float((examples.weight * error.square()).sum()) / 2
