"""From a parameter budget to an architecture.

The encoders have the same 23 parameters at every budget: more filters did not place dot, wall or door any better
(docs/budgets.md). All the rest goes to the predictor's gate, whose hidden widths are solved for.
"""

from dataclasses import replace
from itertools import product

from torch import nn

from tiny_jepa.errors import UserError
from tiny_jepa.models.encoder import GRID_CELLS
from tiny_jepa.models.jepa import JEPA, Architecture

THREE_LAYERS_FROM = 1_000
SLACK = 4
"""Widths may differ from each other by a few, so that the budget is filled."""


def count_parameters(model: nn.Module) -> int:
    """Trainable parameters of a module."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def predicted_count(architecture: Architecture) -> int:
    """Trainable parameters that a model of this architecture has, without building it."""
    a = architecture
    agent = a.agent_channels * a.agent_kernel + (a.agent_channels if a.agent_channels > 1 else 0)
    agent += GRID_CELLS + 1 if a.agent_pool == "grid" else 0
    filters = a.layout_channels * a.layout_kernel
    layout = 2 * (filters + (a.layout_channels if a.layout_channels > 1 else 0))
    fan_in, gate = 6, 0
    for width in a.gate_widths:
        gate += (fan_in + 1) * width
        fan_in = width
    return agent + layout + gate + (fan_in + 1) + 1 + 4


def solve(limit: int, base: Architecture) -> Architecture:
    """The architecture with the largest count that `limit` allows, the gate's widths free and nearly equal: two
    hidden layers below `THREE_LAYERS_FROM` parameters, three from there on.

    Raises:
        UserError: when not even the narrowest gate fits; the message names the smallest buildable budget.
    """

    def count(*widths: int) -> int:
        return predicted_count(replace(base, gate_widths=widths))

    if limit < count(1, 1):
        raise UserError(f"no model fits a budget of {limit} parameters; the smallest buildable one has {count(1, 1)}")
    layers = 3 if limit >= THREE_LAYERS_FROM else 2
    width = 1
    while count(*[width + 1] * layers) <= limit:
        width += 1
    near = range(max(1, width - SLACK), width + SLACK + 1)
    fitting = []
    for first in product(near, repeat=layers - 1):
        tied = base.gate_depth > 1  # a layer that is applied again must be square
        widest = (first[-1],) if tied else range(width + SLACK, 0, -1)
        last = next((w for w in widest if count(*first, w) <= limit), None)
        if last is not None:
            fitting.append((*first, last))
    return replace(base, gate_widths=max(fitting, key=lambda widths: (count(*widths), min(widths))))


def build(architecture: Architecture, limit: int) -> JEPA:
    """Builds a model; its count may not exceed `limit`."""
    model = JEPA(architecture)
    if (count := count_parameters(model)) > limit:
        raise UserError(f"this architecture has {count:,} trainable parameters, the budget allows {limit:,}")
    return model
