"""Presets on fresh trajectories, and on frames of several sizes.

The weights of every training seed (results/records/*.pth) predict sets of another seed of the simulator; frames are
uint8 at 64 px and float32 at other sizes. No prober: a code is a location in units of 16 px. Mean ± standard deviation
over training seeds, px². Perfect dynamics: what the simulator itself leaves, started where the first weights see
the agent.
"""

from dataclasses import replace

import numpy as np
import torch

from benchmarks.shared import RECORDS, run
from tiny_jepa.budgets import list_budgets
from tiny_jepa.course import SETS
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.progress import bar
from tiny_jepa.tables import markdown, mean, number
from tiny_jepa.weights import read_weights
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, UNIT, Geometry, rollout
from tiny_jepa.worlds.two_rooms.sets import RECIPES, ProceduralSet

AT_ONCE = 500  # trajectories predicted


@torch.no_grad()
def errors(model: JEPA, dataset: ProceduralSet) -> np.ndarray:
    """Means in px² [2]: of the model's rollouts, and of the simulator's from the locations that the model encodes."""
    drawn, found = dataset.trajectories, []
    for part in np.array_split(np.arange(len(dataset)), -(-len(dataset) // AT_ONCE)):
        frames, actions = dataset.frames(part, 0, 1)[:, 0], dataset.actions(part)
        code = model.encode_agent(frames)
        own = model.unroll(code, actions, model.encode_context(frames)).numpy() * UNIT
        true = rollout(dataset.world, code.numpy() * UNIT, drawn.actions[part], drawn.walls[part]).locations
        found.append([((each - drawn.locations[part]) ** 2).mean((1, 2)) for each in (own, true)])
    return np.concatenate(found, axis=1).mean(1)


def main(sizes: tuple[int, ...] = (64,), seed: int = 101, count: int = 12_000) -> None:
    torch.set_num_threads(1)
    rows, weights = [], {budget: sorted(RECORDS.glob(f"{budget}-seed*.pth")) for budget in list_budgets(TWO_ROOMS)}
    for size in sizes:
        world, dtype, sets = Geometry(size=size), "uint8" if size == 64 else "float32", []
        for name in (f"probe_{each}/val" for each in SETS):
            sets.append(ProceduralSet(name, replace(RECIPES[name], count=count), world, seed, dtype))
        perfect: list[float] = []
        for budget, paths in ((budget, paths) for budget, paths in weights.items() if paths):
            shown = (read_weights(path)[0] for path in bar(paths, desc=f"{budget}, {size} px", unit="weights"))
            found = np.array([[errors(model, each) for each in sets] for model in shown])  # [M, sets, 2]
            perfect = perfect or found[0, :, 1].tolist()
            rows.append([budget, f"{size}", f"{len(paths)}", *map(mean, found[:, :, 0].T.tolist())])
        rows.append(["perfect dynamics", f"{size}", "–", *map(number, perfect)])
    print(markdown(["budget", "px", "seeds", *SETS], rows))


if __name__ == "__main__":
    run(main)
