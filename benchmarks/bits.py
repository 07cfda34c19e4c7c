"""What weights of fewer bits cost: bytes against error, each preset as float32, float16 and int8.

Each model is written as a safetensors file and read back, then measured as benchmarks/fresh.py does, 65 px float32.
`numbers` are the bytes of its numbers, `file` those of the whole file. Errors in px²; in brackets, the change from
float32. Of those that are below the best published error in every column, the one with the fewest bytes is then graded
by the probing protocol. Writes the table of results/bits.md, or of another --page.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np
import torch

from benchmarks import fresh
from benchmarks.ranking import read_peers
from benchmarks.readme import best_published
from benchmarks.shared import course_losses, run, write_table
from tiny_jepa import load_model
from tiny_jepa.course import COURSE_SETS
from tiny_jepa.data import open_source
from tiny_jepa.export.safetensors import Kind, coded, load, save
from tiny_jepa.progress import bar
from tiny_jepa.tables import markdown, number
from tiny_jepa.worlds.two_rooms import TWO_ROOMS

PAGE = Path("results/bits.md")


def main(
    budgets: tuple[str, ...] = fresh.PRESETS, draws: int = 1, first: int = 101, count: int = 12_000, page: Path = PAGE
) -> None:
    torch.set_num_threads(1)
    datasets = {name: fresh.draw(name, range(first, first + draws), 65, count) for name in COURSE_SETS}
    best = list(best_published(read_peers()).values())
    rows, good = [], []
    for budget in bar(budgets, unit="presets"):
        trained, exact = load_model(budget), np.zeros(0)
        for kind in get_args(Kind):
            size = sum(values.nbytes for values in coded(trained.state_dict(), kind).values())
            with TemporaryDirectory() as folder:
                save(trained, path := Path(folder) / "model.safetensors", kind)
                file, model = path.stat().st_size, load(path)
            found = np.array([fresh.errors(model, sets)[0].mean() for sets in datasets.values()])
            exact = exact if len(exact) else found
            cells = [f"{number(each)} ({each - was:+.4f})" for each, was in zip(found, exact, strict=True)]
            rows.append([f"`{budget}`", kind, f"{size:,}", f"{file:,}", *cells])
            if (found < best).all():
                good.append((size, file, budget, kind, model))
    table = markdown(["preset", "weights", "numbers", "file", *COURSE_SETS], rows)
    table += f"\n\nBelow the best published in every column: {len(good)} of {len(rows)}."
    if good:
        size, file, budget, kind, model = min(good, key=lambda each: each[0])
        losses = course_losses(model, open_source("procedural:size=65,dtype=float32", TWO_ROOMS))
        table += f" The fewest bytes: `{budget}`, {kind}, {size:,} (a file of {file:,}).\nBy the probing protocol: "
        table += ", ".join(f"{name} {number(each)}" for name, each in losses.items())
    write_table(page, table)


if __name__ == "__main__":
    run(main)
