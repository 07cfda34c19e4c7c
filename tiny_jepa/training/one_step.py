"""One-step predictions from true codes (teacher forcing): their losses, and their error."""

import torch
from torch import Tensor

from tiny_jepa.models.predictor import GatedCell
from tiny_jepa.objectives import decision_loss
from tiny_jepa.settings import TrainingConfig
from tiny_jepa.training.transitions import Transitions


def one_step_terms(
    cell: GatedCell, transitions: Transitions, config: TrainingConfig, weights: Tensor | float = 1.0
) -> dict[str, Tensor]:
    """Losses in px², without those of weight 0; `weights` [N, 1] are those of the transitions in the mean."""
    before, after, actions, contexts = transitions
    move, logit = cell.propose(before, actions, contexts)
    moved, terms, square = after - before, {}, cell.frame.unit**2
    if config.teacher_weight:
        error = torch.sigmoid(logit) * move - moved
        terms["teacher"] = config.teacher_weight * square * (weights * error.square()).mean()
    if config.decision_weight:
        terms["decision"] = config.decision_weight * square * decision_loss(logit, move, moved, weights)
    return terms


@torch.no_grad()
def one_step_error(cell: GatedCell, transitions: Transitions) -> float:
    """The mean squared error, px²."""
    before, after, actions, contexts = transitions
    return cell.frame.unit**2 * float((cell(before, actions, contexts) - after).square().mean())
