"""How exactly a gate knows the door's corners, by the direction in which a move crosses the wall's face.

    python -m benchmarks.corners [--budget 2k | --weights FILE]

Moves of 0.5 to 1.6 px cross the face in front of them within 0.3 px of a corner of the door, at random places of the
move, angles and layouts. `outward` is the share of the move that leads away from the door's centre: 0 is a wall run.
The width of the band in which the gate lets a blocked move pass, and the one in which it blocks a free one, in px.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from tiny_jepa.budgets import find_weights
from tiny_jepa.errors import run_cli
from tiny_jepa.models.encoder import with_edges
from tiny_jepa.tables import markdown
from tiny_jepa.weights import read_weights
from tiny_jepa.worlds.two_rooms import UNIT, Geometry, sample_layouts, step

MOVES = 100_000  # a band of directions
NEAR = 0.3  # px
BANDS = (-1.0, -0.5, -0.1, -1e-9, 1e-9, 0.1, 0.5, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corners", description="How sharp a gate's corners are.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--budget", default="2k", help="the trained weights of a budget (2k)")
    which.add_argument("--weights", type=Path, help="a weights file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cell = read_weights(args.weights or find_weights(args.budget))[0].predictor
    world, rng, rows = Geometry(), np.random.default_rng(0), []
    for low, high in pairwise(BANDS):
        layouts = sample_layouts(world, MOVES, rng)
        corner, length = rng.choice([-1.0, 1.0], MOVES), rng.uniform(0.5, 1.6, MOVES)
        outward = rng.uniform(low, high, MOVES)
        moves = np.stack([np.sqrt(1 - outward**2), corner * outward], axis=1) * length[:, None]
        off = corner * (world.door_half + rng.uniform(-NEAR, NEAR, MOVES))
        crossing = layouts + np.stack([np.full(MOVES, -float(world.wall_half)), off], axis=1)
        starts = crossing - rng.uniform(0.02, 0.98, (MOVES, 1)) * moves
        _, blocked = step(world, starts, moves, layouts)
        with torch.no_grad():
            context = with_edges(torch.from_numpy(layouts / UNIT).float(), world.size, UNIT)
            begin, end = (torch.from_numpy(each / UNIT).float() for each in (starts, starts + moves))
            opened = (cell.gate_logit(begin, end, context)[:, 0] > 0).numpy()
        wrong = [(opened & blocked).mean() * 2 * NEAR, (~opened & ~blocked).mean() * 2 * NEAR]
        rows.append([f"{low:+.1f} to {high:+.1f}", *(f"{each:.3f}" for each in wrong)])
    print(markdown(["outward", "passes, px", "is blocked, px"], rows))


if __name__ == "__main__":
    run_cli(main)
