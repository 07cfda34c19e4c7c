"""What the benchmarks share: commands, medians of timed work, the course's losses, and tables that stand in a page."""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import tyro
from torch import nn

from tiny_jepa.course import COURSE_SETS
from tiny_jepa.data import Source
from tiny_jepa.errors import run_cli
from tiny_jepa.files import read_text, write_text
from tiny_jepa.probing.measure import measure
from tiny_jepa.tables import replaced

Clock = Callable[[], float]
RECORDS = Path("results/records")


def run(main: Callable[..., None]) -> None:
    """Runs a tool: the arguments of its `main` are the options of its command."""
    tool = sys.modules[main.__module__]
    name, config = f"python -m {tool.__spec__.name}" if tool.__spec__ else None, (tyro.conf.FlagCreatePairsOff,)
    run_cli(lambda: tyro.cli(main, prog=name, description=tool.__doc__, config=config))


def seconds(work: Callable[[], object], calls: int = 1, clock: Clock = time.perf_counter) -> float:
    """Of a call."""
    begin = clock()
    for _ in range(calls):
        work()
    return (clock() - begin) / calls


def median_seconds(work: Callable[[], object], repeats: int, least: float, clock: Clock = time.perf_counter) -> float:
    """Seconds of a call: the median of the repeats, each of as many calls as take `least` seconds."""
    work()  # starts things up
    calls = max(1, round(least / max(seconds(work, clock=clock), 1e-6)))
    return statistics.median(seconds(work, calls, clock) for _ in range(repeats))


def course_losses(model: nn.Module, source: Source) -> dict[str, float]:
    """Of the course's sets in px², by the protocol, one prober each."""
    groups = [group.only(COURSE_SETS) for group in source.world.groups]
    return {name: losses[0] for name, losses, _ in measure(model, source, groups=groups) if losses}


def write_table(page: Path, table: str, name: str = "results") -> None:
    """Puts a table between the page's marks of this name."""
    write_text(page, replaced(read_text(page, "run this in the project's root"), f"{table}\n", page, name))
    print(f"wrote the {name} of {page}")
