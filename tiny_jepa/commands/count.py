"""`python count_params.py`: a model's parameters and cost, and whether its budget holds."""

import copy
import json
import logging
import math
from pathlib import Path
from typing import Annotated, Any

import torch
from fvcore.nn import FlopCountAnalysis, parameter_count
from fvcore.nn.jit_handles import get_shape
from torch import Tensor

from tiny_jepa.budgets import find_budget, list_budgets
from tiny_jepa.commands import DEFAULT
from tiny_jepa.errors import UserError
from tiny_jepa.models import JEPA, count_parameters
from tiny_jepa.options import parse, settings, within
from tiny_jepa.tables import markdown
from tiny_jepa.weights import ROOT_WEIGHTS, read_weights
from tiny_jepa.worlds import find_world

SUMS = ("sum", "amax", "amin", "add", "sub")
OTHERS = (*SUMS, "mul", "mul_", "div", "square", "pow", "clamp_min", "relu", "sigmoid", "exp")
"""Operators that fvcore does not count: one operation an element of their larger side."""


@settings
class Options:
    budget: str | None = None  # a preset or any count: 500, 2k, 123456
    weights: Path = ROOT_WEIGHTS  # a weights file
    all: bool = False  # every preset
    world: str = DEFAULT  # of the budget, its name or package.module:NAME
    image_size: Annotated[int, within(16, 4096)] = 64  # px, for the cost of encoding
    json: bool = False  # print JSON


def main(argv: list[str]) -> int:
    args = parse(Options, argv, "count_params.py", "Parameters, bytes, multiply-adds, and whether the budget holds.")
    if (args.budget is not None) + (args.weights != ROOT_WEIGHTS) + args.all > 1:
        raise UserError("--budget, --weights and --all each choose what is counted; give one")
    if args.budget is None and not args.all:
        model, known = read_weights(args.weights)
        limit = known.get("budget_limit") or count_parameters(model)
        subjects = {f"{args.weights}, budget {known.get('budget', 'unknown')}": (model, limit)}
    else:
        world = find_world(args.world)
        budgets = [find_budget(name, world) for name in (list_budgets(world) if args.all else [str(args.budget)])]
        subjects = {f"budget {budget.name}": (budget.build(), budget.limit) for budget in budgets}
    reports = {}
    for title, (model, limit) in subjects.items():
        reports[title] = report = cost_report(model, args.image_size) | {"limit": limit}
        count = report["parameters"]
        rows = [*report["modules"].items(), ("trainable parameters", count), ("bytes, float32", 4 * count)]
        rows += [(f"{what}: {kind}", each) for what, cost in report["costs"].items() for kind, each in cost.items()]
        says = f"{'holds' if count <= limit else 'BROKEN'}: {count:,} of {limit:,}, {count / limit:.1%}"
        if not args.json:
            print(f"{title} ({says})\n{markdown(['', 'count'], [(name, f'{n:,}') for name, n in rows])}\n")
    if args.json:
        print(json.dumps(reports, indent=1))
    return int(any(report["parameters"] > report["limit"] for report in reports.values()))


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


def operations(model: JEPA, method: str, *inputs: Tensor) -> dict[str, int]:
    """What a method of the model does with these inputs, as fvcore counts it."""
    logging.getLogger("fvcore.nn.jit_analysis").setLevel(logging.ERROR)  # it warns of what is no arithmetic
    traced = copy.copy(model)
    traced.forward = getattr(model, method)  # type: ignore[method-assign]
    sides = {f"aten::{name}": lambda *of: max(math.prod(get_shape(side[0]) or ()) for side in of) for name in OTHERS}
    counted = FlopCountAnalysis(traced, inputs).set_op_handle(**sides).by_operator()
    others = int(sum(counted[name] for name in OTHERS))
    return {"multiply-adds by fvcore": int(sum(counted.values())) - others, "other operations": others}
