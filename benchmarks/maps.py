"""How models trained in two rooms alone walk through maps of all kinds: those of examples/maps, and random mazes.

--draw draws the maps anew. Results are in results/maps/; what is stored is not measured again: delete it first.
Starts and goals are uniform over the map; an episode has half as many steps again as the shortest way takes, and 50.
"""

import json
import statistics
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.shared import run, write_table
from tiny_jepa.budgets import find_weights
from tiny_jepa.commands.plan_map import MAPS
from tiny_jepa.files import read_json, write_atomically, write_text
from tiny_jepa.planning import plan
from tiny_jepa.planning.episodes import FIRST_SEED, start
from tiny_jepa.tables import markdown, number
from tiny_jepa.weights import read_weights
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, Geometry, TrueDynamics, render_layouts
from tiny_jepa.worlds.two_rooms.maps import MARGIN, read_picture
from tiny_jepa.worlds.two_rooms.plans import maze

FOLDER, RESULTS, PAGE = Path("examples/maps"), Path("results/maps"), Path("results/maps.md")
BUDGETS = ("50", "250", "2k", "true")
MAZES = {64: 4, 96: 6, 128: 8, 256: 16}  # px a side: cells a side
GRIDS = {
    # Sutton, Precup & Singh 1999, figure 2
    "four_rooms": (5, ".....#.....|" * 2 + "...........|" + ".....#.....|" * 2 + "#.####.....|.....###.###|"
                   + ".....#.....|" * 2 + "...........|.....#....."),
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


def draw() -> None:
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


def walk(model: Any, drawn: np.ndarray, seed: int, count: int) -> dict[str, list[float]]:
    """Episodes of the seeds from `seed` on in a map: each one's last distance from the goal, way against the shortest,
    and CPU seconds."""
    env, frames, info = start(MAPS, seed, count, 10**6, map=drawn)
    least = MAPS.shortest(info["location"], info["goal"], info["walls"], 0)
