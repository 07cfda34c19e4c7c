"""Counts a model's parameters and cost: python count_params.py [--budget 2k | --weights FILE | --all] [--json]"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tiny_jepa.errors import leave_quietly

if __name__ == "__main__":
    leave_quietly()

from tiny_jepa.budgets import build_model, find_budget, list_budgets
from tiny_jepa.errors import UserError, run_cli
from tiny_jepa.models.cost import cost_report, cost_table
from tiny_jepa.models.size import count_parameters
from tiny_jepa.options import Checked, Within, parse
from tiny_jepa.weights import ROOT_WEIGHTS, read_weights


@dataclass(frozen=True)
class Options(Checked):
    """What is counted."""

    budget: str | None = None  # a preset or any count: 500, 2k, 123456
    weights: Path = ROOT_WEIGHTS  # a weights file
    all: bool = False  # every preset
    image_size: Annotated[int, Within(16, 4096)] = 64  # px, for the cost of encoding
    json: bool = False  # print JSON


def main() -> int:
    says = "Parameters, bytes and multiply-adds, and whether the budget holds."
    arguments = parse(Options, sys.argv[1:], "count_params.py", says)
    chosen = [arguments.budget is not None, arguments.weights != ROOT_WEIGHTS, arguments.all]
    if sum(chosen) > 1:
        raise UserError("--budget, --weights and --all each choose what is counted; give one")
    if arguments.all or arguments.budget is not None:
        names = list_budgets() if arguments.all else [str(arguments.budget)]
        subjects = [(f"budget {name}", build_model(name), find_budget(name).limit) for name in names]
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


if __name__ == "__main__":
    run_cli(main)
