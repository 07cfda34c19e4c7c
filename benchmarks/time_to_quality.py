"""Time to quality: after how many seconds of training `2k` is below the best published figure of each column.

Trains the preset's architecture on a short schedule, keeps the weights at set times and at the end, and grades what was
kept by the course's protocol. The clock runs from before the first trajectory is made, and stands still while weights
are copied. Writes results/time_to_quality/2k.json and the table of docs/training.md.
"""

import copy
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.ranking import read_peers
from benchmarks.readme import best_published
from benchmarks.shared import course_losses, run, write_table
from tiny_jepa.budgets import find_budget
from tiny_jepa.data import open_source
from tiny_jepa.files import write_text
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.progress import bar
from tiny_jepa.tables import markdown, number
from tiny_jepa.training.train import Trainer
from tiny_jepa.worlds.two_rooms import TWO_ROOMS

BUDGET = "2k"
PUBLISHED = best_published(read_peers())
"""Best published figure of each column, px²."""
SCHEDULE: dict[str, Any] = {"encode_steps": 600, "cached": 20_000, "predict_steps": 4_000}
KEPT_AT = (8, 10, 12, 15, 20)  # seconds of training
STORED, PAGE = Path("results/time_to_quality/2k.json"), Path("docs/training.md")


def snapshots(seed: int) -> list[tuple[float, JEPA]]:
    """Trains on the short schedule -> (seconds, model) at each time in `KEPT_AT`, and at the end."""
    kept: list[tuple[float, JEPA]] = []
    budget = find_budget(BUDGET, TWO_ROOMS)
    started = time.monotonic()
    torch.manual_seed(seed)
    model = budget.build()
    config = replace(budget.training, seed=seed, **SCHEDULE)
    dataset = open_source("procedural", TWO_ROOMS).require("train")
    trainer = Trainer(model, dataset, config, torch.device("cpu"))
    for _ in trainer.run():
        seconds = time.monotonic() - started
        due = len(kept) < len(KEPT_AT) and seconds >= KEPT_AT[len(kept)]
        if due or trainer.step == trainer.total_steps:
            kept.append((seconds, copy.deepcopy(model)))
            started = time.monotonic() - seconds
    return kept


def grade(seed: int) -> list[dict[str, Any]]:
    """Trains, then measures losses of each snapshot in px², by one prober."""
    graded: list[dict[str, Any]] = []
    for seconds, model in bar(snapshots(seed), desc=f"grading seed {seed}", unit="snapshot"):
        losses = course_losses(model.requires_grad_(False), open_source("procedural", TWO_ROOMS))
        graded.append({"seconds": seconds, "losses": losses})
    return graded


def passed_after(graded: list[dict[str, Any]], name: str) -> float | None:
    """Seconds after which a column's figure is below the best published one for good; None where it never is."""
    above = [i for i, row in enumerate(graded) if row["losses"][name] >= PUBLISHED[name]]
    first = above[-1] + 1 if above else 0
    return graded[first]["seconds"] if first < len(graded) else None


def table(seeds: dict[int, list[dict[str, Any]]]) -> str:
    rows = []
    for seed, graded in seeds.items():
        seconds = [passed_after(graded, name) for name in PUBLISHED]
        last = [number(graded[-1]["losses"][name]) for name in PUBLISHED]
        rows.append([f"{seed}", *("never" if s is None else f"{s:.0f} s" for s in seconds), " / ".join(last)])
    return markdown(["seed", *(f"{name} < {limit:g}" for name, limit in PUBLISHED.items()), "at the end, px²"], rows)


def main(seeds: tuple[int, ...] = (0, 1, 2)) -> None:
    torch.set_num_threads(1)
    graded = {seed: grade(seed) for seed in seeds}
    write_text(STORED, json.dumps({"budget": BUDGET, "published": PUBLISHED, "seeds": graded}, indent=1) + "\n")
    write_table(PAGE, table(graded))


if __name__ == "__main__":
    run(main)
