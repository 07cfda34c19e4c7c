"""How every preset plans, what it is compared with, and what disturbs it: measures what is missing, then writes the
tables of results/planning.md and the short one of docs/planning.md.

Results are in results/planning/, each with its command; what is stored is not measured again: delete it first. --table
measures nothing. Presets have --episodes in a cell; the other tables have 20 and 200.
"""

import json
import math
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch

from benchmarks.samplers import CEM, Random, Straight
from benchmarks.shared import run, write_table
from tiny_jepa import load_model
from tiny_jepa.budgets import list_budgets, parse_count
from tiny_jepa.commands import plan
from tiny_jepa.files import read_json, write_text
from tiny_jepa.planning import Agent, CostToGoAgent
from tiny_jepa.planning.episodes import run as act_out
from tiny_jepa.tables import markdown, number, size
from tiny_jepa.worlds.two_rooms import TWO_ROOMS

RESULTS, PAGE, SHORT = Path("results/planning"), Path("results/planning.md"), Path("docs/planning.md")
LAYOUTS, SIDES = ("seen", "unseen", "doors", "rooms", "maze"), (64, 65)
RADIUS = "1.5"  # px, of the short table
CHEAP = 2_000  # parameters: beyond, a row has a tenth of the episodes, and 64 px alone
FAR: dict[str, Any] = {"horizon": 90, "samples": 64, "iterations": 2}
COMPARED: dict[str, Callable[..., Agent]] = {
    "cost-to-go": CostToGoAgent,
    "CEM, the cost-to-go as its cost": CEM,
    "CEM, least distance, actions held": partial(CEM, **FAR, cost="least", hold=10),
    "CEM, summed distance": partial(CEM, **FAR, cost="sum"),
    "straight at the goal": Straight,
    "random policy": Random,
}
DISTURBED = {
    "moves disturbed by 0.2 px": "--noise 0.2",
    "goal frame of 65 px, frames of 64 px": "--goal-size 65",
    "start in the door": "--start door",
}
END = ("way / shortest", "CPU s", "episodes")


def stored(name: str, measure: Callable[[Path], object], wanted: bool) -> dict[str, Any] | None:
    """The result stored under this name; measured first, where it is missing and `wanted`."""
    path = RESULTS / f"{'-'.join(name.replace(',', '').split())}.json"
    if wanted and not path.is_file():
        measure(path)
    return read_json(path, "delete it, and it is measured again") if path.is_file() else None


def by_command(name: str, options: str, wanted: bool) -> dict[str, Any] | None:
    """What `python -m tiny_jepa plan` stores with these options."""
    return stored(name, lambda path: plan.main([*options.split(), "--store", str(path)]), wanted)


def compare(name: str, path: Path) -> None:
    """Stores how one of `COMPARED` does with budget 2k, and with the true dynamics in its place."""
    torch.set_num_threads(1)  # CPU seconds are those of one core
    task: Any = TWO_ROOMS.task
    scores = {
        who: act_out(task, lambda *frames, model=model: COMPARED[name](model, *frames, task.actions), 20, 200, {})
        for who, model in {"model": load_model("2k"), "true dynamics": task.dynamics}.items()
    }
    write_text(path, json.dumps({"command": "python -m benchmarks.planning", "scores": scores}, indent=2) + "\n")


def percent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0")


def shares(score: dict[str, Any], rule: str = "last") -> str:
    """Of episodes within the radii, largest first, in per cent."""
    return " / ".join(percent(share) for share, _, _ in score[rule].values())


def ends(*scores: dict[str, Any]) -> list[str]:
    """The worst of these scores: way, CPU seconds, episodes."""
    way, cpu = (max(score[name] or math.inf for score in scores) for name in ("median_way", "cpu_episode"))
    return ["–" if way == math.inf else f"{way:.3f}", number(cpu), f"{min(score['episodes'] for score in scores):,}"]


def preset_rows(episodes: int, wanted: bool) -> tuple[list[list[str]], list[list[str]]]:
    """Rows of the presets' table, and of the short one: presets that are measured in all layouts."""
    rows, short = [], []
    for budget, side in product(list_budgets(TWO_ROOMS), SIDES):
        cheap = parse_count(budget) <= CHEAP
        if not cheap and side != SIDES[0]:
            continue
        count = episodes if cheap else -(-episodes // 10)
        options = f"--budget {budget} --episodes {count} --image-size {side}"
        found = [by_command(f"{budget}-{each}-{side}", f"{options} --layouts {each}", wanted) for each in LAYOUTS]
        if known := [result for result in found if result]:
            scores = [result["scores"]["cost-to-go"] for result in known]
            cells = [shares(result["scores"]["cost-to-go"]) if result else "–" for result in found]
            rows.append([budget, size(known[0]["parameters"]), f"{side}", *cells, *ends(*scores)])
            least = min(score["last"][RADIUS][0] for score in scores)
            short.append([f"`{budget}`", f"{side}", percent(least), *ends(*scores)])
    return rows, short


def compared_rows(wanted: bool) -> list[list[str]]:
    """Planners on the model and on the true dynamics."""
    rows = []
    for name in COMPARED:
        if found := stored(f"compared {name}", partial(compare, name), wanted):
            ours, true = found["scores"].values()
            rows.append([name, shares(ours), shares(ours, "any"), shares(true), *ends(ours)])
    return rows


def disturbed_rows(wanted: bool) -> list[list[str]]:
    rows = []
    for name, options in DISTURBED.items():
        if found := by_command(f"disturbed {name}", f"--budget 2k {options}", wanted):
            score = found["scores"]["cost-to-go"]
            rows.append([name, shares(score), shares(score, "any"), *ends(score)])
    return rows


def main(table: bool = False, episodes: int = 1_000) -> None:
    rows, short = preset_rows(episodes, not table)
    tables = [
        markdown(["budget", "parameters", "px", *LAYOUTS, *END], rows),
        markdown(["planner", "last step", "any step", "true dynamics", *END], compared_rows(not table)),
        markdown(["2k, when", "last step", "any step", *END], disturbed_rows(not table)),
    ]
    write_table(PAGE, "\n\n".join(tables))
    write_table(SHORT, markdown(["budget", "px", f"least success within {RADIUS} px, %", *END], short))


if __name__ == "__main__":
    run(main)
