"""From a parameter budget to an architecture: the encoder is the same at every budget, all the rest goes to the
predictor's gate."""

from dataclasses import replace

import torch
from torch import nn

from tiny_jepa.errors import UserError
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.settings import Architecture
from tiny_jepa.worlds.contract import Frame


def count_parameters(model: nn.Module) -> int:
    """Parameters of a module; all of ours are trained."""
    return sum(p.numel() for p in model.parameters())


def parameter_count(architecture: Architecture, frame: Frame) -> int:
    """Trainable parameters that a model of this architecture has; nothing is allocated."""
    with torch.device("meta"):
        return count_parameters(JEPA(architecture, frame))


def solve(limit: int, base: Architecture, frame: Frame) -> Architecture:
    """The architecture with the widest gate of one hidden layer that `limit` allows; a `UserError` where not even the
    narrowest fits."""
    least, next_one = (parameter_count(replace(base, gate_widths=(width,)), frame) for width in (1, 2))
    if limit < least:
        raise UserError(f"no model fits a budget of {limit} parameters; the smallest buildable one has {least}")
    return replace(base, gate_widths=((limit - least) // (next_one - least) + 1,))  # each unit costs the same
