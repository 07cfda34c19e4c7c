"""How models trained in two rooms alone walk through maps of all kinds: those of examples/maps, and random mazes.

Results are in results/maps/; what is stored is not measured again: delete it first. --table measures nothing. Starts
and goals are uniform over the map; episodes of a map have half as many steps again as the longest takes, and 50.
"""

import json
import statistics
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.planning import COMPARED, percent
from benchmarks.shared import run, stored, write_table
from tiny_jepa import load_model
from tiny_jepa.commands.plan import MAPS
from tiny_jepa.files import write_text
from tiny_jepa.planning import episodes as walks
from tiny_jepa.planning import plan
from tiny_jepa.tables import markdown, number
from tiny_jepa.worlds.two_rooms import Geometry, render_layouts
from tiny_jepa.worlds.two_rooms.maps import MARGIN, read_picture
from tiny_jepa.worlds.two_rooms.plans import maze

FOLDER, RESULTS, PAGE = Path("examples/maps"), Path("results/maps"), Path("results/maps.md")
TRUE, STRAIGHT = "true dynamics", "2k, CEM at the least distance"
MODELS = ("2k", "250", "50", TRUE, STRAIGHT)
FEW = 20  # episodes of the last, and so many mazes
MAZES = {64: 4, 96: 6, 128: 8}  # px a side: cells a side


def random_maze(index: int) -> np.ndarray:
    """All sizes in turn."""
    size, cells = [*MAZES.items()][index % len(MAZES)]
    world, rng = Geometry(size=size), np.random.default_rng([walks.FIRST_SEED, index])
    return render_layouts(world, maze(world, 1, rng, cells))[0, MARGIN:-MARGIN, MARGIN:-MARGIN]


def measure(name: str, maps: list[np.ndarray], episodes: int, path: Path) -> None:
    """Stores means of the scores that one of `MODELS` has in these maps, and the median of its ways."""
    model: Any = MAPS.dynamics if name == TRUE else load_model(name.split(",")[0])
    planner: Any = COMPARED["CEM, least distance, actions held"] if name == STRAIGHT else plan
    agent: Any = lambda *frames: planner(model, *frames, MAPS.actions)  # noqa: E731
    each = []
    for drawn in maps:
        _, _, info = walks.start(MAPS, walks.FIRST_SEED, min(walks.AT_ONCE, episodes), 1, map=drawn)
        least = MAPS.shortest(info["location"], info["goal"], info["walls"], 0)
        steps = int(1.5 * least.max() / MAPS.actions.limit) + 50
        each.append(walks.run(MAPS, agent, episodes, steps, {"map": drawn}))
    found = {key: statistics.mean(score[key] for score in each) for key in ("cpu_plan", "cpu_step")}
    found |= {radius: statistics.mean(score["last"][radius][0] for score in each) for radius in ("4.5", "1.5")}
    failed = [index for index, score in enumerate(each) if score["last"]["4.5"][0] < 1]
    way = statistics.median([score["median_way"] for score in each if score["median_way"]] or [0])
    found |= {"way": way, "failed": failed, "episodes": episodes * len(maps)}
    write_text(path, json.dumps(found, indent=2) + "\n")


def main(table: bool = False, episodes: int = 200, count: int = 200) -> None:
    torch.set_num_threads(1)
    places = {path.stem: [read_picture(path)] for path in sorted(FOLDER.glob("*.png"))}
    places["mazes"] = [random_maze(each) for each in range(count)]
    rows = []
    for model, (name, maps) in product(MODELS, places.items()):
        path = RESULTS / f"{name}-{model.replace(',', '').replace(' ', '-')}.json"
        several, times = (FEW, min(FEW, episodes)) if model == STRAIGHT else (len(maps), episodes)
        measured = partial(measure, model, maps[:several], times if len(maps) == 1 else 1)
        if found := stored(path, measured, not table):
            side = f"{min(MAZES)} to {max(MAZES)}" if len(maps) > 1 else f"{max(maps[0].shape) + 2 * MARGIN}"
            success = " / ".join(percent(found[radius]) for radius in ("4.5", "1.5"))
            way = f"{found['way']:.3f}" if found["way"] else "–"
            cells = [number(found["cpu_plan"]), number(1000 * found["cpu_step"]), str(found["episodes"])]
            rows.append([name, side, model, success, way, *cells])
    titles = ["map", "px", "model", "4.5 / 1.5 px, %", "way / shortest", "CPU s a plan", "CPU ms a step", "episodes"]
    write_table(PAGE, markdown(titles, rows))


if __name__ == "__main__":
    run(main)
