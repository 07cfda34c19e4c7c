"""One or two optimizers that step as one: Adam for all parameters, or Muon for hidden matrices and Adam for the rest.

Muon: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; with the scale of Liu et al. 2025,
"Muon is scalable for LLM training", so that one learning rate serves both.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

BETAS = (0.9, 0.99)


class Optimizers:
    """Optimizers of disjoint parameters, with one learning rate; `learned` has all the parameters."""

    def __init__(self, learned: list[nn.Parameter], members: list[torch.optim.Optimizer]) -> None:
        self.learned, self.members = learned, members
        self.lr = 0.0

    def set_lr(self, lr: float) -> None:
        self.lr = lr
        for member in self.members:
            for group in member.param_groups:
                group["lr"] = lr

    def zero_grad(self) -> None:
        for member in self.members:
            member.zero_grad()

    def step(self) -> None:
        for member in self.members:
            member.step()

    def state_dict(self) -> list[dict[str, Any]]:
        return [member.state_dict() for member in self.members]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        for member, state in zip(self.members, states, strict=True):
            member.load_state_dict(state)


def build_optimizer(learned: list[nn.Parameter], by_muon: list[nn.Parameter]) -> Optimizers:
    """Adam for `learned`, but for the matrices `by_muon` among them."""
    chosen = {id(parameter) for parameter in by_muon}
    rest = [parameter for parameter in learned if id(parameter) not in chosen]
    members: list[torch.optim.Optimizer] = [torch.optim.Adam(rest, lr=0.0, betas=BETAS)]
    if by_muon:
        members.append(torch.optim.Muon(by_muon, lr=0.0, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"))
    return Optimizers(learned, members)
