"""Time to quality: after how many minutes of training a budget is below the best published figure of each column.

    python -m benchmarks.time_to_quality [--budget 2k] [--seeds 0 1 2] [--until 300]

Trains the preset as train.py does, keeps the weights at set times, stops at `--until` seconds and grades what was kept
by the course's protocol. The clock runs from before the first trajectory is made, and stands still while weights are
copied. Writes results/time_to_quality.json, the table of docs/training.md and docs/images/time_to_quality.png.
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
from torch import Tensor
from tqdm import tqdm

from tiny_jepa.budgets import find_budget
from tiny_jepa.data import open_source
from tiny_jepa.errors import run_cli
from tiny_jepa.evaluation.measure import COURSE_SETS, EXPERT, SHORT, measure
from tiny_jepa.evaluation.plotting import pyplot, save
from tiny_jepa.evaluation.readme import replaced
from tiny_jepa.evaluation.tables import markdown, number
from tiny_jepa.models.budget import build
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.training.loop import Seen, Trainer
from tiny_jepa.weights import write_atomically

PUBLISHED = {"normal": 0.325, "wall": 0.742, "wall_other": 2.80, "expert": 1.23}
"""Best published figure of each column, px²."""
KEPT_AT = (30, 45, 60, 75, 90, 105, 120, 150, 180, 240, 300)
"""Seconds of training."""
STORED = Path("results/time_to_quality.json")
PAGE, PICTURE = Path("docs/training.md"), Path("docs/images/time_to_quality.png")


class TimeIsUp(Exception):
    pass


def snapshots(name: str, seed: int, until: float) -> list[tuple[float, int, JEPA]]:
    """Trains a preset for `until` seconds -> (seconds, step, model) at each time in `KEPT_AT`."""
    kept: list[tuple[float, int, JEPA]] = []
    budget = find_budget(name)
    started = time.monotonic()
    torch.manual_seed(seed)
    model = build(budget.architecture, budget.limit)
    dataset = open_source("procedural").require("train")
    trainer = Trainer(model, dataset, replace(budget.training, seed=seed), torch.device("cpu"))
    bar = tqdm(total=until, desc=f"training, seed {seed}", unit="s", bar_format="{l_bar}{bar}| {n:.0f}/{total:.0f} s")

    def after_step(_: dict[str, Tensor], __: Seen) -> None:
        nonlocal started
        seconds = time.monotonic() - started
        bar.update(seconds - bar.n)
        if len(kept) < len(KEPT_AT) and seconds >= KEPT_AT[len(kept)]:
            kept.append((seconds, trainer.step, copy.deepcopy(model)))
            started += time.monotonic() - started - seconds
        if seconds >= until:
            raise TimeIsUp

    try:
        trainer.run(after_step)
    except TimeIsUp:
        pass
    bar.close()
    return kept
