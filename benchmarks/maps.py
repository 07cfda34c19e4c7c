"""How models trained in two rooms alone walk through maps of all kinds: those of examples/maps, and random mazes.

--draw draws the maps anew. Results are in results/maps/; what is stored is not measured again: delete it first.
Starts and goals are uniform over the map; episodes of a map have half as many steps again as the longest takes, and 50.
"""

import json
import statistics
from itertools import cycle, product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.planning import percent
from benchmarks.shared import run, write_table
from tiny_jepa.budgets import find_weights
from tiny_jepa.commands.plan import MAPS
from tiny_jepa.files import read_json, write_atomically, write_text
from tiny_jepa.planning import plan
from tiny_jepa.planning.episodes import AT_ONCE, FIRST_SEED, start
from tiny_jepa.planning.episodes import run as execute
from tiny_jepa.tables import markdown, number
from tiny_jepa.weights import read_weights
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, Geometry, render_layouts
from tiny_jepa.worlds.two_rooms.maps import MARGIN, read_picture
from tiny_jepa.worlds.two_rooms.plans import maze

FOLDER, RESULTS, PAGE = Path("examples/maps"), Path("results/maps"), Path("results/maps.md")
TRUE = "true dynamics"
BUDGETS = ("2k", "250", TRUE, "50")
MAZES = {64: 4, 96: 6, 128: 8}  # px a side: cells a side
GRIDS = {
    # Sutton, Precup & Singh 1999, figure 2
    "four_rooms": (5, ".....#.....|.....#.....|...........|.....#.....|.....#.....|#.####.....|.....###.##|"
                   ".....#.....|.....#.....|...........|.....#....."),
    "u_maze": (18, "...|##.|..."),
    # the plan of D4RL's and OGBench's large maze
    "large_maze": (12, "....#.....|.##.#.#.#.|......#...|.####.###.|..#.#.....|#.#.#.#.##|..#...#..."),
    "spiral": (8, "...........|##########.|.........#.|.#######.#.|.#.....#.#.|.#.###.#.#.|.#.#...#.#.|.#.#####.#.|"
               ".#.......#.|.#########.|..........."),
}  # fmt: skip
"""Squares of so many px, row by row."""
WALLS = "0 38 127 40|0 56 127 58|44 0 46 40|84 0 86 40|34 56 36 95|92 56 94 95"
DOORS = "18 38 28 40|60 38 70 40|104 38 114 40|10 56 20 58|56 56 66 58|108 56 118 58|92 76 94 86"
THINGS = "0 0 14 20|34 0 43 8|56 12 72 22|87 0 127 6|87 20 95 30|0 84 16 95|26 62 33 70|46 88 80 95|112 84 127 95"
"""Of the flat: boxes of px, corners included."""


def draw_maps() -> None:
    """Writes the maps as PNGs."""
    from PIL import Image, ImageDraw

    pictures = {}
    for name, (scale, text) in GRIDS.items():
        walls = np.array([list(row) for row in text.split("|")]) == "#"
        pictures[name] = Image.fromarray(~walls).resize([scale * side for side in walls.T.shape])
    flat = pictures["flat"] = Image.new("RGB", (128, 96), "#f3ead8")
    pen = ImageDraw.Draw(flat)
    for boxes, colour in ((WALLS, "#22262e"), (DOORS, "#f3ead8"), (THINGS, "#7a5c3e")):
        for box in boxes.split("|"):
            pen.rectangle([*map(int, box.split())], fill=colour)
    pen.ellipse([58, 70, 72, 80], fill="#7a5c3e")
    for name, picture in pictures.items():
        write_atomically(FOLDER / f"{name}.png", lambda temporary, picture=picture: picture.save(temporary, "PNG"))


def mazes(count: int) -> list[np.ndarray]:
    """Random ones, of all sizes in turn."""
    found = []
    for turn, (size, cells) in zip(range(count), cycle(MAZES.items())):
        world, rng = Geometry(size=size), np.random.default_rng([FIRST_SEED, turn])
        drawn = render_layouts(world, maze(world, 1, rng, cells))[0]
        found.append(drawn[MARGIN:-MARGIN, MARGIN:-MARGIN])
    return found


def walked(budget: str, drawn: np.ndarray, episodes: int) -> dict[str, Any]:
    """The score of a budget, or of the true dynamics, in one map."""
    _, _, info = start(MAPS, FIRST_SEED, min(AT_ONCE, episodes), 1, map=drawn)
    least = MAPS.shortest(info["location"], info["goal"], info["walls"], 0)
    steps = int(1.5 * least.max() / MAPS.actions.limit) + 50
    model: Any = MAPS.dynamics if budget == TRUE else read_weights(find_weights(budget, TWO_ROOMS))[0]
    return execute(MAPS, lambda *frames: plan(model, *frames, MAPS.actions), episodes, steps, {"map": drawn})


def measured(name: str, budget: str, maps: list[np.ndarray], episodes: int, wanted: bool) -> dict[str, Any] | None:
    """The stored means of a budget's scores in these maps, the median of its ways; measured first where missing."""
    path = RESULTS / f"{name}-{budget.replace(' ', '-')}.json"
    if wanted and not path.is_file():
        each = [walked(budget, drawn, episodes) for drawn in maps]
        found = {key: statistics.mean(score[key] for score in each) for key in ("cpu_plan", "cpu_step")}
        found |= {radius: statistics.mean(score["last"][radius][0] for score in each) for radius in ("4.5", "1.5")}
        ways = [score["median_way"] for score in each if score["median_way"]]
        failed = [turn for turn, score in enumerate(each) if score["last"]["4.5"][0] < 1]
        found |= {"way": statistics.median(ways), "failed": failed, "episodes": episodes * len(maps)}
        write_text(path, json.dumps(found, indent=2) + "\n")
        print(path, found, flush=True)
    return read_json(path, "delete it, and it is measured again") if path.is_file() else None


def main(draw: bool = False, table: bool = False, episodes: int = 100, count: int = 200) -> None:
    if draw:
        return draw_maps()
    torch.set_num_threads(1)
    places = {path.stem: [read_picture(path)] for path in sorted(FOLDER.glob("*.png"))}
    rows = []
    for budget, (name, maps) in product(BUDGETS, [*places.items(), ("mazes", mazes(count))]):
        if found := measured(name, budget, maps, episodes if len(maps) == 1 else 1, not table):
            success = " / ".join(percent(found[radius]) for radius in ("4.5", "1.5"))
            cpu = number(found["cpu_plan"]), number(1000 * found["cpu_step"])
            side = f"{min(MAZES)} to {max(MAZES)}" if len(maps) > 1 else f"{max(maps[0].shape) + 2 * MARGIN}"
            rows.append([name, side, budget, success, f"{found['way']:.3f}", *cpu, f"{found['episodes']}"])
    titles = ["map", "px", "model", "4.5 / 1.5 px, %", "way / shortest", "CPU s a plan", "CPU ms a step", "episodes"]
    write_table(PAGE, markdown(titles, rows))


if __name__ == "__main__":
    run(main)
