"""How every preset plans, what it is compared with, and what disturbs it: measures what is missing, then writes the
tables of results/planning.md and the short one of docs/planning.md.

Results are in results/planning/, each with its command; what is stored is not measured again: delete it first.
"""

import sys
from pathlib import Path
from typing import Any

from benchmarks.shared import write_table
from tiny_jepa.budgets import list_budgets, parse_count
from tiny_jepa.commands import plan as command
from tiny_jepa.errors import run_cli
from tiny_jepa.files import read_json
from tiny_jepa.options import Count, parse, settings
from tiny_jepa.tables import markdown, size
from tiny_jepa.worlds.two_rooms import TWO_ROOMS

RESULTS, PAGE, SHORT = Path("results/planning"), Path("results/planning.md"), Path("docs/planning.md")
LAYOUTS, SIDES = ("seen", "unseen", "doors", "rooms", "maze"), (64, 65)
RADIUS = "1.5"  # px, of the short table
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

    table: bool = False  # measure nothing: tables of what is stored
    episodes: Count = 1_000  # of a preset's rows; the other tables have 20 and 200


def measured(name: str, options: str, wanted: bool) -> dict[str, Any] | None:
    """The scores stored under this name; measured with these options first, where they are missing and `wanted`."""
    path = RESULTS / f"{'-'.join(name.replace(',', '').split())}.json"
    if wanted and not path.is_file():
        command.main([*options.split(), "--store", str(path)])
    if not path.is_file():
        return None
    result = read_json(path, "delete it, and it is measured again")
    return {"parameters": result["parameters"], **result["scores"]}


def shares(score: dict[str, Any], rule: str = "last") -> str:
    """Of episodes within the radii, largest first, in per cent."""
    return " / ".join(percent(share) for share, _, _ in score[rule].values())


def percent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0")


def ends(score: dict[str, Any]) -> list[str]:
    way = score["median_way"]
    return ["–" if way is None else f"{way:.3f}", f"{score['cpu_episode']:.2f}", f"{score['episodes']:,}"]


def preset_rows(args: Options) -> tuple[list[list[str]], list[list[str]]]:
    """Rows of the presets' table, and of the short one."""
    rows, short = [], []
    for budget in list_budgets(TWO_ROOMS):
        cheap = parse_count(budget) <= CHEAP
        for side in SIDES if cheap else SIDES[:1]:
            options = f"--budget {budget} --alone --episodes {args.episodes if cheap else -(-args.episodes // 10)}"
            found = {
                layouts: result
                for layouts in LAYOUTS
                if (
                    result := measured(
                        f"{budget}-{layouts}-{side}",
                        f"{options} --layouts {layouts} --image-size {side}",
                        not args.table,
                    )
                )
            }
            if not found:
                continue
            scores = {layouts: result["cost-to-go"] for layouts, result in found.items()}
            cells = [shares(scores[layouts]) if layouts in scores else "–" for layouts in LAYOUTS]
            worst = {
                "median_way": max((way for score in scores.values() if (way := score["median_way"])), default=None),
                "cpu_episode": max(score["cpu_episode"] for score in scores.values()),
                "episodes": min(score["episodes"] for score in scores.values()),
            }
            parameters = size(next(iter(found.values()))["parameters"])
            rows.append([budget, parameters, f"{side}", *cells, *ends(worst)])
            if len(found) == len(LAYOUTS):
                least = min(score["last"][RADIUS][0] for score in scores.values())
                short.append([f"`{budget}`", f"{side}", percent(least), *ends(worst)])
    return rows, short


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
    rows, short = preset_rows(args)
    tables = [
        markdown(["budget", "parameters", "px", *LAYOUTS, *END], rows),
        markdown(["planner", "last step", "any step", "true dynamics", *END], compared_rows(not args.table)),
        markdown(["2k, when", "last step", "any step", *END], disturbed_rows(not args.table)),
    ]
    write_table(PAGE, "\n\n".join(tables))
    write_table(SHORT, markdown(["budget", "px", f"least success within {RADIUS} px, %", *END], short))


if __name__ == "__main__":
    run_cli(main)
