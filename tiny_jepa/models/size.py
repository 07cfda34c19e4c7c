"""From a parameter budget to an architecture.

The encoders are the same at every budget but the smallest: more taps did not place dot, wall or door any better
(docs/budgets.md). All the rest goes to the predictor's gate, whose hidden widths are solved for.
"""

from dataclasses import replace
from itertools import product

import torch
from torch import nn

from tiny_jepa.errors import UserError
from tiny_jepa.models.jepa import JEPA, Architecture
from tiny_jepa.models.predictor import gate_inputs
from tiny_jepa.worlds import DEFAULT
from tiny_jepa.worlds.contract import Frame

SLACK = 4
"""Widths may differ from each other by a few, so that the budget is filled."""


def count_parameters(model: nn.Module) -> int:
    """Parameters of a module. All are trained, though a loaded model records no gradient for them."""
    return sum(p.numel() for p in model.parameters())


def parameter_count(architecture: Architecture, frame: Frame = DEFAULT.frame) -> int:
    """Trainable parameters that a model of this architecture has; nothing is allocated."""
    with torch.device("meta"):
        return count_parameters(JEPA(architecture, frame))


def solve(limit: int, base: Architecture, frame: Frame = DEFAULT.frame) -> Architecture:
    """The architecture with the largest count that `limit` allows: two hidden layers, nearly equally wide.

    Raises:
        UserError: when not even the narrowest gate fits; the message names the smallest buildable budget.
    """
    smallest = parameter_count(replace(base, gate_widths=(1, 1)), frame)
    fixed = smallest - gate_count(1, 1, frame)
    if limit < smallest:
        raise UserError(f"no model fits a budget of {limit} parameters; the smallest buildable one has {smallest}")
    width = 1
    while fixed + gate_count(width + 1, width + 1, frame) <= limit:
        width += 1
    fitting = [
        (first, second)
        for first, second in product(range(max(1, width - SLACK), width + SLACK + 1), repeat=2)
        if fixed + gate_count(first, second, frame) <= limit
    ]
    return replace(base, gate_widths=max(fitting, key=lambda pair: (gate_count(pair[0], pair[1], frame), min(pair))))


def gate_count(first: int, second: int, frame: Frame) -> int:
    """Weights and biases of a gate with two hidden layers."""
    return (gate_inputs(frame) + 1) * first + (first + 1) * second + (second + 1) * frame.gates


def build(architecture: Architecture, limit: int, frame: Frame = DEFAULT.frame) -> JEPA:
    """Builds a model; its count may not exceed `limit`."""
    if (count := parameter_count(architecture, frame)) > limit:
        raise UserError(f"this architecture has {count:,} trainable parameters, the budget allows {limit:,}")
    return JEPA(architecture, frame)
