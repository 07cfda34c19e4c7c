"""How fast data is made and read, and how much of training waits for it: writes the table of results/speed.md.

What one thread does in a second of its CPU time, so that what else the machine is doing counts little; medians of five
repeats. A set of --trajectories (5,000: 0.7 GB) is written to a temporary folder (in $TMPDIR), and read again.
"""

import multiprocessing
import resource
import statistics
import tempfile
import time
import timeit
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from benchmarks.shared import run, write_table
from tiny_jepa.budgets import find_budget
from tiny_jepa.data import CourseSet, TrajectorySet
from tiny_jepa.data.writing import draft, write_sets
from tiny_jepa.tables import markdown
from tiny_jepa.training.train import Trainer
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, Geometry, explore, render_states, sample_layouts, step
from tiny_jepa.worlds.two_rooms.sets import RECIPES, ProceduralSet

BLOCK, AGENTS, FRAMES, PROCESSES = 250, 10_000, 17, 2
STEPS, PAGE = 40, Path("results/speed.md")


def rate(units: int, work: Callable[[], object]) -> float:
    """Units a second of CPU time, where `work` does so many: the median of five repeats of some calls each."""
    timer = timeit.Timer(work, timer=time.process_time)
    calls, _ = timer.autorange()  # starts things up, too
    return units * calls / statistics.median(timer.repeat(number=calls))


def simulated_and_rendered(size: int, dtype: str, seed: int = 0) -> float:
    world, rng = Geometry(size=size), np.random.default_rng(seed)

    def work() -> None:
        drawn = explore(world, sample_layouts(world, BLOCK, rng), FRAMES - 1, rng)
        render_states(world, drawn.locations, drawn.walls, np.dtype(dtype))

    return rate(BLOCK * FRAMES, work)


def of_simulator() -> dict[str, float]:
    world, rng = Geometry(), np.random.default_rng(0)
    drawn = explore(world, sample_layouts(world, AGENTS, rng), 8, rng)
    locations, actions = drawn.locations[:, -1].astype(np.float64), rng.uniform(-1.3, 1.3, (AGENTS, 2))
    found = {"dynamics alone: steps": rate(AGENTS, lambda: step(world, locations, actions, drawn.walls))}
    one = found["simulated and rendered, 64 px uint8: frames"] = simulated_and_rendered(64, "uint8")
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        together = sum(pool.starmap(simulated_and_rendered, [(64, "uint8", seed) for seed in range(PROCESSES)]))
    found[f"... {PROCESSES} processes ({together / one:.2f} times): frames"] = together
    found["simulated and rendered, 65 px float32: frames"] = simulated_and_rendered(65, "float32")
    return found


def of_set(budget: str, dataset: TrajectorySet, where: str) -> dict[str, float]:
    """Random batches; steps of phase 1, without the first, which starts things up; and their frames alone."""
    chosen, rng = find_budget(budget, TWO_ROOMS), np.random.default_rng(0)
    batch, short = chosen.training.encode_batch, chosen.training.encode_frames
    trainer = Trainer(chosen.build(), dataset, chosen.training, torch.device("cpu"))
    marks = [time.process_time() for _ in islice(trainer.run(), STEPS)]

    def read(frames: int) -> None:
        dataset.frames(rng.choice(len(dataset), batch, replace=False), 0, frames)

    return {
        f"random batches, {where}: frames": rate(batch * FRAMES, lambda: read(FRAMES)),
        f"budget {budget}, steps on frames, {where}": (STEPS - 1) / (marks[-1] - marks[0]),
        f"frames of these steps alone, {where}": rate(1, lambda: read(short)),
    }


def main(budget: str = "2k", trajectories: int = 5_000) -> None:
    torch.set_num_threads(1)
    found, drawn = of_simulator(), ProceduralSet("train", replace(RECIPES["train"], count=trajectories))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "train"
        write_sets([draft(drawn, target, {})])
        found["peak resident memory so far (Linux): MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        found |= of_set(budget, CourseSet(target, "train", TWO_ROOMS), "from disk")
    found |= of_set(budget, drawn, "procedural")
    rows = [[name, f"{float(f'{value:.3g}'):,.0f}"] for name, value in found.items()]
    write_table(PAGE, markdown(["what", "a second"], rows))


if __name__ == "__main__":
    run(main)
