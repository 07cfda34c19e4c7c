"""How every preset plans, what it is compared with, and what disturbs it.

    python -m benchmarks.planning            # measures what is missing, then writes the tables
    python -m benchmarks.planning --table    # only the tables, from the stored results

Results are in results/planning/, each with its command; what is stored is not measured again: delete it first.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tiny_jepa.budgets import list_budgets, parse_count
from tiny_jepa.commands import plan as command
from tiny_jepa.errors import run_cli
from tiny_jepa.files import write_text
from tiny_jepa.options import Count, parse, settings
from tiny_jepa.tables import markdown, replaced, size
from tiny_jepa.worlds.two_rooms import TWO_ROOMS

RESULTS, PAGE = Path("results/planning"), Path("docs/planning.md")
LAYOUTS, SIDES = ("seen", "unseen", "doors", "rooms", "maze"), (64, 65)
CHEAP = 2_000
"""Parameters: beyond, a row has a tenth of the episodes, and 64 px alone."""
STRAIGHT = "--planner cem --horizon 90 --samples 64 --iterations 2"
COMPARED = {
    "cost-to-go": "",
    "CEM, the cost-to-go as its cost": "--planner cem",
    "CEM, least distance, actions held": f"{STRAIGHT} --cost least --hold 10",
    "CEM, summed distance": f"{STRAIGHT} --cost sum",
}
DISTURBED = {
    "moves disturbed by 0.2 px": "--noise 0.2",
    "goal frame of 65 px, frames of 64 px": "--goal-size 65",
    "start in the door": "--start door",
}
END = ("way / shortest", "CPU s", "episodes")


@settings
class Options:
    """What is done."""

    table: bool = False  # measure nothing
    episodes: Count = 1_000  # of a preset's rows; the other tables have 20 and 200


def measured(name: str, options: str, wanted: bool) -> dict[str, Any] | None:
    """The scores stored under this name; measured with these options first, where they are missing and `wanted`."""
    path = RESULTS / f"{'-'.join(name.replace(',', '').split())}.json"
    if wanted and not path.is_file():
        command.main([*options.split(), "--store", str(path)])
    if not path.is_file():
        return None
    result = json.loads(path.read_text(encoding="utf-8"))
    return {"parameters": result["parameters"], **result["scores"]}


def shares(score: dict[str, Any], rule: str = "last") -> str:
    """Of episodes within the radii, largest first, in per cent."""
    return " / ".join(f"{100 * share:.1f}".removesuffix(".0") for share, _, _ in score[rule].values())


def ends(score: dict[str, Any]) -> list[str]:
    way = score["median_way"]
    return ["–" if way is None else f"{way:.3f}", f"{score['cpu_episode']:.2f}", f"{score['episodes']:,}"]


def preset_rows(args: Options) -> list[list[str]]:
    rows = []
    for budget in list_budgets(TWO_ROOMS):
        cheap = parse_count(budget) <= CHEAP
        for side in SIDES if cheap else SIDES[:1]:
            options = f"--budget {budget} --alone --episodes {args.episodes if cheap else -(-args.episodes // 10)}"
            found = [
                measured(
                    f"{budget}-{layouts}-{side}", f"{options} --layouts {layouts} --image-size {side}", not args.table
                )
                for layouts in LAYOUTS
            ]
            scores = [each and each["cost-to-go"] for each in found]
            if known := [score for score in scores if score]:
                parameters = next(each["parameters"] for each in found if each)
                cells = ["–" if score is None else shares(score) for score in scores]
                longest = max(known, key=lambda score: score["median_way"] or 0)
                cpu = max(score["cpu_episode"] for score in known)
                rows.append([budget, size(parameters), f"{side}", *cells, *ends({**longest, "cpu_episode": cpu})])
    return rows


def compared_rows(wanted: bool) -> list[list[str]]:
    """Planners on the model and on the true dynamics; last, what plans nothing."""
    rows, plain = [], {}
    for name, options in COMPARED.items():
        if found := measured(f"compared {name}", f"--budget 2k --episodes 20 {options}", wanted):
            _, ours, true, straight, random = found.values()
            rows.append([name, shares(ours), shares(ours, "any"), shares(true), *ends(ours)])
            plain = {"straight at the goal": straight, "random policy": random}
    return rows + [[name, shares(score), shares(score, "any"), "–", *ends(score)] for name, score in plain.items()]


def disturbed_rows(wanted: bool) -> list[list[str]]:
    rows = []
    for name, options in DISTURBED.items():
        if found := measured(f"disturbed {name}", f"--budget 2k --alone {options}", wanted):
            score = found["cost-to-go"]
            rows.append([name, shares(score), shares(score, "any"), *ends(score)])
    return rows


def main() -> None:
    args = parse(Options, sys.argv[1:], "python -m benchmarks.planning", __doc__ or "")
    tables = [
        markdown(["budget", "parameters", "px", *LAYOUTS, *END], preset_rows(args)),
        markdown(["planner", "last step", "any step", "true dynamics", *END], compared_rows(not args.table)),
        markdown(["2k, when", "last step", "any step", *END], disturbed_rows(not args.table)),
    ]
    write_text(PAGE, replaced(PAGE.read_text(encoding="utf-8"), "\n\n".join(tables) + "\n", PAGE))
    print(f"wrote the tables of {PAGE}")


if __name__ == "__main__":
    run_cli(main)
