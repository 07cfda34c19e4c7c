"""A model as ONNX graphs: the encoders, one step, and the whole unroll; any batch, length and frame size.

torch's exporter follows the model itself (`torch.export`), and the unroll becomes a loop of the graph (Scan).
"""

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from tiny_jepa.errors import UserError
from tiny_jepa.files import write_atomically
from tiny_jepa.models.jepa import JEPA

GRAPHS = {
    "encoder": (["frames"], ["code", "context"]),
    "step": (["code", "action", "context"], ["next_code"]),
    "unroll": (["frames", "actions"], ["codes"]),
}
"""Inputs and outputs of each: frames [B, C, S, S], action(s) [B, (T-1,) 2] px, code(s) [B, (T,) 2] in code units."""
OPEN = {"frames": {0: "B", 2: "S", 3: "S"}, "actions": {0: "B", 1: "steps"}}
"""Axes of the inputs whose length is free, by name; of all others, the first."""


class Graph(nn.Module):
    """One of `GRAPHS` as a module that torch can follow."""

    def __init__(self, model: JEPA, name: str) -> None:
        super().__init__()
        self.model, self.name = model, name

    def forward(self, *inputs: Tensor) -> Any:
        if self.name == "step":
            return self.model.predictor(*inputs)
        frames = inputs[0]
        code, context = self.model.encode_agent(frames), self.model.encode_context(frames)
        return (code, context) if self.name == "encoder" else self.unroll(code, inputs[1], context)

    def unroll(self, code: Tensor, actions: Tensor, context: Tensor) -> Tensor:
        """`JEPA.unroll`, as a loop that stays a loop however many actions there are."""
        from torch._higher_order_ops.scan import scan

        def step(before: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
            after = self.model.predictor(before, action, context)
            return after, after.clone()

        later = scan(step, code, rearrange(actions, "b t d -> t b d"))[1]
        return torch.cat([rearrange(code, "b d -> b 1 d"), rearrange(later, "t b d -> b t d")], dim=1)
