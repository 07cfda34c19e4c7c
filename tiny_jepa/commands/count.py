"""`python count_params.py`: a model's parameters and cost, and whether its budget holds."""

import json
from pathlib import Path
from typing import Annotated

from tiny_jepa.budgets import build_model, find_budget, list_budgets
from tiny_jepa.commands import DEFAULT
from tiny_jepa.errors import UserError
from tiny_jepa.models.cost import cost_report, cost_table
from tiny_jepa.models.size import count_parameters
from tiny_jepa.options import parse, settings, within
from tiny_jepa.weights import ROOT_WEIGHTS, read_weights
from tiny_jepa.worlds import find_world


@settings
class Options:
    """What is counted."""

    budget: str | None = None  # a preset or any count: 500, 2k, 123456
    weights: Path = ROOT_WEIGHTS  # a weights file
    all: bool = False  # every preset
    world: str = DEFAULT  # of the budget, its name or package.module:NAME
    image_size: Annotated[int, within(16, 4096)] = 64  # px, for the cost of encoding
    json: bool = False  # print JSON


def main(argv: list[str]) -> int:
    says = "Parameters, bytes and multiply-adds, and whether the budget holds."
    arguments = parse(Options, argv, "count_params.py", says)
    chosen = [arguments.budget is not None, arguments.weights != ROOT_WEIGHTS, arguments.all]
    if sum(chosen) > 1:
        raise UserError("--budget, --weights and --all each choose what is counted; give one")
    if arguments.all or arguments.budget is not None:
        world = find_world(arguments.world)
        names = list_budgets(world) if arguments.all else [str(arguments.budget)]
        subjects = [(f"budget {name}", build_model(name, world), find_budget(name, world).limit) for name in names]
    else:
        model, metadata = read_weights(arguments.weights)
        name, limit = metadata.get("budget", "unknown"), metadata.get("budget_limit", 0)
        subjects = [(f"{arguments.weights}, budget {name}", model, limit or count_parameters(model))]
    reports, broken = {}, 0
    for title, model, limit in subjects:
        report = cost_report(model, arguments.image_size)
        holds = report["parameters"] <= limit
        broken += not holds
        reports[title] = report | {"limit": limit, "holds": holds}
        if not arguments.json:
            says = f"{'holds' if holds else 'BROKEN'}: {report['parameters']:,} of {limit:,}"
            print(f"{title} ({says}, {report['parameters'] / limit:.1%})\n{cost_table(report)}\n")
    if arguments.json:
        print(json.dumps(reports, indent=1))
    return 1 if broken else 0
