"""From a parameter budget to an architecture.

The encoders have the same 23 parameters at every budget: more filters did not place dot, wall or door any better
(docs/budgets.md). All the rest goes to the predictor's gate, whose two hidden widths are solved for.
"""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from tiny_jepa.errors import UserError
from tiny_jepa.models.jepa import JEPA, Architecture


def count_parameters(model: nn.Module) -> int:
    """Trainable parameters of a module."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def predicted_count(architecture: Architecture) -> int:
    """Trainable parameters that a model of this architecture has, without building it."""
    a = architecture
    agent = a.agent_channels * a.agent_kernel + (a.agent_channels if a.agent_channels > 1 else 0)
    agent += 19 if a.agent_pool == "grid" else 0
    filters = a.layout_channels * a.layout_kernel
    layout = 2 * (filters + (a.layout_channels * (1 + a.layout_points) if a.layout_channels > 1 else 0))
    fan_in, gate = 4 + 2 * a.layout_points, 0
    for width in a.gate_widths:
        gate += (fan_in + 1) * width
        fan_in = width
    return agent + layout + gate + (fan_in + 1) + 1 + 4


def solve(limit: int, base: Architecture) -> Architecture:
    """The architecture with the largest count that `limit` allows, the gate's widths free and nearly equal.

    Raises:
        UserError: when not even the narrowest gate fits; the message names the smallest buildable budget.
    """
    smallest = predicted_count(replace(base, gate_widths=(1, 1)))
    if limit < smallest:
        raise UserError(f"no model fits a budget of {limit} parameters; the smallest buildable one has {smallest}")
    width = 1
    while predicted_count(replace(base, gate_widths=(width + 1, width + 1))) <= limit:
        width += 1
    candidates = []
    for first in range(max(1, width - 8), width + 9):
        second = width + 9
        while second > 0 and predicted_count(replace(base, gate_widths=(first, second))) > limit:
            second -= 1
        if second > 0:
            candidates.append(replace(base, gate_widths=(first, second)))
    return max(candidates, key=predicted_count)


def build(architecture: Architecture, limit: int) -> JEPA:
    """Builds a model; its count may not exceed `limit`."""
    model = JEPA(architecture)
    if (count := count_parameters(model)) > limit:
        raise UserError(f"this architecture has {count:,} trainable parameters, the budget allows {limit:,}")
    return model
