"""How every preset plans, and what it is compared with: measures what is missing, then writes the tables of
results/planning.md and the short one of docs/planning.md.

Results are in results/planning/, each with its command; what is stored is not measured again: delete it first. --table
measures nothing. Presets have --episodes in a cell, large ones a tenth of them; the other table has 20.
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
from benchmarks.shared import run, stored, write_table
from tiny_jepa import load_model
from tiny_jepa.budgets import list_budgets, parse_count
from tiny_jepa.commands import plan
from tiny_jepa.files import write_text
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
END = ("way / shortest", "CPU s", "episodes")


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
    """Rows of the presets' table, and of the short one."""
    rows, short = [], []
    for budget, side in product(list_budgets(TWO_ROOMS), SIDES):
        cheap = parse_count(budget) <= CHEAP
        if not cheap and side != SIDES[0]:
            continue
        options = f"--budget {budget} --episodes {episodes if cheap else -(-episodes // 10)} --image-size {side}"
        found = []
        for each in LAYOUTS:
            words, path = f"{options} --layouts {each}".split(), RESULTS / f"{budget}-{each}-{side}.json"
            found.append(stored(path, lambda path, words=words: plan.main([*words, "--store", str(path)]), wanted))
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
        path = RESULTS / f"compared-{name.replace(',', '').replace(' ', '-')}.json"
        if found := stored(path, partial(compare, name), wanted):
            ours, true = found["scores"].values()
            rows.append([name, shares(ours), shares(ours, "any"), shares(true), *ends(ours)])
    return rows


def main(table: bool = False, episodes: int = 1_000) -> None:
    rows, short = preset_rows(episodes, not table)
    presets = markdown(["budget", "parameters", "px", *LAYOUTS, *END], rows)
    compared = markdown(["planner", "last step", "any step", "true dynamics", *END], compared_rows(not table))
    write_table(PAGE, f"{presets}\n\n{compared}")
    write_table(SHORT, markdown(["budget", "px", f"least success within {RADIUS} px, %", *END], short))


if __name__ == "__main__":
    run(main)
