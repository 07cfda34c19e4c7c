"""Every preset on fresh trajectories, and on frames of several sizes.

    python -m benchmarks.fresh [--budgets 2k 10k] [--sizes 62 64 65 72] [--draws 1] [--first 101] [--count 12000]

The weights of every training seed (results/records/) predict the sets of `--draws` other seeds of the simulator, from
`--first` on; frames are uint8 at 64 px and float32 at other sizes. No prober: a code is a location in units of 16 px.
Mean ± standard deviation over training seeds, px²; `lost` is the share of ordinary trajectories that err by more than
1 px² in the mean; `in the wall` is the error of those that start inside the wall. Perfect dynamics: what the simulator
itself leaves, started where the first weights see the agent.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from tiny_jepa.budgets import list_budgets
from tiny_jepa.course import SETS
from tiny_jepa.errors import UserError, run_cli
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.sweep.table import spread
from tiny_jepa.tables import markdown, number
from tiny_jepa.weights import read_weights
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, UNIT, Geometry, rollout
from tiny_jepa.worlds.two_rooms.sets import RECIPES, ProceduralSet

RECORDS = Path("results/records")
LOST = 1.0  # px²


def draw(name: str, seed: int, size: int = 64, count: int = 12_000) -> ProceduralSet:
    """The set that the loss `name` scores, of another seed, size and count."""
    recipe = replace(RECIPES[f"probe_{name}/val"], count=count)
    return ProceduralSet(f"probe_{name}/val", recipe, Geometry(size=size), seed, "uint8" if size == 64 else "float32")


@torch.no_grad()
def errors(model: JEPA, dataset: ProceduralSet) -> tuple[np.ndarray, np.ndarray]:
    """Mean squared error of each trajectory in px²: of the model's rollout, and of the simulator's from the location
    that the model encodes."""
    drawn, own, perfect = dataset.trajectories, [], []
    for part in np.array_split(np.arange(len(dataset)), max(1, len(dataset) // 500)):
        frames, true = dataset.frames(part, 0, 1)[:, 0], drawn.locations[part]
        code = model.encode_agent(frames)
        predicted = model.unroll(code, dataset.actions(part), model.encode_context(frames)).numpy() * UNIT
        simulated = rollout(dataset.world, code.numpy() * UNIT, drawn.actions[part], drawn.walls[part]).locations
        own.append(((predicted - true) ** 2).mean((1, 2)))
        perfect.append(((simulated - true) ** 2).mean((1, 2)))
    return np.concatenate(own), np.concatenate(perfect)


def starts_in_wall(dataset: ProceduralSet) -> np.ndarray:
    """Which trajectories start inside the wall [N] bool."""
    drawn, world = dataset.trajectories, dataset.world
    across, along = np.abs(drawn.locations[:, 0] - drawn.layouts).T
    return (across <= world.wall_half) & (along > world.door_half)


def figures(model: JEPA, datasets: dict[str, list[ProceduralSet]]) -> tuple[list[float], list[float]]:
    """The model's columns, and those of perfect dynamics."""
    own, perfect = {}, {}
    for name, sets in datasets.items():
        parts = zip(*(errors(model, dataset) for dataset in sets), strict=True)
        own[name], perfect[name] = map(np.concatenate, parts)
    inside = np.concatenate([starts_in_wall(dataset) for dataset in datasets["normal"]])
    first = own["normal"]
    extra = [float((first > LOST).mean()), float(first[inside].mean())]
    return [*(float(own[name].mean()) for name in SETS), *extra], [float(perfect[name].mean()) for name in SETS]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fresh", description="Presets on fresh trajectories.")
    parser.add_argument("--budgets", nargs="+", default=list(list_budgets(TWO_ROOMS)), help="presets (all)")
    parser.add_argument("--sizes", nargs="+", type=int, default=[64], help="px (64)")
    parser.add_argument("--draws", type=int, default=1, help="seeds of the simulator (1)")
    parser.add_argument("--first", type=int, default=101, help="the first of them (101)")
    parser.add_argument("--count", type=int, default=12_000, help="trajectories of each set and seed (12000)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    files = {budget: sorted(RECORDS.glob(f"{budget}-seed*.pth")) for budget in args.budgets}
    if missing := [budget for budget, found in files.items() if not found]:
        raise UserError(
            f"no weights of {', '.join(missing)} in {RECORDS}; run python -m tiny_jepa sweep benchmarks/records.ini"
        )
    rows, bar = [], tqdm(total=len(args.sizes) * sum(map(len, files.values())), desc="weights", leave=False)
    for size in args.sizes:
        seeds = range(args.first, args.first + args.draws)
        datasets = {name: [draw(name, seed, size, args.count) for seed in seeds] for name in SETS}
        best: list[float] = []
        for budget, found in files.items():
            measured = []
            for path in found:
                own, perfect = figures(read_weights(path)[0], datasets)
                measured.append(own)
                best = best or perfect
                bar.update()
            cells = [number(statistics.fmean(each), spread(list(each))) for each in zip(*measured, strict=True)]
            rows.append([budget, f"{size}", f"{len(found)}", *cells])
        rows.append(["perfect dynamics", f"{size}", "–", *map(number, best), "–", "–"])
    print(markdown(["budget", "px", "seeds", *SETS, "lost", "in the wall"], rows))


if __name__ == "__main__":
    run_cli(main)
