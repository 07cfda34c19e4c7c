"""Which device to run on."""

import torch

from tiny_jepa.errors import UserError


def get_device(name: str | None = None) -> torch.device:
    """`name`, or the best there is: CUDA, then MPS, then the CPU."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name is None:
        return torch.device("cuda" if available["cuda"] else "mps" if available["mps"] else "cpu")
    if not available.get(name.split(":")[0], False):
        raise UserError(f"no device '{name}' here; available: {', '.join(k for k, v in available.items() if v)}")
    return torch.device(name)
