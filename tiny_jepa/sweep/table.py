"""The table of a sweep: a row each of the grid, mean ± standard deviation over the training seeds."""

import statistics
from collections.abc import Sequence

from tiny_jepa.course import SETS
from tiny_jepa.probing.results import Result, read_result
from tiny_jepa.sweep.grid import Grid, Row
from tiny_jepa.tables import markdown, number, size


def table(grid: Grid) -> str:
    """The Markdown table of what is stored: px², by one prober each; a run that train.py stopped is counted so."""
    lines = []
    for row in grid.rows:
        stored = [path for seed in row.seeds if (path := grid.result(row, seed)).is_file()]
        stopped = sum(grid.stopped(row, seed).is_file() for seed in row.seeds)
        if stored or stopped:
            lines.append(cells(row, [read_result(path) for path in stored], stopped))
    return markdown(["row", "what differs", "parameters", "seeds", "minutes", *SETS], lines)


def cells(row: Row, results: Sequence[Result], stopped: int) -> list[str]:
    count = f"{len(results)}" + (f" ({stopped} stopped)" if stopped else "")
    minutes = [result.minutes for result in results if result.minutes is not None]
    losses = [[mean for result in results if (mean := result.mean(name)) is not None] for name in SETS]
    shown = [number(statistics.fmean(each), spread(each)) if each else "–" for each in losses]
    longest = number(max(minutes)) if minutes else "–"
    return [row.name, row.factor, size(results[0].parameters) if results else "–", count, longest, *shown]


def spread(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None
