"""What the benchmarks share: commands, results that are measured once, and tables that stand in a page."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tyro

from tiny_jepa.errors import run_cli
from tiny_jepa.files import read_json, read_text, write_text
from tiny_jepa.tables import replaced

RECORDS = Path("results/records")
FLOOR = 1e-5  # px²: on a logarithmic axis, errors below are drawn here


def run(main: Callable[..., None]) -> None:
    """Runs a tool: the arguments of its `main` are the options of its command."""
    tool = sys.modules[main.__module__]
    name, config = f"python -m {tool.__spec__.name}" if tool.__spec__ else None, (tyro.conf.FlagCreatePairsOff,)
    run_cli(lambda: tyro.cli(main, prog=name, description=tool.__doc__, config=config))


def stored(path: Path, measure: Callable[[Path], object], wanted: bool) -> dict[str, Any] | None:
    """A stored result; `measure` writes it first, where it is missing and `wanted`."""
    if wanted and not path.is_file():
        measure(path)
        print("measured", path, flush=True)
    return read_json(path, "delete it, and it is measured again") if path.is_file() else None


def write_table(page: Path, table: str, name: str = "results") -> None:
    """Puts a table between the page's marks of this name."""
    write_text(page, replaced(read_text(page, "run this in the project's root"), f"{table}\n", page, name))
    print(f"wrote the {name} of {page}")
