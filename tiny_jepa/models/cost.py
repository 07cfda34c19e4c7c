"""What a model costs: parameters by module, buffers, bytes, and multiply-adds as fvcore counts them."""

import logging
from typing import Any

import torch
from fvcore.nn import FlopCountAnalysis, parameter_count
from torch import Tensor, nn

from tiny_jepa.models.jepa import JEPA
from tiny_jepa.models.size import count_parameters

ARITHMETIC = ("sum", "amax", "amin", "mul", "mul_", "div", "add", "sub", "square", "pow", "clamp_min")
BY_HAND = (*ARITHMETIC, "softmax", "log1p", "relu", "sigmoid", "exp")
"""Operators that fvcore does not count; each is counted as one operation an element of its larger side."""


class _Call(nn.Module):
    """Makes a method of the model a module that can be traced."""

    def __init__(self, model: JEPA, method: str) -> None:
        super().__init__()
        self.model, self.method = model, method

    def forward(self, *inputs: Tensor) -> Tensor:
        return getattr(self.model, self.method)(*inputs)


def _elements(inputs: list[Any], outputs: list[Any]) -> int:
    sizes = [value.type().sizes() for value in (inputs[0], outputs[0]) if value.isCompleteTensor()]
    return max((int(torch.Size(size).numel()) for size in sizes), default=0)


def call_cost(model: JEPA, method: str, *inputs: Tensor) -> dict[str, Any]:
    """Operations of `encode_agent`, `encode_context` or one `step` of the predictor, for these inputs: the
    multiply-adds that `fvcore` counts, the rest `by_hand`, by operator, and their `total`."""
    logging.getLogger("fvcore.nn.jit_analysis").setLevel(logging.ERROR)  # it warns of what is no arithmetic
    handles = {f"aten::{name}": _elements for name in BY_HAND}
    counted = FlopCountAnalysis(_Call(model, method), inputs).set_op_handle(**handles).by_operator()
    by_hand = {name: int(counted[name]) for name in counted if name in BY_HAND}
    total = sum(counted.values())
    return {"fvcore": int(total - sum(by_hand.values())), "by_hand": by_hand, "total": int(total)}


def cost_report(model: JEPA, image_size: int) -> dict[str, Any]:
    """Everything that `count_params.py` prints, as plain values."""
    parameters = parameter_count(model)
    frame = torch.rand(1, model.frame.channels, image_size, image_size)
    step = [torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, image_size, image_size, dtype=torch.uint8)]
    with torch.no_grad():
        costs = {
            "encode a frame's agent": call_cost(model, "encode_agent", frame),
            "draw its map": call_cost(model, "encode_context", frame),
            "one predicted step": call_cost(model, "step", *step),
        }
    total = count_parameters(model)
    return {
        "parameters": total,
        "modules": {name: count for name, count in parameters.items() if name and count and name.count(".") < 2},
        "buffers": {name: buffer.numel() for name, buffer in model.named_buffers()},
        "bytes_float32": 4 * total,
        "bytes_float16": 2 * total,
        "image_size": image_size,
        "costs": costs,
    }


def cost_table(report: dict[str, Any]) -> str:
    """The report as lines that line up."""
    rows = [(name.replace(".", " / "), f"{count:,}") for name, count in report["modules"].items()]
    rows += [("trainable parameters", f"{report['parameters']:,}")]
    rows += [("buffers", f"{sum(report['buffers'].values()):,}" if report["buffers"] else "none")]
    rows += [("bytes, float32 / float16", f"{report['bytes_float32']:,} / {report['bytes_float16']:,}")]
    for name, cost in report["costs"].items():
        rows.append((f"{name}: multiply-adds (fvcore)", f"{cost['fvcore']:,}"))
        by_hand = ", ".join(cost["by_hand"])
        rows.append((f"  + {by_hand}", f"{sum(cost['by_hand'].values()):,}"))
    width = max(len(name) for name, _ in rows)
    end = max(len(value) for _, value in rows)
    return "\n".join(f"{name:<{width}}  {value:>{end}}" for name, value in rows)
