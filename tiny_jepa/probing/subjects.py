"""What a model is compared with: itself without the lift, itself untrained, and dead reckoning."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from tiny_jepa.models import JEPA
from tiny_jepa.models.encoder import centroid, marginals
from tiny_jepa.models.lift import lift
from tiny_jepa.worlds import DEFAULT
from tiny_jepa.worlds.contract import Frame


class DeadReckoning(nn.Module):
    """The start read from the agent channel's pixels, all actions added up, every wall ignored. No parameter.

    It marks what an entry knows that has localised the dot and does not know that walls exist.
    """

    def __init__(self, repr_dim: int = 512, frame: Frame = DEFAULT.frame) -> None:
        super().__init__()
        self.lifted, self.repr_dim, self.frame = repr_dim > 0, repr_dim or 2, frame

    def forward(self, states: Tensor, actions: Tensor) -> Tensor:
        start = centroid(marginals(states[:, 0, self.frame.agent]), self.frame.unit)[:, None]  # [B, 1, 2]
        codes = torch.cat([start, start + actions.float().cumsum(dim=1) / self.frame.unit], dim=1)
        return lift(codes, self.repr_dim) if self.lifted else codes


def without_lift(model: JEPA) -> JEPA:
    """The same weights, read out at the bare agent code."""
    bare = JEPA(replace(model.architecture, repr_dim=0))
    bare.load_state_dict(model.state_dict())
    return bare.eval()


def untrained(model: JEPA, seed: int = 0) -> JEPA:
    """The same architecture with the parameters that training starts from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return JEPA(model.architecture).eval()
