"""Time to quality: after how many seconds of training `2k` is below the best published figure of each column.

    python -m benchmarks.time_to_quality [--seeds 0 1 2]

Trains the preset's architecture on a short schedule (`SCHEDULE`), keeps the weights at set times and at the end, and
grades what was kept by the course's protocol. The clock runs from before the first trajectory is made, and stands
still while weights are copied. Writes results/time_to_quality/2k.json, the table of docs/training.md and
docs/images/time_to_quality.png.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from benchmarks.readme import best_published
from tiny_jepa.budgets import find_budget
from tiny_jepa.course.ranking import read_peers
from tiny_jepa.data import open_source
from tiny_jepa.errors import run_cli
from tiny_jepa.files import write_atomically
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.plotting import pyplot, save
from tiny_jepa.probing.measure import measure
from tiny_jepa.tables import markdown, number, replaced
from tiny_jepa.training.train import Trainer
from tiny_jepa.worlds.two_rooms import TWO_ROOMS

BUDGET = "2k"
PUBLISHED = best_published(read_peers())
"""Best published figure of each column, px²."""
SCHEDULE = {"encode_steps": 600, "cached": 20_000, "predict_steps": 4_000}
KEPT_AT = (8, 10, 12, 15, 20)
"""Seconds of training."""
STORED = Path("results/time_to_quality/2k.json")
PAGE, PICTURE = Path("docs/training.md"), Path("docs/images/time_to_quality.png")


def snapshots(name: str, seed: int) -> list[tuple[float, int, JEPA]]:
    """Trains on the short schedule -> (seconds, step, model) at each time in `KEPT_AT`, and at the end."""
    kept: list[tuple[float, int, JEPA]] = []
    budget = find_budget(name, TWO_ROOMS)
    started = time.monotonic()
    torch.manual_seed(seed)
    model = budget.build()
    dataset = open_source("procedural", TWO_ROOMS).require("train")
    trainer = Trainer(model, dataset, replace(budget.training, seed=seed, **SCHEDULE), torch.device("cpu"))
    bar = tqdm(total=trainer.total_steps, desc=f"training, seed {seed}", unit="step")

    for _ in trainer.run():
        bar.update()
        seconds = time.monotonic() - started
        due = len(kept) < len(KEPT_AT) and seconds >= KEPT_AT[len(kept)]
        if due or trainer.step == trainer.total_steps:
            kept.append((seconds, trainer.step, copy.deepcopy(model)))
            started += time.monotonic() - started - seconds

    bar.close()
    return kept


def grade(kept: list[tuple[float, int, JEPA]]) -> list[dict[str, Any]]:
    """Losses of each snapshot in px², by one prober."""
    graded: list[dict[str, Any]] = []
    groups = [group.only(list(PUBLISHED)) for group in TWO_ROOMS.groups]
    for seconds, step, model in tqdm(kept, desc="grading", unit="snapshot"):
        losses = measure(model.requires_grad_(False), open_source("procedural", TWO_ROOMS), groups=groups)
        means = {name: statistics.fmean(values) for name, values in losses.items() if values}
        graded.append({"seconds": seconds, "step": step, "losses": means})
    return graded


def passed_after(graded: list[dict[str, Any]], name: str) -> float | None:
    """Seconds after which a column's figure is below the best published one for good; None where it never is."""
    above = [i for i, row in enumerate(graded) if row["losses"][name] >= PUBLISHED[name]]
    first = above[-1] + 1 if above else 0
    return graded[first]["seconds"] if first < len(graded) else None


def table(stored: dict[str, Any]) -> str:
    rows = []
    for seed, graded in stored["seeds"].items():
        seconds = [passed_after(graded, name) for name in PUBLISHED]
        last = [number(graded[-1]["losses"][name]) for name in PUBLISHED]
        rows.append([seed, *("never" if s is None else f"{s:.0f} s" for s in seconds), " / ".join(last)])
    header = ["seed", *(f"{name} < {limit:g}" for name, limit in PUBLISHED.items()), "at the end, px²"]
    return markdown(header, rows)


def draw(stored: dict[str, Any]) -> Path:
    plt = pyplot()
    figure, axes = plt.subplots(1, len(PUBLISHED), figsize=(13, 3.6), sharex=True, layout="constrained")
    for axis, (name, limit) in zip(axes, PUBLISHED.items(), strict=True):
        for seed, graded in stored["seeds"].items():
            seconds, losses = zip(*((row["seconds"], row["losses"][name]) for row in graded), strict=True)
            axis.plot(seconds, losses, "o-", ms=3, label=f"seed {seed}")
        axis.axhline(limit, color="black", ls="--", lw=1, label="best published")
        axis.set(yscale="log", title=name, xlabel="seconds of training")
    axes[0].set_ylabel("probing error, px²")
    axes[0].legend(fontsize=8)
    figure.suptitle(f"{stored['budget']}: graded snapshots of training from nothing, one thread")
    return save(figure, PICTURE)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.time_to_quality", description="Grades timed snapshots.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    torch.set_num_threads(1)
    seeds = {str(seed): grade(snapshots(BUDGET, seed)) for seed in args.seeds}
    stored = {"budget": BUDGET, "published": PUBLISHED, "seeds": seeds}
    write_atomically(STORED, lambda path: path.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8"))
    text = replaced(PAGE.read_text(encoding="utf-8"), table(stored) + "\n", PAGE)
    write_atomically(PAGE, lambda path: path.write_text(text, encoding="utf-8"))
    print(f"{table(stored)}\nwrote {STORED}, {PAGE} and {draw(stored)}")


if __name__ == "__main__":
    run_cli(main)
