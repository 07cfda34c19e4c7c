"""What a model costs: parameters by module, buffers, bytes, and multiply-adds as fvcore counts them."""

import copy
import logging
import math
from typing import Any

import torch
from fvcore.nn import FlopCountAnalysis, parameter_count
from fvcore.nn.jit_handles import get_shape
from torch import Tensor

from tiny_jepa.models.jepa import JEPA
from tiny_jepa.tables import markdown

SUMS = ("sum", "amax", "amin", "add", "sub")
BY_HAND = (*SUMS, "mul", "mul_", "div", "square", "pow", "clamp_min", "relu", "sigmoid", "exp")


def elements(inputs: list[Any], outputs: list[Any]) -> int:
    """Of an operator that fvcore does not count: one operation an element of its larger side."""
    return max(math.prod(get_shape(side) or ()) for side in (inputs[0], outputs[0]))


def operations(model: JEPA, method: str, *inputs: Tensor) -> dict[str, Any]:
    """What a method does with these inputs: the multiply-adds that `fvcore` counts, the rest `by_hand`, and both."""
    logging.getLogger("fvcore.nn.jit_analysis").setLevel(logging.ERROR)  # it warns of what is no arithmetic
    traced = copy.copy(model)
    traced.forward = getattr(model, method)  # type: ignore[method-assign]
    handles = {f"aten::{name}": elements for name in BY_HAND}
    counted = FlopCountAnalysis(traced, inputs).set_op_handle(**handles).by_operator()
    by_hand = {name: int(count) for name, count in counted.items() if name in BY_HAND}
    total = int(sum(counted.values()))
    return {"fvcore": total - sum(by_hand.values()), "by_hand": by_hand, "total": total}


def cost_report(model: JEPA, image_size: int) -> dict[str, Any]:
    """Everything that `count_params.py` prints, as plain values."""
    counts = parameter_count(model)
    frame, code = torch.rand(1, model.frame.channels, image_size, image_size), torch.zeros(1, 2)
    with torch.no_grad():
        costs = {
            "encode a frame's agent": operations(model, "encode_agent", frame),
            "draw its map": operations(model, "encode_context", frame),
            "one predicted step": operations(model, "step", code, code, model.encode_context(frame)),
        }
    return {
        "parameters": counts[""],
        "modules": {name: count for name, count in counts.items() if name and count and name.count(".") < 2},
        "buffers": {name: buffer.numel() for name, buffer in model.named_buffers()},
        "bytes_float32": 4 * counts[""],
        "bytes_float16": 2 * counts[""],
        "image_size": image_size,
        "costs": costs,
    }


def cost_table(report: dict[str, Any]) -> str:
    """The report as a table."""
    rows = [(name.replace(".", " / "), f"{count:,}") for name, count in report["modules"].items()]
    rows += [("trainable parameters", f"{report['parameters']:,}")]
    rows += [("buffers", f"{sum(report['buffers'].values()):,}" if report["buffers"] else "none")]
    rows += [("bytes, float32 / float16", f"{report['bytes_float32']:,} / {report['bytes_float16']:,}")]
    for name, cost in report["costs"].items():
        rows += [(f"{name}: multiply-adds (fvcore)", f"{cost['fvcore']:,}")]
        rows += [(f"  + {', '.join(cost['by_hand'])}", f"{sum(cost['by_hand'].values()):,}")]
    return markdown(["", "count"], rows)
