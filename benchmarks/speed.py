"""How fast data is made and read, and how much of training waits for it: `python -m benchmarks.speed`.

What one thread does in a second of its CPU time, so that what else the machine is doing counts little; medians of five
repeats. A set of --trajectories (5,000: 0.7 GB) is written to a temporary folder in --folder, and read again.
"""

import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.shared import run
from tiny_jepa.budgets import find_budget
from tiny_jepa.data import CourseSet, TrajectorySet
from tiny_jepa.data.writing import draft, write_sets
from tiny_jepa.tables import markdown
from tiny_jepa.training.train import Trainer
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, Geometry, explore, render_states, sample_layouts, step
from tiny_jepa.worlds.two_rooms.sets import RECIPES, ProceduralSet

BLOCK, AGENTS, FRAMES, PROCESSES = 250, 10_000, 17, 2
SHORT: dict[str, Any] = {"encode_steps": 20, "predict_steps": 100, "cached": 2_000, "auditions": 1}
Rates = dict[str, float]


def rate(units: int, work: Callable[[], object]) -> float:
    """Units a second of CPU time, where `work` does so many: the median of five repeats of some calls each."""

    def seconds(calls: int) -> float:
        begin = time.process_time()
        for _ in range(calls):
            work()
        return (time.process_time() - begin) / calls

    work()  # starts things up
    calls = max(1, round(0.2 / max(seconds(1), 1e-6)))
    return units / statistics.median(seconds(calls) for _ in range(5))


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


def of_simulator() -> Rates:
    found = {"dynamics alone: steps": stepped()}
    one = found["simulated and rendered, 64 px uint8: frames"] = simulated_and_rendered(64, "uint8")
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        together = sum(pool.starmap(simulated_and_rendered, [(64, "uint8", seed) for seed in range(PROCESSES)]))
    found[f"... {PROCESSES} processes ({together / one:.2f} times): frames"] = together
    found["simulated and rendered, 65 px float32: frames"] = simulated_and_rendered(65, "float32")
    return found


def of_set(budget: str, dataset: TrajectorySet, where: str) -> Rates:
    """Random batches; steps of both phases, each without its first, which starts things up; and phase 1's frames."""
    chosen, rng = find_budget(budget, TWO_ROOMS), np.random.default_rng(0)
    config = replace(chosen.training, **SHORT)
    trainer = Trainer(chosen.build(), dataset, config, torch.device("cpu"))
    marks: dict[str, list[float]] = {phase.name: [] for phase in trainer.phases}
    for _ in trainer.run():
        marks[trainer.at(trainer.step - 1)[0].name].append(time.process_time())

    def read(frames: int) -> None:
        dataset.frames(rng.choice(len(dataset), config.encode_batch, replace=False), 0, frames)

    found = {f"random batches, {where}: frames": rate(config.encode_batch * FRAMES, lambda: read(FRAMES))}
    found |= {f"phase {name}, {where}: steps": (len(at) - 1) / (at[-1] - at[0]) for name, at in marks.items()}
    return found | {f"frames of phase encode alone, {where}: steps": rate(1, lambda: read(config.encode_frames))}


def of_data(budget: str, folder: Path | None, trajectories: int) -> Rates:
    drawn = ProceduralSet("train", replace(RECIPES["train"], count=trajectories))
    with tempfile.TemporaryDirectory(dir=folder) as name:
        target = Path(name) / "train"
        write_sets([draft(drawn, target, {})])
        found = {"peak resident memory so far (Linux): MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}
        found |= of_set(budget, CourseSet(target, "train", TWO_ROOMS), "from disk")
    return found | of_set(budget, drawn, "procedural")


def main(budget: str = "2k", folder: Path | None = None, trajectories: int = 5_000) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found = of_simulator() | of_data(budget, folder, trajectories)
    rows = [[name, f"{value:,.0f}"] for name, value in found.items()]
    print(markdown([f"budget {budget}, torch {torch.__version__}", "a second"], rows))


if __name__ == "__main__":
    run(main)
