"""How fast frames are made and read. A set of so many trajectories (5,000: 0.7 GB) is written to a temporary folder in
--folder.

Rates are medians of several repeats, per second of CPU time of one thread, so that what else the machine is doing
counts little; only the writing is by the clock. What data costs a training step: `python -m benchmarks.bench_training`.
"""

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.shared import median_seconds, run, seconds
from tiny_jepa.data import CourseSet, TrajectorySet
from tiny_jepa.data.generate import write_set
from tiny_jepa.tables import markdown
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, Geometry, explore, render_states, sample_layouts, step
from tiny_jepa.worlds.two_rooms.sets import RECIPES, ProceduralSet

BLOCK = 250  # trajectories simulated and rendered at a time
AGENTS, BATCH, FRAMES, PROCESSES = 10_000, 64, 17, 2


def rate(units: int, work: Callable[[], object]) -> float:
    """Units a second, where `work` does so many."""
    return units / median_seconds(work, repeats=5, least=0.4, clock=time.process_time)


def simulated_and_rendered(size: int, dtype: str, seed: int = 0) -> float:
    world, rng = Geometry(size=size), np.random.default_rng(seed)

    def work() -> None:
        drawn = explore(world, sample_layouts(world, BLOCK, rng), FRAMES - 1, rng)
        render_states(world, drawn.locations, drawn.walls, np.dtype(dtype))

    return rate(BLOCK * FRAMES, work)


def stepped() -> float:
    world, rng = Geometry(), np.random.default_rng(0)
    drawn = explore(world, sample_layouts(world, AGENTS, rng), 8, rng)
    locations, actions = drawn.locations[:, -1].astype(np.float64), rng.uniform(-1.3, 1.3, (AGENTS, 2))
    return rate(AGENTS, lambda: step(world, locations, actions, drawn.walls))


def read_at_random(dataset: TrajectorySet) -> float:
    rng = np.random.default_rng(0)
    return rate(BATCH * FRAMES, lambda: dataset.frames(rng.choice(len(dataset), BATCH, replace=False)))


def main(folder: Path | None = None, trajectories: int = 5_000) -> None:
    torch.set_num_threads(1)
    found = {f"dynamics alone, {AGENTS:,} agents: steps/s": stepped()}
    one = found["simulated and rendered, 64 px uint8: frames/s"] = simulated_and_rendered(64, "uint8")
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        together = sum(pool.starmap(simulated_and_rendered, [(64, "uint8", seed) for seed in range(PROCESSES)]))
    found[f"... {PROCESSES} processes ({together / one:.2f} times): frames/s"] = together
    found["simulated and rendered, 65 px float32: frames/s"] = simulated_and_rendered(65, "float32")
    recipe = replace(RECIPES["train"], count=trajectories)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        took = seconds(lambda: write_set(Path(name), "train", recipe, Geometry()))
        found["written by data generate, synced to disk: frames/s"] = trajectories * FRAMES / took
        disk = CourseSet(Path(name) / "train", "train", labelled=False, world=TWO_ROOMS)
        found[f"random batches of {BATCH}, from disk (page cache): frames/s"] = read_at_random(disk)
    found[f"random batches of {BATCH}, procedural: frames/s"] = read_at_random(ProceduralSet("train", recipe))
    found["peak resident memory (Linux): MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(markdown(["what", "how much"], [[name, f"{value:,.0f}"] for name, value in found.items()]))


if __name__ == "__main__":
    run(main)
