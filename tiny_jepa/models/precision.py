"""Codes and positions stay in float32: bfloat16 has steps of 0.25 px at 32 px, and a wall is met at less."""

from collections.abc import Callable
from functools import wraps

import torch
from torch import Tensor


def in_float32(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A module's method that autocast leaves alone."""

    @wraps(forward)
    def exact(self: object, *inputs: Tensor) -> Tensor:
        device = inputs[0].device.type
        if not torch.is_autocast_enabled(device):
            return forward(self, *inputs)
        with torch.autocast(device, enabled=False):
            return forward(self, *(value.float() for value in inputs))

    return exact
