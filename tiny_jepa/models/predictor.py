"""The predictor: one gated residual cell, shared by every step of the unroll.

`z' = z + gate * s a`, with `s` a learned scale of the action that starts at zero, and one scalar gate that starts open.
A blocked move leaves the agent in place, so a single gate for both coordinates is the true form, and free motion cannot
drift. Which moves are blocked, and where, the gate has to learn.

What the gate sees is mirror-symmetric: on each axis, distances along the direction of the move. A distance beyond a
learned window looks like any other beyond it.
"""

import torch
from torch import Tensor, nn

GATE_INPUTS = 6
OPEN_BIAS = 2.0
WINDOW = 0.5
"""Code units: how far the gate sees when training starts."""
SEEN = 2.0
"""What the gate sees at the end of its window: Adam learns faster from inputs of this size than of size 1."""


class GatedCell(nn.Module):
    """Predicts the next agent code from this one, the action and the context: the layout's key point and the far edge
    of the frame, whose near edge is at 0.

    Args:
        widths: hidden widths of the gate's MLP.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(
            nn.Linear(fan_in, fan_out) for fan_in, fan_out in zip((GATE_INPUTS, *widths), widths, strict=False)
        )
        self.out = nn.Linear(widths[-1], 1)
        self.log_gain = nn.Parameter(torch.zeros(()))
        self.log_zoom = nn.Parameter(torch.zeros(3))  # of the edges, and of the key point along x and y
        self.action = nn.Parameter(torch.zeros(()))
        nn.init.constant_(self.out.bias, OPEN_BIAS)

    def gate_parameters(self) -> list[nn.Parameter]:
        """All but the action's scale."""
        return [parameter for name, parameter in self.named_parameters() if name != "action"]

    def view(self, start: Tensor, end: Tensor, context: Tensor) -> Tensor:
        """What the gate sees of a move between codes [..., 2], context [..., 4] -> [..., 6] from -2 to 2.

        On each axis, in the direction of the move: how far its end is from the edge of the frame ahead of it, and how
        far its end and its start have come from the key point. Along an axis without a move, the direction is away from
        the key point, so that a mirror image is the mirror image there, too.
        """
        key, edge = context[..., :2], context[..., 2:]
        forward = torch.where(end == start, end - key, end - start) >= 0
        ahead = torch.where(forward, 1.0, -1.0)
        to_edge = torch.where(forward, edge - end, end)
        zoom = self.log_zoom.exp() / WINDOW
        distances = [to_edge * zoom[0], (end - key) * ahead * zoom[1:], (start - key) * ahead * zoom[1:]]
        return SEEN * nn.functional.hardtanh(torch.cat(distances, dim=-1))

    def gate_logit(self, start: Tensor, end: Tensor, context: Tensor) -> Tensor:
        """start, end [..., 2] of a move, context [..., 4] -> logit [..., 1]."""
        seen = self.view(start, end, context)
        for layer in self.hidden:
            seen = torch.relu(layer(seen))
        return self.out(seen) * self.log_gain.exp()

    def propose(self, code: Tensor, action: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """code [..., 2], action [..., 2] px, context [..., 4] -> the free move [..., 2], the gate's logit [..., 1]."""
        move = self.action * action
        return move, self.gate_logit(code, code + move, context)

    def forward(self, code: Tensor, action: Tensor, context: Tensor) -> Tensor:
        """code [..., 2], action [..., 2] px, context [..., 4] -> next code [..., 2]."""
        move, logit = self.propose(code, action, context)
        return code + torch.sigmoid(logit) * move
