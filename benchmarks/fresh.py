"""Every preset on many more fresh trajectories than a set has, so that a few of them do not decide.

    python -m benchmarks.fresh [--budgets 2k 10k] [--draws 10] [--first 1]

The weights of every training seed (results/records/) predict the sets of `--draws` other seeds of the simulator, from
`--first` on, 4,000 trajectories a set and seed, 500 of the long one. No prober: codes are turned into px as in
benchmarks.oracle. Mean ± standard deviation over training seeds, px²; `lost` is the share of ordinary trajectories that
err by more than 1 px² in the mean, `perfect dynamics` what the simulator itself would leave from the codes of the first
weights.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from benchmarks.oracle import SETS, errors, simulated
from benchmarks.study import spread
from tiny_jepa.budgets import list_budgets
from tiny_jepa.errors import UserError, run_cli
from tiny_jepa.evaluation.tables import markdown, number
from tiny_jepa.weights import read_weights

RECORDS = Path("results/records")
LOST = 1.0  # px²


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fresh", description="Presets on fresh trajectories.")
    parser.add_argument("--budgets", nargs="+", default=list(list_budgets()), help="presets (all)")
    parser.add_argument("--draws", type=int, default=10, help="seeds of the simulator (10)")
    parser.add_argument("--first", type=int, default=1, help="the first of them (1)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    files = {budget: sorted(RECORDS.glob(f"{budget}-seed*.pth")) for budget in args.budgets}
    if missing := [budget for budget, found in files.items() if not found]:
        raise UserError(f"no weights of {', '.join(missing)} in {RECORDS}; run python -m benchmarks.study records")
    models = {path: read_weights(path)[0] for found in files.values() for path in found}
    left: dict[Path, list[list[np.ndarray]]] = {path: [[] for _ in SETS] for path in models}
    for draw in tqdm(range(args.first, args.first + args.draws), desc="draws", leave=False):
        for part, name in enumerate(SETS):
            dataset = simulated(f"procedural:seed={draw}", name)
            for path, model in models.items():
                left[path][part].append(np.stack(errors(model, dataset)))
    each = {path: [np.concatenate(draws, axis=1) for draws in parts] for path, parts in left.items()}
    rows = []
    for budget, found in files.items():
        means = [[*(own.mean() for _, own in each[path]), (each[path][0][1] > LOST).mean()] for path in found]
        cells = [number(statistics.fmean(values), spread(list(values))) for values in zip(*means, strict=True)]
        rows.append([budget, f"{len(found)}", *cells])
    first = each[next(iter(models))]
    rows.append(["perfect dynamics", "–", *(number(perfect.mean()) for perfect, _ in first), "–"])
    names = [name.split("/")[0].removeprefix("probe_") for name in SETS]
    print(markdown(["budget", "seeds", *names, "lost"], rows))


if __name__ == "__main__":
    run_cli(main)
