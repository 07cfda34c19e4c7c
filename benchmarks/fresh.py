"""Every preset on fresh trajectories, and on frames of several sizes.

The weights of every training seed (results/records/) predict sets of --draws other seeds of the simulator, from --first
on; frames are uint8 at 64 px and float32 at other sizes. No prober: a code is a location in units of 16 px. Mean ±
standard deviation over training seeds, px²; `lost` is the share of ordinary trajectories that err by more than 1 px² in
the mean; `in the wall` is the error of those that start inside the wall. Perfect dynamics: what the simulator itself
leaves, started where the first weights see the agent.
"""

from dataclasses import replace

import numpy as np
import torch

from benchmarks.sets import starts
from benchmarks.shared import RECORDS, run
from tiny_jepa.budgets import list_budgets
from tiny_jepa.course import SETS
from tiny_jepa.errors import UserError
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.progress import bar
from tiny_jepa.tables import markdown, mean, number
from tiny_jepa.weights import read_weights
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, UNIT, Geometry, rollout
from tiny_jepa.worlds.two_rooms.sets import RECIPES, ProceduralSet

PRESETS = tuple(list_budgets(TWO_ROOMS))
LOST = 1.0  # px²
AT_ONCE = 500  # trajectories predicted


def draw(name: str, seeds: range, size: int, count: int) -> list[ProceduralSet]:
    """The sets that the loss `name` scores, of these seeds."""
    recipe, dtype = replace(RECIPES[f"probe_{name}/val"], count=count), "uint8" if size == 64 else "float32"
    return [ProceduralSet(f"probe_{name}/val", recipe, Geometry(size=size), seed, dtype) for seed in seeds]


@torch.no_grad()
def errors(model: JEPA, sets: list[ProceduralSet]) -> np.ndarray:
    """Mean squared error of each trajectory in px² [2, N]: of the model's rollout, and of the simulator's from the
    location that the model encodes."""
    found = []
    for dataset in sets:
        drawn = dataset.trajectories
        for part in np.array_split(np.arange(len(dataset)), -(-len(dataset) // AT_ONCE)):
            frames, actions = dataset.frames(part, 0, 1)[:, 0], dataset.actions(part)
            code = model.encode_agent(frames)
            own = model.unroll(code, actions, model.encode_context(frames)).numpy() * UNIT
            true = rollout(dataset.world, code.numpy() * UNIT, drawn.actions[part], drawn.walls[part]).locations
            found.append([((each - drawn.locations[part]) ** 2).mean((1, 2)) for each in (own, true)])
    return np.concatenate(found, axis=1)


def columns(model: JEPA, datasets: dict[str, list[ProceduralSet]]) -> tuple[list[float], list[float]]:
    """The model's figures, and those of perfect dynamics."""
    found = {name: errors(model, sets) for name, sets in datasets.items()}
    normal = found["normal"][0]
    inside = np.concatenate([starts(dataset.trajectories)[1] > 0 for dataset in datasets["normal"]])
    own, perfect = zip(*(each.mean(1).tolist() for each in found.values()), strict=True)
    return [*own, float((normal > LOST).mean()), float(normal[inside].mean())], list(perfect)


def main(
    budgets: tuple[str, ...] = PRESETS,
    sizes: tuple[int, ...] = (64,),
    draws: int = 1,
    first: int = 101,
    count: int = 12_000,
) -> None:
    torch.set_num_threads(1)
    files = {budget: sorted(RECORDS.glob(f"{budget}-seed*.pth")) for budget in budgets}
    if missing := [budget for budget, found in files.items() if not found]:
        sweep = "python -m tiny_jepa sweep benchmarks/records.ini"
        raise UserError(f"no weights of {', '.join(missing)} in {RECORDS}; run {sweep}")
    rows = []
    for size in sizes:
        datasets = {name: draw(name, range(first, first + draws), size, count) for name in SETS}
        best: list[float] = []
        for budget, found in files.items():
            shown = bar(found, desc=f"{budget}, {size} px", unit="weights")
            measured, perfect = zip(*(columns(read_weights(path)[0], datasets) for path in shown), strict=True)
            best = best or perfect[0]
            cells = [*map(mean, zip(*measured, strict=True))]
            rows.append([budget, f"{size}", f"{len(found)}", *cells])
        rows.append(["perfect dynamics", f"{size}", "–", *map(number, best), "–", "–"])
    print(markdown(["budget", "px", "seeds", *SETS, "lost", "in the wall"], rows))


if __name__ == "__main__":
    run(main)
