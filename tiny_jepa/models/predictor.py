"""The predictor: one gated residual cell, shared by every step of the unroll.

`z' = z + gate * s a`, with `s` a learned scale of the action that starts at zero, and a gate that starts open: it
cannot drift. Where a blocked move leaves the agent in place, one gate for both coordinates is the true form; where the
agent slides along a wall, one for each. Which moves are blocked, and where, the gate has to learn.

What the gate sees is mirror-symmetric: on each axis, distances along the direction of the move. A distance beyond a
learned window looks like any other beyond it.
"""

from math import log

import torch
from torch import Tensor, nn

from tiny_jepa.models.precision import in_float32
from tiny_jepa.worlds import DEFAULT
from tiny_jepa.worlds.contract import Frame

OPEN_BIAS = 2.0
WINDOW = 0.5
"""Code units: how far the gate sees when training starts."""
SCATTER = 1.5
"""Code units: how far from the frame's middle learned key points may begin. In the middle itself, what a gate sees is
symmetric, and a door would be as good as its mirror image."""
SEEN = 2.0
"""What the gate sees at the end of its window: Adam learns faster from inputs of this size than of size 1."""


def gate_inputs(frame: Frame) -> int:
    """Numbers that a gate sees: on each axis, the edge, and the move's end and start about each key point; and the
    half-widths."""
    return 2 + 4 * frame.key_points + frame.coordinates * frame.widths


class GatedCell(nn.Module):
    """Predicts the next agent code from this one, the action and the context: what was read of the layout's P key
    points, and the far edge of the frame, whose near edge is at 0.

    Args:
        widths: hidden widths of the gate's MLP.
    """

    def __init__(self, widths: tuple[int, ...], frame: Frame = DEFAULT.frame) -> None:
        super().__init__()
        self.frame = frame
        self.hidden = nn.ModuleList(
            nn.Linear(fan_in, fan_out) for fan_in, fan_out in zip((gate_inputs(frame), *widths), widths, strict=False)
        )
        self.out = nn.Linear(widths[-1], frame.gates)
        self.log_gain = nn.Parameter(torch.zeros(()))
        self.log_zoom = nn.Parameter(torch.zeros(1 + 2 * frame.key_points))  # edges; each key point along x, y
        self.action = nn.Parameter(torch.zeros(()))
        self.along = [1 + 2 * i + "xy".index(axis) for i in range(frame.key_points) for axis in frame.read]
        fixed = frame.key_points * (2 - len(frame.read))
        self.fixed = nn.Parameter(torch.empty(fixed).uniform_(-SCATTER, SCATTER)) if fixed else None  # from the middle
        nn.init.constant_(self.log_zoom[1:], log(WINDOW / frame.window))
        nn.init.constant_(self.out.bias, OPEN_BIAS)

    def gate_parameters(self) -> list[nn.Parameter]:
        """All but the action's scale."""
        return [parameter for name, parameter in self.named_parameters() if name != "action"]

    def key_points(self, context: Tensor) -> list[Tensor]:
        """context [..., L + 2] -> the key points [..., 2] each: read off the frame, or learned once for all."""
        coordinates = context[..., : self.frame.coordinates]
        if self.fixed is not None:
            read, fixed = (iter(part.unbind(-1)) for part in (coordinates, self.fixed + context[..., -1:] / 2))
            each = [next(read if axis in self.frame.read else fixed) for axis in "xy" * self.frame.key_points]
            coordinates = torch.stack(each, dim=-1)
        return [coordinates[..., 2 * i : 2 * i + 2] for i in range(self.frame.key_points)]

    def view(self, start: Tensor, end: Tensor, context: Tensor) -> Tensor:
        """What the gate sees of a move between codes [..., 2], context [..., L + 2] -> [..., gate_inputs] from -2 to 2.

        On each axis, in the direction of the move: how far its end is from the edge of the frame ahead of it, and how
        far its end and its start have come from each key point. Along an axis without a move, the direction is away
        from the first key point, so that a mirror image is the mirror image there, too. Half-widths come last.
        """
        keys = self.key_points(context)
        forward = torch.where(end == start, end - keys[0] if keys else 0 * end, end - start) >= 0
        ahead = torch.where(forward, 1.0, -1.0)
        to_edge = torch.where(forward, context[..., -2:] - end, end)
        zoom = self.log_zoom.exp() / WINDOW
        distances = [to_edge * zoom[0]]
        for i, key in enumerate(keys):
            distances += [(point - key) * ahead * zoom[2 * i + 1 : 2 * i + 3] for point in (end, start)]
        if self.frame.widths:
            distances.append(context[..., self.frame.coordinates : -2] * zoom[self.along])
        return SEEN * nn.functional.hardtanh(torch.cat(distances, dim=-1))

    @in_float32
    def gate_logit(self, start: Tensor, end: Tensor, context: Tensor) -> Tensor:
        """start, end [..., 2] of a move, context [..., L + 2] -> logits [..., gates]."""
        seen = self.view(start, end, context)
        for layer in self.hidden:
            seen = torch.relu(layer(seen))
        return self.out(seen) * self.log_gain.exp()

    def propose(self, code: Tensor, action: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """code [..., 2], action [..., 2] px, context [..., L + 2] -> free move [..., 2], logits [..., gates]."""
        move = self.action * action
        return move, self.gate_logit(code, code + move, context)

    def forward(self, code: Tensor, action: Tensor, context: Tensor) -> Tensor:
        """code [..., 2], action [..., 2] px, context [..., L + 2] -> next code [..., 2]."""
        move, logit = self.propose(code, action, context)
        return code + torch.sigmoid(logit) * move
