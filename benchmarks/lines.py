"""How sharply a gate draws its lines: where it shuts as a move's end crosses a border, and over what distance.

    python -m benchmarks.lines [--budget 500 | --weights FILE] [--data procedural:seed=1]

Moves of 0.3 to 2 px towards each border, ending up to half a pixel before or behind it, at random places, layouts and
angles, 5 px clear of the wall. `beside` is how far from the border the gate is half open (5th to 95th percentile of the
moves), `by the wall` how far that shifts for the same move when only wall and door are elsewhere (standard deviation),
`width` the distance over which it goes from 3/4 to 1/4 open (median). Below, the gate's one-step error on ordinary
trajectories, the share of transitions that hold nearly all of it, and the error of the simulator's own dynamics from
the same codes: what the codes' accuracy allows.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch

from benchmarks.oracle import encoded, simulated
from tiny_jepa.budgets import find_weights
from tiny_jepa.data import ProceduralSet
from tiny_jepa.errors import run_cli
from tiny_jepa.evaluation.tables import markdown
from tiny_jepa.models.encoder import UNIT
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.training.codes import Codes
from tiny_jepa.weights import read_weights
from tiny_jepa.world.dynamics import step

MOVES = 500
CLEAR = 5.0  # px
PLACES = np.linspace(-0.5, 0.5, 401)  # px before and behind the border


@torch.no_grad()
def crossing(
    model: JEPA,
    dataset: ProceduralSet,
    layouts: np.ndarray,
    codes: torch.Tensor,
    offset: np.ndarray,
    axis: int,
    far: bool,
    elsewhere: int = 0,
) -> tuple[np.ndarray, float]:
    """Where the gate is half open, px behind the border, for `MOVES` moves (NaN: nowhere), and the width in px.
    `elsewhere` tells draws of the layouts apart; the moves are the same."""
    rng = np.random.default_rng([axis, far])
    sign, edge = (1, dataset.world.far_border) if far else (-1, dataset.world.border)
    low, high = dataset.world.border + CLEAR, dataset.world.far_border - CLEAR
    along = rng.uniform(low, high, MOVES)
    angle, length = rng.uniform(-1.2, 1.2, MOVES), rng.uniform(0.3, 2.0, MOVES)
    draws = np.random.default_rng([axis, far, elsewhere, 1]).integers(0, len(layouts), (MOVES, 50))
    clear = (np.abs(along[:, None] - layouts[draws, 0]) > CLEAR) | (axis == 0)  # along x the wall may be in the way
    chosen = draws[np.arange(MOVES), clear.argmax(1)]
    actions = np.empty((len(along), 2))
    actions[:, axis], actions[:, 1 - axis] = sign * length * np.cos(angle), length * np.sin(angle)
    ends = np.empty((len(along), len(PLACES), 2))
    ends[..., axis], ends[..., 1 - axis] = edge + sign * PLACES, along[:, None]
    spread = (len(along), len(PLACES), 2)
    logit = model.predictor.gate_logit(
        torch.from_numpy((ends + offset) / UNIT).float(),
        torch.from_numpy(actions).float()[:, None].expand(spread),
        codes[chosen][:, None].expand(spread),
    )[..., 0].numpy()
    shut = logit < 0
    first = np.clip(shut.argmax(1), 1, len(PLACES) - 2)
    rows = np.arange(len(along))
    slope = (logit[rows, first - 1] - logit[rows, first + 1]) / (PLACES[2] - PLACES[0])
    return np.where(shut.any(1), PLACES[first], np.nan), float(2 * math.log(3) / np.median(slope))


@torch.no_grad()
def one_step(
    model: JEPA, dataset: ProceduralSet, codes: Codes, layouts: torch.Tensor, offset: np.ndarray
) -> list[np.ndarray]:
    """Squared one-step errors of each transition in px²: the model's, and perfect dynamics' from the same codes."""
    drawn, steps = dataset.trajectories, codes.actions.shape[1]
    predicted = model.predictor(codes.agent[:, :-1], codes.actions, layouts[:, None].expand(-1, steps, -1))
    own = UNIT * (predicted - codes.agent[:, 1:]).numpy().reshape(-1, 2)
    seen = UNIT * codes.agent.numpy().astype(np.float64) - offset
    before, after = seen[:, :-1].reshape(-1, 2), seen[:, 1:].reshape(-1, 2)
    perfect, _ = step(dataset.world, before, drawn.actions.reshape(-1, 2), np.repeat(drawn.layouts, steps, axis=0))
    return [(error**2).mean(1) for error in (own, perfect - after)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lines", description="How sharp a gate's lines are.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--budget", default="500", help="the trained weights of a budget (500)")
    which.add_argument("--weights", type=Path, help="a weights file")
    parser.add_argument("--data", default="procedural:seed=1")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = read_weights(args.weights or find_weights(args.budget))[0]
    dataset = simulated(args.data, "probe_normal/val")
    codes, offset = encoded(model, dataset)
    with torch.no_grad():
        layouts = model.layout_encoder(codes.layout_profiles)
    rows = []
    for name, axis, far in (("left", 0, False), ("right", 0, True), ("top", 1, False), ("bottom", 1, True)):
        where, width = crossing(model, dataset, dataset.trajectories.layouts, layouts, offset, axis, far)
        low, high = np.nanpercentile(where, [5, 95])
        moved = [
            crossing(model, dataset, dataset.trajectories.layouts, layouts, offset, axis, far, elsewhere)[0]
            for elsewhere in range(1, 9)
        ]
        by_wall = float(np.sqrt(np.nanmean(np.nanvar([where, *moved], axis=0, ddof=1))))
        rows.append([name, f"{low:+.3f} to {high:+.3f}", f"{by_wall:.3f}", f"{width:.3f}"])
    print(markdown(["border", "beside, px", "by the wall, px", "width, px"], rows))
    own, perfect = one_step(model, dataset, codes, layouts, offset)
    much = own > 1e-4
    print(
        f"one-step error {own.mean():.5f} px² (perfect dynamics: {perfect.mean():.5f}); {much.mean():.1%} of the "
        f"transitions err by more than 0.0001 px² and hold {own[much].sum() / own.sum():.1%} of it"
    )


if __name__ == "__main__":
    run_cli(main)
