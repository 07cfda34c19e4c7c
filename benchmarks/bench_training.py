"""How fast training runs, by batch size and threads, and where its time goes.

    python -m benchmarks.bench_training [--budget 2k] [--threads 1 2] [--repeats 3]

Three kinds of work: steps on frames (phase `encode`: drawn and encoded), the encoding of trajectories into cached
codes, and steps on what the gate sees (phase `predict`). Rates are by the clock, medians of the repeats. The profile,
at the budget's own batch sizes and one thread, has each function's own time without what it calls.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch

from tiny_jepa.budgets import Budget, find_budget
from tiny_jepa.data import TrajectorySet
from tiny_jepa.settings import TrainingConfig
from tiny_jepa.training.examples import encode_trajectories
from tiny_jepa.training.train import Trainer
from tiny_jepa.worlds.two_rooms import TWO_ROOMS
from tiny_jepa.worlds.two_rooms.sets import RECIPES, ProceduralSet

BATCHES = {"encode": (32, 64, 256), "predict": (512, 2048, 8192)}
STEPS = {"encode": 9, "predict": 60}
TRAJECTORIES = 2000
PROFILED = 8  # functions of each profile


def settings(budget: Budget, phase: str, batch: int) -> TrainingConfig:
    """A short run, nearly all of it in one phase."""
    steps = {f"{name}_steps": STEPS[name] if name == phase else 1 for name in STEPS}
    short = replace(budget.training, cached=TRAJECTORIES, auditions=1, **steps)
    return replace(short, encode_batch=batch) if phase == "encode" else replace(short, predict_batch=batch)


def make_trainer(budget: Budget, dataset: TrajectorySet, config: TrainingConfig) -> Trainer:
    torch.manual_seed(0)
    return Trainer(budget.build(), dataset, config, torch.device("cpu"))


def seconds_a_step(trainer: Trainer, phase: str) -> tuple[float, float]:
    """Seconds and frames, or transitions, of a step; the first of the phase is left out: it starts things up."""
    steps = ((time.perf_counter(), seen.size) for _, seen in trainer.run())
    marks = [mark for mark in steps if trainer.at(trainer.step - 1)[0].name == phase]
    return (marks[-1][0] - marks[0][0]) / (len(marks) - 1), marks[-1][1]


def time_steps(budget: Budget, dataset: TrajectorySet, threads: list[int], repeats: int) -> None:
    print(f"{'phase':<9}{'batch':>7}{'threads':>9}{'ms a step':>12}{'frames or transitions/s':>26}")
    for phase, batches in BATCHES.items():
        for batch in batches:
            config = settings(budget, phase, batch)
            for count in threads:
                torch.set_num_threads(count)
                runs = [seconds_a_step(make_trainer(budget, dataset, config), phase) for _ in range(repeats)]
                took, frames = median(seconds for seconds, _ in runs), runs[0][1]
                print(f"{phase:<9}{batch:>7}{count:>9}{1e3 * took:>12.2f}{frames / took:>26,.0f}", flush=True)


def time_caching(budget: Budget, dataset: TrajectorySet, threads: list[int], repeats: int) -> None:
    for count in threads:
        torch.set_num_threads(count)
        model = budget.build()
        found = []
        for _ in range(repeats):
            begin = time.perf_counter()
            encode_trajectories(model, dataset, torch.arange(TRAJECTORIES).numpy(), torch.device("cpu"))
            found.append(time.perf_counter() - begin)
        rate = TRAJECTORIES / median(found)
        print(f"{'caching':<9}{'-':>7}{count:>9}{'-':>12}{rate * dataset.length:>26,.0f}", flush=True)


def show_profile(budget: Budget, dataset: TrajectorySet, phase: str) -> None:
    """The functions with the most time of their own, and their share of all of it."""
    torch.set_num_threads(1)
    batch = budget.training.encode_batch if phase == "encode" else budget.training.predict_batch
    trainer = make_trainer(budget, dataset, settings(budget, phase, batch))
    profiler = cProfile.Profile()
    for _ in trainer.run():
        last, done = trainer.at(trainer.step - 1)
        if last.name == phase and done == 0:
            profiler.enable()
    profiler.disable()
    stats = pstats.Stats(profiler)
    total = stats.total_tt  # type: ignore[attr-defined]
    rows = sorted(stats.stats.items(), key=lambda row: -row[1][2])[:PROFILED]  # type: ignore[attr-defined]
    print(f"\nwhere the time of phase {phase} goes, batch {batch}, one thread")
    for (file, line, name), (_, calls, own, *_rest) in rows:
        place = "" if file == "~" else f" ({Path(file).name}:{line})"
        print(f"{own / total:>7.1%}{calls:>8,} calls  {name.strip('<>')}{place}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", default="2k")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    budget = find_budget(arguments.budget, TWO_ROOMS)
    dataset = ProceduralSet("train", replace(RECIPES["train"], count=TRAJECTORIES))
    print(f"budget {budget.name}, 17 frames of 64 px uint8, torch {torch.__version__}")
    time_steps(budget, dataset, arguments.threads, arguments.repeats)
    time_caching(budget, dataset, arguments.threads, arguments.repeats)
    for phase in BATCHES:
        show_profile(budget, dataset, phase)


if __name__ == "__main__":
    main()
