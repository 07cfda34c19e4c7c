"""The predictor: one gated residual cell, shared by every step of the unroll.

`z' = z + gate * A a`, with `A` a learned linear map of the action that starts at zero and one scalar gate that
starts open. A blocked move leaves the agent in place, so a single gate for both coordinates is the true form, and
free motion cannot drift. The gate sees the proposed code `z + A a`, the same relative to the layout code, and the
action. Which moves are blocked, and where, it has to learn.
"""

import torch
from torch import Tensor, nn

CENTRE = 2.0
"""Codes enter the gate relative to 2 units (32 px): a fixed number for the conditioning, whatever the image size."""
RELATIVE_SCALE = 3.0
"""Relative positions are scaled up so that one pixel matters."""
OPEN_BIAS = 2.0


class GatedCell(nn.Module):
    """Predicts the next agent code from this one, the action and the layout code.

    Args:
        widths: hidden widths of the gate's MLP. depth: weight-tied depth, how often the last hidden layer is applied.
        relative: whether the gate sees the proposed code relative to the layout code, or the layout code itself.
    """

    def __init__(self, widths: tuple[int, ...], depth: int = 1, relative: bool = True) -> None:
        super().__init__()
        self.relative = relative
        self.depth = depth
        inputs = 6
        self.hidden = nn.ModuleList(
            nn.Linear(fan_in, fan_out) for fan_in, fan_out in zip((inputs, *widths), widths, strict=False)
        )
        self.out = nn.Linear(widths[-1], 1)
        self.log_gain = nn.Parameter(torch.zeros(()))
        self.action = nn.Linear(2, 2, bias=False)
        nn.init.zeros_(self.action.weight)
        nn.init.constant_(self.out.bias, OPEN_BIAS)

    def gate_parameters(self) -> list[nn.Parameter]:
        """All but the action map."""
        return [parameter for name, parameter in self.named_parameters() if not name.startswith("action.")]

    @torch.no_grad()
    def adopt(self, narrow: "GatedCell") -> None:
        """Takes over the function of a cell that is nowhere wider: its units keep their weights and do not listen to
        the others, which stay as they were drawn (function-preserving widening: Chen et al. 2016, "Net2Net",
        arXiv:1511.05641)."""
        self.action.load_state_dict(narrow.action.state_dict())
        self.log_gain.copy_(narrow.log_gain)
        for old, new in zip([*narrow.hidden, narrow.out], [*self.hidden, self.out], strict=True):
            to, of = old.weight.shape
            new.weight[:to, :of] = old.weight
            new.weight[:to, of:] = 0.0
            new.bias[:to] = old.bias

    def gate_logit(self, proposed: Tensor, action: Tensor, layout: Tensor) -> Tensor:
        """proposed [..., 2], action [..., 2] px, layout [..., 2] -> logit [..., 1]."""
        layout = (proposed - layout) * RELATIVE_SCALE if self.relative else layout - CENTRE
        seen = torch.cat([proposed - CENTRE, layout, action], dim=-1)
        for layer in self.hidden:
            seen = torch.relu(layer(seen))
        for _ in range(self.depth - 1):
            seen = torch.relu(self.hidden[-1](seen))
        return self.out(seen) * self.log_gain.exp()

    def propose(self, code: Tensor, action: Tensor, layout: Tensor) -> tuple[Tensor, Tensor]:
        """code [..., 2], action [..., 2] px, layout [..., 2] -> the free move [..., 2], the gate's logit [..., 1]."""
        move = self.action(action)
        return move, self.gate_logit(code + move, action, layout)

    def forward(self, code: Tensor, action: Tensor, layout: Tensor) -> Tensor:
        """code [..., 2], action [..., 2] px, layout [..., 2] -> next code [..., 2]."""
        move, logit = self.propose(code, action, layout)
        return code + torch.sigmoid(logit) * move
