"""Draws the maps of this folder: python examples/maps/draw.py"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

GRIDS = {
    "four_rooms": (5, ".....#.....|.....#.....|...........|.....#.....|.....#.....|#.####.....|.....###.##|"
                   ".....#.....|.....#.....|...........|.....#....."),
    "u_maze": (18, "...|##.|..."),
    "large_maze": (12, "....#.....|.##.#.#.#.|......#...|.####.###.|..#.#.....|#.#.#.#.##|..#...#..."),
    "spiral": (8, "...........|##########.|.........#.|.#######.#.|.#.....#.#.|.#.###.#.#.|.#.#...#.#.|.#.#####.#.|"
               ".#.......#.|.#########.|..........."),
}  # fmt: skip
"""Squares of so many px, row by row: four rooms as Sutton, Precup & Singh 1999 have them, a large maze as in D4RL."""
WALLS = "0 38 127 40|0 56 127 58|44 0 46 40|84 0 86 40|34 56 36 95|92 56 94 95"
DOORS = "18 38 28 40|60 38 70 40|104 38 114 40|10 56 20 58|56 56 66 58|108 56 118 58|92 76 94 86"
THINGS = "0 0 14 20|34 0 43 8|56 12 72 22|87 0 127 6|87 20 95 30|0 84 16 95|26 62 33 70|46 88 80 95|112 84 127 95"
"""Of the flat: boxes of px, corners included."""


def draw(folder: Path) -> None:
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
        picture.save(folder / f"{name}.png")


if __name__ == "__main__":
    draw(Path(__file__).parent)
