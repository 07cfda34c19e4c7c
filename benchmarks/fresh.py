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
from tiny_jepa.budgets import list_budgets
from tiny_jepa.errors import UserError, run_cli
from tiny_jepa.evaluation.tables import markdown
from tiny_jepa.weights import read_weights

RECORDS = Path("results/records")
LOST = 1.0  # px²


def row(name: str, means: list[list[float]]) -> list[str]:
    """means: for each training seed, one of each set and the share lost."""
    cells = []
    for values in zip(*means, strict=True):
        std = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
        cells.append(f"{statistics.fmean(values):.4f}{std}")
    return [name, f"{len(means)}", *cells]


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
    models = [(budget, read_weights(path)[0]) for budget, found in files.items() for path in found]
    own: dict[int, list[list[np.ndarray]]] = {i: [[] for _ in SETS] for i in range(len(models))}
    perfect: list[list[np.ndarray]] = [[] for _ in SETS]
    for draw in tqdm(range(args.first, args.first + args.draws), desc="draws", leave=False):
        for part, name in enumerate(SETS):
            dataset = simulated(f"procedural:seed={draw}", name)
            for i, (_, model) in enumerate(models):
                oracle, mine = errors(model, dataset)
                own[i][part].append(mine)
                if i == 0:
                    perfect[part].append(oracle)
    rows = []
    for budget in files:
        means = []
        for i, (of, _) in enumerate(models):
            if of == budget:
                each = [np.concatenate(parts) for parts in own[i]]
                means.append([*(float(part.mean()) for part in each), float((each[0] > LOST).mean())])
        rows.append(row(budget, means))
    rows.append(["perfect dynamics", "–", *(f"{np.concatenate(parts).mean():.4f}" for parts in perfect), "–"])
    names = [name.split("/")[0].removeprefix("probe_") for name in SETS]
    print(markdown(["budget", "seeds", *names, "lost"], rows))


if __name__ == "__main__":
    run_cli(main)
