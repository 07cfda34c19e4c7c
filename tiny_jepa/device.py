"""Which device to run on, and in which precision."""

import contextlib
import platform
from collections.abc import Callable
from functools import wraps

import numpy as np
import torch
from torch import Tensor

from tiny_jepa import __version__
from tiny_jepa.errors import UserError


def get_device(name: str | None = None) -> torch.device:
    """`name`, or the best there is: CUDA, then MPS, then the CPU."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    available = [kind for kind, found in there.items() if found]
    name = name or available[0]
    with contextlib.suppress(RuntimeError, AssertionError):  # a number that is none, or beyond the last
        if name.split(":")[0] in available:
            return torch.empty(0, device=name).device
    raise UserError(f"no device '{name}' here; available: {', '.join(available)}")


def machine(device: torch.device) -> dict[str, str | int]:
    """What the last bits of a result depend on, beside its command: another machine may give others."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    return {
        "host": platform.node(),
        "device": f"{device.type}, {name}",
        "threads": torch.get_num_threads(),
        "version": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a plain string, as in a weights file
        "numpy": np.__version__,
    }


def in_float32(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A module's method that autocast leaves alone: at 32 px bfloat16 has steps of 0.25, and a wall is met at less."""

    @wraps(forward)
    def exact(module: object, values: Tensor) -> Tensor:
        device = values.device.type
        if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
            return forward(module, values)
        with torch.autocast(device, enabled=False):
            return forward(module, values.float())

    return exact
