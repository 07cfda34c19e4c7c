"""How every preset plans, what it is compared with, and what disturbs it.

    python -m benchmarks.planning            # measures what is missing, then writes the tables and the picture
    python -m benchmarks.planning --table    # only the tables and the picture, from the stored results

Results are in results/planning/, each with its command; what is stored is not measured again: delete it first.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tiny_jepa.budgets import parse_count
from tiny_jepa.errors import run_cli
from tiny_jepa.files import write_text
from tiny_jepa.options import parse
from tiny_jepa.planning import command
from tiny_jepa.plotting import MISSED, OURS, pyplot, save
from tiny_jepa.tables import markdown, replaced, size

RESULTS, PAGE, PICTURE = Path("results/planning"), Path("docs/planning.md"), Path("docs/images/planning_success.png")
PLACES = [(layouts, side) for layouts in ("seen", "unseen") for side in (64, 65)]
STRAIGHT = "--horizon 90 --samples 64 --iterations 2"
COMPARED = {
    "cost-to-go": "",
    "CEM, the cost-to-go as its cost": "--planner cem",
    "MPPI, the cost-to-go as its cost": "--planner mppi",
    "CEM, least distance, actions held": f"--planner cem --cost least --hold 10 {STRAIGHT}",
    "CEM, summed distance": f"--planner cem --cost sum {STRAIGHT}",
    "MPPI, summed distance": f"--planner mppi --cost sum {STRAIGHT}",
}
DISTURBED = {
    "moves disturbed by 0.2 px": "--noise 0.2",
    "goal frame of 65 px, frames of 64 px": "--goal-size 65",
    "start in the door": "--start door",
}
END = ("way / shortest", "CPU s", "episodes")
REFERENCES = ("straight at the goal", "CEM, summed distance")
"""Drawn beside the presets."""
ORDER = ("2k", "250", "500", "10k", "100k", "50", "100")
"""In which presets are measured: those with targets first."""


@dataclass(frozen=True)
class Options:
    """What is done."""

    table: bool = False  # measure nothing


def measured(name: str, options: str, wanted: bool) -> dict[str, Any] | None:
    """The stored result of this name; measured with these options first, where it is missing and `wanted`."""
    path = RESULTS / f"{'-'.join(name.replace(',', '').split())}.json"
    if wanted and not path.is_file():
        command.main([*options.split(), "--store", str(path)])
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def episodes(budget: str) -> int:
    """A thousand where an episode is cheap and the targets stand."""
    return 1_000 if 250 <= parse_count(budget) <= 2_000 else 200


def shares(score: dict[str, Any], rule: str) -> str:
    """Of episodes within the radii, largest first, in per cent."""
    return " / ".join(f"{100 * share:.1f}".removesuffix(".0") for share, _, _ in score[rule].values())


def costs(score: dict[str, Any]) -> list[str]:
    way = score["median_way"]
    return ["–" if way is None else f"{way:.3f}", f"{score['cpu_episode']:.3f}", f"{score['episodes']:,}"]


def preset_row(budget: str, wanted: bool) -> tuple[list[str], list[dict[str, Any]]]:
    """A preset's row, and its results."""
    found = []
    for layouts, side in PLACES:
        options = f"--budget {budget} --alone --episodes {episodes(budget)} --layouts {layouts} --image-size {side}"
        found.append(measured(f"{budget}-{layouts}-{side}", options, wanted))
    known = [result for result in found if result]
    if not known:
        return [], []
    scores = [result["scores"]["cost-to-go"] if result else None for result in found]
    there = [score for score in scores if score]
    least = [min(score["last"][radius][1] for score in there) for radius in there[0]["last"]]
    return [
        *(budget, size(known[0]["parameters"]), f"{there[0]['episodes']:,}"),
        *("–" if score is None else shares(score, "last") for score in scores),
        " / ".join(f"{100 * low:.1f}" for low in least),
        f"{max(score['median_way'] for score in there):.3f}",
        f"{max(score['cpu_episode'] for score in there):.3f}",
    ], known


def compared_rows(wanted: bool) -> list[list[str]]:
    """Planners on the model and on the true dynamics; last, what plans nothing."""
    rows, plain = [], {}
    for name, options in COMPARED.items():
        result = measured(f"compared {name}", f"--budget 2k --episodes 50 {options}", wanted)
        if result:
            ours, true, straight, random = result["scores"].values()
            rows.append([name, *(shares(ours, rule) for rule in ("last", "any")), shares(true, "last"), *costs(ours)])
            plain = {"straight at the goal": straight, "random policy": random}
    return rows + [
        [name, *(shares(score, rule) for rule in ("last", "any")), "–", *costs(score)] for name, score in plain.items()
    ]


def disturbed_rows(wanted: bool) -> list[list[str]]:
    rows = []
    for name, options in DISTURBED.items():
        result = measured(f"disturbed {name}", f"--budget 2k --alone {options}", wanted)
        if result:
            score = result["scores"]["cost-to-go"]
            rows.append([name, *(shares(score, rule) for rule in ("last", "any")), *costs(score)])
    return rows


def draw(presets: list[list[dict[str, Any]]], compared: list[list[str]]) -> None:
    """Success against budget: the least of a preset's four places, with its 95 % interval."""
    figure, axis = pyplot().subplots(figsize=(8, 4.2), layout="constrained")
    radius = "1.5"
    worst = [min(r["scores"]["cost-to-go"]["last"][radius] for r in results) for results in presets]
    parameters = [results[0]["parameters"] for results in presets]
    share, low, high = (100 * torch.tensor(worst)).T.tolist()
    axis.fill_between(parameters, low, high, color=OURS, alpha=0.15, label="95 % interval")
    axis.plot(
        parameters, share, "o-", color=OURS, label="cost-to-go: the worst of seen and unseen layouts, 64 and 65 px"
    )
    for row in compared:
        if row[0] in REFERENCES:
            axis.axhline(float(row[1].split(" / ")[1]), color=MISSED, ls="--", lw=1)
            axis.annotate(f"{row[0]} (2k)", (parameters[-1], float(row[1].split(" / ")[1])), ha="right", va="bottom")
    axis.set(xscale="log", ylim=(-2, 103), xlabel="trainable parameters")
    axis.set(ylabel="within 1.5 px at the last step, % of episodes", title="Success of planning against the budget")
    figure.legend(loc="outside lower center", ncols=2)
    save(figure, PICTURE)


def main() -> None:
    wanted = not parse(Options, sys.argv[1:], "python -m benchmarks.planning", __doc__ or "").table
    rows = [(row, results) for budget in ORDER for row, results in [preset_row(budget, wanted)] if row]
    disturbed, compared = disturbed_rows(wanted), compared_rows(wanted)
    rows.sort(key=lambda row: row[1][0]["parameters"])
    places = [f"{layouts}, {side} px" for layouts, side in PLACES]
    tables = [
        markdown(
            ["budget", "parameters", "episodes", *places, "95 % from", "way / shortest", "CPU s"], [r for r, _ in rows]
        ),
        markdown(["planner", "last step", "any step", "true dynamics", *END], compared),
        markdown(["2k, when", "last step", "any step", *END], disturbed),
    ]
    write_text(PAGE, replaced(PAGE.read_text(encoding="utf-8"), "\n\n".join(tables) + "\n", PAGE))
    draw([results for _, results in rows], compared)
    print(f"wrote the tables of {PAGE} and {PICTURE}")


if __name__ == "__main__":
    run_cli(main)
