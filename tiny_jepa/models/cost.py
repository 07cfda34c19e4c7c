"""What a model costs: parameters by module, and multiply-adds as fvcore counts them."""

import copy
import logging
import math
from typing import Any

import torch
from fvcore.nn import FlopCountAnalysis, parameter_count
from fvcore.nn.jit_handles import get_shape
from torch import Tensor

from tiny_jepa.models.jepa import JEPA

SUMS = ("sum", "amax", "amin", "add", "sub")
OTHERS = (*SUMS, "mul", "mul_", "div", "square", "pow", "clamp_min", "relu", "sigmoid", "exp")
"""Operators that fvcore does not count: one operation an element of their larger side."""


def operations(model: JEPA, method: str, *inputs: Tensor) -> dict[str, int]:
    logging.getLogger("fvcore.nn.jit_analysis").setLevel(logging.ERROR)  # it warns of what is no arithmetic
    traced = copy.copy(model)
    traced.forward = getattr(model, method)  # type: ignore[method-assign]
    sides = {f"aten::{name}": lambda *of: max(math.prod(get_shape(side[0]) or ()) for side in of) for name in OTHERS}
    counted = FlopCountAnalysis(traced, inputs).set_op_handle(**sides).by_operator()
    others = int(sum(counted[name] for name in OTHERS))
    return {"multiply-adds by fvcore": int(sum(counted.values())) - others, "other operations": others}


@torch.no_grad()
def cost_report(model: JEPA, size: int) -> dict[str, Any]:
    """Parameters, by module as well, and what a frame of `size` px, or its world's, and a step cost; plain values."""
    size = model.frame.side or size
    counts, frame, code = parameter_count(model), torch.rand(1, model.frame.channels, size, size), torch.zeros(1, 2)
    costs = {
        "encode a frame's agent": operations(model, "encode_agent", frame),
        "draw its map": operations(model, "encode_context", frame),
        "one predicted step": operations(model, "step", code, code, model.encode_context(frame)),
    }
    modules = {name: count for name, count in counts.items() if name and count and name.count(".") < 2}
    return {"parameters": counts[""], "modules": modules, "image_size": size, "costs": costs}
