"""How fast data, models, training and probing are: `python -m benchmarks.speed`.

What one thread does in a second of its CPU time, so that what else the machine is doing counts little; medians of five
repeats. A set of --trajectories (5,000: 0.7 GB) is written to a temporary folder in --folder, and read again. The batch
of a training step, or of a prober's, is the budget's and the protocol's own.
"""

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.shared import median_seconds, run, seconds
from tiny_jepa import load_model
from tiny_jepa.budgets import find_budget
from tiny_jepa.data import CourseSet, TrajectorySet, open_source
from tiny_jepa.data.writing import draft, write_sets
from tiny_jepa.models import JEPA
from tiny_jepa.probing.measure import evaluators
from tiny_jepa.tables import markdown
from tiny_jepa.training.train import Trainer
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, Geometry, explore, render_states, sample_layouts, step
from tiny_jepa.worlds.two_rooms.sets import RECIPES, ProceduralSet

BLOCK, AGENTS, FRAMES, PROCESSES = 250, 10_000, 17, 2
BATCHES, HORIZON = (1, 64, 1024), 16
SHORT = {"encode": 20, "predict": 100}
"""Steps of each phase."""
Rates = dict[str, float]


def rate(units: int, work: Callable[[], object]) -> float:
    """Units a second, where `work` does so many."""
    return units / median_seconds(work, repeats=5, least=0.2, clock=time.process_time)


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


def of_model(model: JEPA) -> Rates:
    """Calls without and with the backward pass."""
    found, frames = {}, ProceduralSet("train", RECIPES["train"]).frames(np.arange(max(BATCHES)), 0, 1)[:, 0]
    for n in BATCHES:
        codes, actions, maps = torch.full((n, 2), 2.0), torch.ones(n, HORIZON, 2), model.encode_context(frames[:n])
        calls: dict[str, Callable[[], Tensor]] = {
            "frames encoded": partial(model.encode_agent, frames[:n]),
            "codes, one step": partial(model.step, codes, actions[:, 0], maps),
            f"codes, unroll of {HORIZON}": partial(model.unroll, codes, actions, maps),
        }
        for name, call in calls.items():
            with torch.no_grad():
                found[f"batch of {n}, {name}"] = rate(n, call)
            found[f"batch of {n}, {name}, and backward"] = rate(n, partial(lambda call: call().sum().backward(), call))
    return found


def of_set(budget: str, dataset: TrajectorySet, where: str) -> Rates:
    """Random batches; steps of both phases, each without its first, which starts things up; and phase 1's frames."""
    chosen, rng = find_budget(budget, TWO_ROOMS), np.random.default_rng(0)
    short: dict[str, Any] = {f"{name}_steps": count for name, count in SHORT.items()} | {
        "cached": 2_000,
        "auditions": 1,
    }
    trainer = Trainer(chosen.build(), dataset, replace(chosen.training, **short), torch.device("cpu"))
    marks: dict[str, list[float]] = {name: [] for name in SHORT}
    for _ in trainer.run():
        marks[trainer.at(trainer.step - 1)[0].name].append(time.process_time())
    read = rate(64 * FRAMES, lambda: dataset.frames(rng.choice(len(dataset), 64, replace=False)))
    found = {f"random batches of 64, {where}: frames": read}
    found |= {f"phase {name}, {where}: steps": (len(at) - 1) / (at[-1] - at[0]) for name, at in marks.items()}
    return found | {f"frames of phase encode alone, {where}: steps": rate(1, lambda: trainer.read(0))}


def of_data(budget: str, folder: Path | None, trajectories: int) -> Rates:
    drawn = ProceduralSet("train", replace(RECIPES["train"], count=trajectories))
    with tempfile.TemporaryDirectory(dir=folder) as name:
        target = Path(name) / "train"
        took = seconds(lambda: write_sets([draft(drawn, target, {})]))
        found = {"written, synced to disk, by the clock: frames": trajectories * FRAMES / took}
        found["peak resident memory so far (Linux): MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        found |= of_set(budget, CourseSet(target, "train", TWO_ROOMS), "from disk")
    return found | of_set(budget, drawn, "procedural")


def of_prober(model: JEPA) -> Rates:
    groups = [TWO_ROOMS.groups[0].only(("normal",))]
    (evaluator,) = evaluators(model, open_source("procedural", TWO_ROOMS), "cpu", groups)
    assert evaluator
    evaluator.config = replace(evaluator.config, epochs=1)
    return {"a prober: steps": rate(len(evaluator.ds), evaluator.train_pred_prober)}


def main(budget: str = "2k", folder: Path | None = None, trajectories: int = 5_000) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = load_model(budget)
    found = of_simulator() | of_data(budget, folder, trajectories) | of_model(model) | of_prober(model)
    rows = [[name, f"{value:,.0f}"] for name, value in found.items()]
    print(markdown([f"budget {budget}, torch {torch.__version__}", "a second"], rows))


if __name__ == "__main__":
    run(main)
