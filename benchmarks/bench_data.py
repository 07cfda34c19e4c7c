"""How fast frames are made and read, and what they cost a training step: `python -m benchmarks.bench_data`.

Rates are medians of several repeats, per second of CPU time of one thread, so that what else the machine is doing
counts little; only the writing is by the clock.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch

from tiny_jepa.budgets import find_budget
from tiny_jepa.data import CourseSet, TrajectorySet
from tiny_jepa.data.writing import draft, write_sets
from tiny_jepa.training.train import Trainer
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, Geometry, explore, render_states, sample_layouts, step
from tiny_jepa.worlds.two_rooms.sets import RECIPES, ProceduralSet

BLOCK = 250  # trajectories simulated and rendered at a time
STEPS = 16
PROCESSES = 2
SECONDS = 0.4  # of each repeat
REPEATS = 5


def rates(work: Callable[[], int], seconds: float = SECONDS) -> float:
    """Median units a second over the repeats; `work` returns how many it did."""
    work()
    found = []
    for _ in range(REPEATS):
        done, begin = 0, time.process_time()
        while (spent := time.process_time() - begin) < seconds:
            done += work()
        found.append(done / spent)
    return median(found)


def simulate_and_render(size: int, dtype: str, seed: int = 0) -> Callable[[], int]:
    world, rng = Geometry(size=size), np.random.default_rng(seed)

    def work() -> int:
        drawn = explore(world, sample_layouts(world, BLOCK, rng), STEPS, rng)
        render_states(world, drawn.locations, drawn.walls, np.dtype(dtype))
        return BLOCK * (STEPS + 1)

    return work


def _worker(arguments: tuple[int, str, int]) -> float:
    return rates(simulate_and_render(*arguments))


def steps_alone(agents: int = 10_000) -> Callable[[], int]:
    world, rng = Geometry(), np.random.default_rng(0)
    drawn = explore(world, sample_layouts(world, agents, rng), 8, rng)
    locations = drawn.locations[:, -1].astype(np.float64)
    actions = rng.uniform(-1.3, 1.3, (agents, 2))

    def work() -> int:
        step(world, locations, actions, drawn.walls)
        return agents

    return work


def random_batches(dataset: TrajectorySet, batch: int = 64) -> Callable[[], int]:
    rng = np.random.default_rng(0)

    def work() -> int:
        dataset.frames(rng.choice(len(dataset), batch, replace=False))
        return batch * dataset.length

    return work


class Timed:
    """A set that adds up the seconds its readers wait."""

    def __init__(self, dataset: TrajectorySet) -> None:
        self.dataset, self.seconds = dataset, 0.0
        self.name, self.image_size, self.length = dataset.name, dataset.image_size, dataset.length

    def __len__(self) -> int:
        return len(self.dataset)

    def frames(self, indices: np.ndarray, start: int = 0, stop: int | None = None) -> torch.Tensor:
        return self._timed(self.dataset.frames, indices, start, stop)

    def actions(self, indices: np.ndarray) -> torch.Tensor:
        return self._timed(self.dataset.actions, indices)

    def locations(self, indices: np.ndarray) -> torch.Tensor:
        raise AssertionError("training asked for locations")

    def _timed(self, read: Callable[..., torch.Tensor], *arguments: object) -> torch.Tensor:
        begin = time.process_time()
        values = read(*arguments)
        self.seconds += time.process_time() - begin
        return values


def training_on_frames(dataset: TrajectorySet, steps: int = 60) -> tuple[float, float]:
    """Seconds of the steps on frames at budget 2k, and the share of them spent on data."""
    budget = find_budget("2k", TWO_ROOMS)
    timed = Timed(dataset)
    short = {"cached": 64, "auditions": 1, "predict_steps": 1}
    settings = replace(budget.training, encode_steps=steps + 10, **short)
    trainer = Trainer(budget.build(), timed, settings, torch.device("cpu"))
    marks = [(time.process_time(), timed.seconds) for _ in trainer.run()]
    (begin, waited), (end, waited_last) = marks[9], marks[steps + 9]
    return end - begin, (waited_last - waited) / (end - begin)


def peak_resident() -> float:
    """MB; Linux only."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    return next(
        int(line.split()[1]) / 1000
        for line in status.read_text(encoding="utf-8").splitlines()
        if line.startswith("VmHWM")
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the file to read is written (default: a temporary folder)")
    parser.add_argument("--trajectories", type=int, default=5000, help="in that file (default: 5000, 0.7 GB)")
    args = parser.parse_args()
    torch.set_num_threads(1)

    print(f"{'dynamics alone, 10,000 agents':<52}{rates(steps_alone()):>14,.0f} steps/s")
    one: dict[str, float] = {}
    for size, dtype in ((64, "uint8"), (65, "float32")):
        one[dtype] = rates(simulate_and_render(size, dtype))
        print(f"{f'simulated and rendered, {size} px {dtype}':<52}{one[dtype]:>14,.0f} frames/s")
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        together = sum(pool.map(_worker, [(64, "uint8", seed) for seed in range(PROCESSES)]))
    print(
        f"{f'... 64 px uint8, {PROCESSES} processes':<52}{together:>14,.0f} frames/s ({together / one['uint8']:.2f} x)"
    )

    recipe = replace(RECIPES["train"], count=args.trajectories)
    procedural = ProceduralSet("train", recipe)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        begin = time.perf_counter()
        write_sets([draft(procedural, Path(folder) / "train", {})])
        seconds = time.perf_counter() - begin
        print(f"{'written by data generate, synced to disk':<52}{recipe.count * 17 / seconds:>14,.0f} frames/s")
        print(f"{'peak resident memory so far':<52}{peak_resident():>14,.0f} MB")
        disk = CourseSet(Path(folder) / "train", "train", TWO_ROOMS)
        read, drawn = rates(random_batches(disk)), rates(random_batches(procedural))
        print(f"{'random batches of 64, from disk (page cache)':<52}{read:>14,.0f} frames/s")
        print(f"{'random batches of 64, procedural':<52}{drawn:>14,.0f} frames/s")
        runs = [(training_on_frames(procedural), training_on_frames(disk)) for _ in range(3)]
        share = median(run[0][1] for run in runs)
        ratio = median(run[1][0] / run[0][0] for run in runs)
        print(f"{'2k, steps on frames: share spent on procedural data':<52}{share:>14.1%}")
        print(f"{'2k, steps on frames: time from disk / procedural':<52}{ratio:>14.2f}")
    print(f"{'peak resident memory':<52}{peak_resident():>14,.0f} MB")


if __name__ == "__main__":
    main()
