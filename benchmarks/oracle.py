"""What a perfect predictor would leave: the simulator's own dynamics, started at the location that a model encodes.

    python -m benchmarks.oracle [--budget 500] [--data procedural:seed=1]

No prober: codes are turned into px by their scale (16 px a unit) and the median offset. Beside it, the model's own
predictions, and how much of their error the worst ten trajectories make.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from tiny_jepa import load_model
from tiny_jepa.data import ProceduralSet, open_source
from tiny_jepa.errors import UserError, run_cli
from tiny_jepa.evaluation.tables import markdown
from tiny_jepa.models.encoder import UNIT
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.training.codes import Codes, encode_trajectories
from tiny_jepa.world.dynamics import step

SETS = ("probe_normal/val", "probe_wall/val", "probe_wall_other/val", "probe_long/val")


def simulated(spec: str, name: str) -> ProceduralSet:
    """A set of the simulator's; a `UserError` where `spec` is other data."""
    dataset = open_source(spec).require(name)
    if not isinstance(dataset, ProceduralSet):
        raise UserError(f"--data {spec} is no simulator; give procedural:seed=1")
    return dataset


def encoded(model: JEPA, dataset: ProceduralSet) -> tuple[Codes, np.ndarray]:
    """A set's codes, and by how much they lie beside the true locations [2] px, in the median."""
    codes = encode_trajectories(model, dataset, np.arange(len(dataset)), "none", 0, torch.device("cpu"))
    return codes, np.median(UNIT * codes.agent.numpy() - dataset.trajectories.locations, axis=(0, 1))


@torch.no_grad()
def errors(model: JEPA, dataset: ProceduralSet) -> tuple[np.ndarray, np.ndarray]:
    """Mean squared error of each trajectory in px²: of perfect dynamics from the encoded start, of the model."""
    drawn = dataset.trajectories
    codes, offset = encoded(model, dataset)
    here = UNIT * codes.agent[:, 0].numpy().astype(np.float64) - offset
    path = [here]
    for action in np.moveaxis(drawn.actions, 1, 0):
        here, _ = step(dataset.world, here, action, drawn.layouts)
        path.append(here)
    predicted = model.unroll(codes.agent[:, 0], codes.actions, model.layout_encoder(codes.layout_profiles))
    paths = np.stack(path, axis=1), UNIT * predicted.numpy() - offset
    perfect, own = (((each - drawn.locations) ** 2).mean((1, 2)) for each in paths)
    return perfect, own


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.oracle", description="What perfect dynamics would leave."
    )
    parser.add_argument("--budget", default="500")
    parser.add_argument("--data", default="procedural:seed=1")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(args.budget)
    rows = []
    for name in SETS:
        dataset = simulated(args.data, name)
        perfect, own = errors(model, dataset)
        worst = np.sort(own)[-10:].sum() / own.sum()
        rows.append([name, f"{perfect.mean():.5f}", f"{own.mean():.4f}", f"{worst:.0%}", f"{len(own):,}"])
    print(markdown(["set", "perfect dynamics, px²", f"{args.budget}, px²", "its worst ten", "trajectories"], rows))


if __name__ == "__main__":
    run_cli(main)
