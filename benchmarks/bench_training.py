"""How fast training runs, by batch size and threads, and where its time goes.

Two kinds of steps: on frames (phase `encode`: read and encoded), and on what the gate sees (phase `predict`); what lies
between them, the encoding of trajectories, is timed by `python -m benchmarks.readers`. Rates are by the clock, medians
of the repeats; `data` is the share of a step that reads frames, simulated or from the folder --data. The profile, at
the budget's own batch sizes and one thread, has each function's own time.
"""

import cProfile
import pstats
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks.shared import run
from tiny_jepa.budgets import Budget, find_budget
from tiny_jepa.data import open_source
from tiny_jepa.models.size import build
from tiny_jepa.tables import markdown
from tiny_jepa.training.trainer import Trainer
from tiny_jepa.training.watch import Seen
from tiny_jepa.worlds.two_rooms import TWO_ROOMS
from tiny_jepa.worlds.two_rooms.sets import RECIPES, ProceduralSet

BATCHES = {"encode": (32, 64, 256), "predict": (512, 2048, 8192)}
STEPS = {"encode": 9, "predict": 60}
TRAJECTORIES = 2000
PROFILED = 8  # functions of each profile


class Timed:
    """A set that adds up the seconds in which it is read."""

    def __init__(self, dataset: Any) -> None:
        self.dataset, self.seconds = dataset, 0.0

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.dataset, name)

        def read(*given: Any) -> Tensor:
            begin = time.perf_counter()
            values = found(*given)
            self.seconds += time.perf_counter() - begin
            return values

        return read if callable(found) else found


def make_trainer(budget: Budget, dataset: Any, phase: str, batch: int | None = None) -> Trainer:
    """A short run, nearly all of it in one phase."""
    short: Any = {f"{name}_steps": STEPS[name] if name == phase else 1 for name in STEPS}
    short |= {f"{phase}_batch": batch} if batch else {}
    torch.manual_seed(0)
    model = build(budget.architecture, budget.limit, TWO_ROOMS.frame)
    config = replace(budget.training, cached=TRAJECTORIES, auditions=1, **short)
    return Trainer(model, dataset, config, torch.device("cpu"), TWO_ROOMS)


def one_run(trainer: Trainer, dataset: Timed, phase: str) -> tuple[float, float, int]:
    """Seconds of a step, the share that reads data, frames or transitions; without the first step, which starts up."""
    marks: list[tuple[float, float, int]] = []

    def after_step(_: dict[str, Tensor], seen: Seen) -> None:
        if trainer.at(trainer.step - 1)[0].name == phase:
            marks.append((time.perf_counter(), dataset.seconds, seen.size))

    trainer.run(after_step)
    (begin, read, size), (end, read_last, _) = marks[0], marks[-1]
    return (end - begin) / (len(marks) - 1), (read_last - read) / (end - begin), size


def profile(trainer: Trainer, phase: str) -> None:
    """Prints the functions with the most time of their own."""
    profiler = cProfile.Profile()

    def after_step(*_: object) -> None:
        before, done = trainer.at(trainer.step - 1)
        if before.name != phase or trainer.phase is not before:
            profiler.disable()
        elif done == 0:
            profiler.enable()

    trainer.run(after_step)
    profiler.disable()
    print(f"\nphase {phase}, one thread")
    pstats.Stats(profiler).strip_dirs().sort_stats("tottime").print_stats(PROFILED)


def main(budget: str = "2k", threads: tuple[int, ...] = (1, 2), repeats: int = 3, data: Path | None = None) -> None:
    chosen, rows = find_budget(budget, TWO_ROOMS), []
    simulated = ProceduralSet("train", replace(RECIPES["train"], count=TRAJECTORIES))
    dataset = Timed(open_source(str(data), TWO_ROOMS).require("train") if data else simulated)
    for count in threads:
        torch.set_num_threads(count)
        for phase, batch in ((phase, batch) for phase, batches in BATCHES.items() for batch in batches):
            runs = [one_run(make_trainer(chosen, dataset, phase, batch), dataset, phase) for _ in range(repeats)]
            took, read = (median(each[i] for each in runs) for i in (0, 1))
            cells = [f"{1e3 * took:.2f}", f"{runs[0][2] / took:,.0f}", f"{read:.1%}"]
            rows.append([phase, f"{batch}", f"{count}", *cells])
    print(f"budget {chosen.name}, frames of {dataset.image_size} px, torch {torch.__version__}")
    print(markdown(["phase", "batch", "threads", "ms a step", "frames or transitions/s", "data"], rows))
    torch.set_num_threads(1)
    for phase in BATCHES:
        profile(make_trainer(chosen, dataset, phase), phase)


if __name__ == "__main__":
    run(main)
