"""Codes and positions stay in float32: bfloat16 has steps of 0.25 px at 32 px, and a wall is met at less."""

from collections.abc import Callable
from functools import wraps

import torch
from torch import Tensor


def in_float32(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A module's method that autocast leaves alone."""

    @wraps(forward)
    def exact(module: object, values: Tensor) -> Tensor:
        device = values.device.type
        if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
            return forward(module, values)
        with torch.autocast(device, enabled=False):
            return forward(module, values.float())

    return exact
