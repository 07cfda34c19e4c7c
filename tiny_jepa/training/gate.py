"""How a gate is trained: its losses, its auditions, and a step of the optimizer."""

import math
from itertools import cycle

import numpy as np
import torch
from torch import Tensor, nn

from tiny_jepa.models.jepa import JEPA
from tiny_jepa.models.predictor import GatedCell
from tiny_jepa.objectives import decision_loss
from tiny_jepa.progress import bar
from tiny_jepa.settings import TrainingConfig
from tiny_jepa.training.examples import Draws, Examples

WARM_UP = 100  # steps


def one_step_terms(cell: GatedCell, examples: Examples, weights: Tensor, config: TrainingConfig) -> dict[str, Tensor]:
    """Losses of one-step predictions from true codes (teacher forcing), without those of weight 0; `weights` [N, gates]
    are those of the examples in the mean. The prediction's error is that of the gate times the move, and the moves'
    lengths are in the weights."""
    logit, terms = cell.gate_logit(examples.seen), {}
    if config.teacher_weight:
        error = torch.sigmoid(logit) - examples.share
        terms["teacher"] = config.teacher_weight * (weights * error.square()).sum()
    if config.decision_weight:
        terms["decision"] = config.decision_weight * decision_loss(logit, examples.share, weights)
    return terms


@torch.no_grad()
def one_step_error(cell: GatedCell, examples: Examples) -> float:
    """The mean squared error of such predictions over x and y, px²."""
    error = torch.sigmoid(cell.gate_logit(examples.seen)) - examples.share
    return cell.frame.unit**2 * float((examples.weight * error.square()).sum()) / 2


def best_gate(model: JEPA, draws: dict[int, Draws], config: TrainingConfig) -> tuple[int, dict[str, Tensor]]:
    """Trains `auditions` freshly drawn gates of each radius of the agent for `audition_steps` -> the radius and the
    state of the predictor with the least one-step error. A narrow gate that starts badly stays at dead reckoning. The
    choice is by training codes: no label, no other set."""
    action, steps, tried = model.predictor.action, config.audition_steps, config.auditions * len(draws)
    best, least = (0, model.predictor.state_dict()), math.inf
    with bar(total=tried * steps, desc="auditions", unit="step", leave=False) as shown:
        for number, (radius, examples) in zip(range(tried), cycle(draws.items()), strict=False):
            cell = model.fresh_predictor(seed=config.seed * 1_000 + number).to(action.device)
            cell.action.data.copy_(action.data)
            optimizer, rng = adam(cell.gate_parameters()), np.random.default_rng([config.seed, 3, number])
            for step in range(steps):
                terms = one_step_terms(cell, *examples.draw(rng), config)
                descend(optimizer, terms, scheduled_lr(step, steps, config.predict_lr), config.clip)
                optimizer.step()
                shown.update()
            if (error := one_step_error(cell, examples.examples)) < least:
                best, least = (radius, cell.state_dict()), error
            shown.set_postfix_str(f"least one-step error {least:.4f} px²", refresh=False)
    return best


def adam(parameters: list[nn.Parameter]) -> torch.optim.Adam:
    return torch.optim.Adam(parameters, lr=0.0, betas=(0.9, 0.99), fused=True)


def scheduled_lr(step: int, steps: int, highest: float) -> float:
    """The rate of step number `step` of `steps`: a linear warm-up, and a cosine that falls to zero."""
    return highest * min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))


def descend(optimizer: torch.optim.Optimizer, terms: dict[str, Tensor], lr: float, clip: float) -> Tensor:
    """Rate and clipped gradients of an optimizer's next step -> the loss."""
    group = optimizer.param_groups[0]
    group["lr"] = lr
    loss = torch.stack(list(terms.values())).sum()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(group["params"], clip)
    return loss.detach()
