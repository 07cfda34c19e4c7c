"""What weights of fewer bits cost: bytes against error, each preset as float32, float16 and int8.

    python -m benchmarks.bits [--budgets 50 2k] [--draws 1] [--first 101]

Each model is written as a safetensors file and read back. It predicts the sets of `--draws` seeds of the simulator,
from `--first` on, 65 px float32; no prober, as in benchmarks/fresh.py. `numbers` are the bytes of its numbers, `file`
those of the whole file. Errors in px²; in brackets, the change from float32. Of those that are below the best published
error in every column, the one with the fewest bytes is then graded by the probing protocol.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np
import torch
from tqdm import tqdm

from benchmarks.fresh import draw, errors
from benchmarks.readme import best_published
from tiny_jepa import load_model
from tiny_jepa.budgets import list_budgets
from tiny_jepa.course import COURSE_SETS
from tiny_jepa.course.ranking import read_peers
from tiny_jepa.data import open_source
from tiny_jepa.errors import run_cli
from tiny_jepa.export.safetensors import Kind, coded, load, save
from tiny_jepa.probing.measure import measure
from tiny_jepa.tables import markdown, number
from tiny_jepa.worlds.two_rooms import TWO_ROOMS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bits", description="What fewer bits cost.")
    parser.add_argument("--budgets", nargs="+", default=list_budgets(TWO_ROOMS), help="presets (all)")
    parser.add_argument("--draws", type=int, default=1, help="seeds of the simulator (1)")
    parser.add_argument("--first", type=int, default=101, help="the first of them (101)")
    parser.add_argument("--count", type=int, default=12_000, help="trajectories of each set and seed (12000)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    seeds = range(args.first, args.first + args.draws)
    datasets = {name: [draw(name, seed, 65, args.count) for seed in seeds] for name in COURSE_SETS}
    best = list(best_published(read_peers()).values())
    rows, good, bar = [], [], tqdm(total=len(args.budgets) * len(get_args(Kind)), leave=False)
    for budget in args.budgets:
        trained, first = load_model(budget), np.zeros(0)
        for kind in get_args(Kind):
            size = sum(values.nbytes for values in coded(trained.state_dict(), kind).values())
            with TemporaryDirectory() as folder:
                path = Path(folder) / "model.safetensors"
                save(trained, path, kind)
                file, model = path.stat().st_size, load(path)
            found = np.array([np.mean([errors(model, d)[0].mean() for d in sets]) for sets in datasets.values()])
            first = first if len(first) else found
            cells = [f"{number(each)} ({each - was:+.4f})" for each, was in zip(found, first, strict=True)]
            rows.append([f"`{budget}`", kind, f"{size:,}", f"{file:,}", *cells])
            if (found < best).all():
                good.append((size, file, budget, kind, model))
            bar.update()
    print(markdown(["preset", "weights", "numbers", "file", *COURSE_SETS], rows))
    size, file, budget, kind, model = min(good, key=lambda each: each[0])
    groups = [group.only(COURSE_SETS) for group in TWO_ROOMS.groups]
    graded = measure(model, open_source("procedural:size=65,dtype=float32", TWO_ROOMS), groups=groups)
    losses = {name: values[0] for name, values in graded.items() if values}
    print(
        f"\nBelow the best published in every column: {len(good)} of {len(rows)}. The fewest bytes: `{budget}`, "
        f"{kind}, {size:,} (a file of {file:,}). By the probing protocol: "
        + ", ".join(f"{name} {number(loss)}" for name, loss in losses.items())
    )


if __name__ == "__main__":
    run_cli(main)
