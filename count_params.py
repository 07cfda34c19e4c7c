"""Counts a model's parameters and cost: python count_params.py [--budget 2k | --weights FILE | --all] [--json]"""

import argparse
import json

from tiny_jepa.budgets import build_model, find_budget, list_budgets
from tiny_jepa.errors import UserError, run_cli
from tiny_jepa.models.cost import cost_report, cost_table
from tiny_jepa.weights import read_weights


def main() -> int:
    parser = argparse.ArgumentParser(description="Parameters, bytes and multiply-adds, and whether the budget holds.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--budget", help="a preset or any count: 500, 2k, 123456")
    which.add_argument("--weights", default="model_weights.pth", help="a weights file (model_weights.pth)")
    which.add_argument("--all", action="store_true", help="every preset")
    parser.add_argument("--image-size", type=int, default=64, help="px, for the cost of encoding (64)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    if arguments.image_size < 16:
        raise UserError(f"--image-size must be at least 16, not {arguments.image_size}")
    if arguments.all or arguments.budget:
        names = list_budgets() if arguments.all else [arguments.budget]
        subjects = [(f"budget {name}", build_model(name), find_budget(name).limit) for name in names]
    else:
        model, metadata = read_weights(arguments.weights)
        subjects = [(f"{arguments.weights}, budget {metadata['budget']}", model, metadata["budget_limit"])]
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
