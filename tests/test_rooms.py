"""The house: each room can be read, and used, without those above it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "tiny_jepa"
FLOORS = [
    {"console", "errors", "files", "device", "progress", "tables", "options", "plotting", "settings"},
    {"worlds"},
    {"data", "models"},
    {"objectives", "weights"},
    {"budgets"},
    {"training"},
    {"probing"},
    {"course", "planning", "sweep"},
    {"commands"},
]
"""From the ground up. A floor loads nothing of those above it."""
LOAD = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*{name.split(".")[1] for name in sys.modules if name.startswith("tiny_jepa.")})
"""


def modules(room):
    paths = [PACKAGE / f"{room}.py"] if (PACKAGE / f"{room}.py").is_file() else (PACKAGE / room).rglob("*.py")
    return [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__") for path in paths
    ]


@pytest.mark.parametrize("floor", range(len(FLOORS)))
def test_a_floor_loads_nothing_of_those_above_it(floor):
    names = [name for room in sorted(FLOORS[floor]) for name in modules(room)]
    loaded = subprocess.check_output([sys.executable, "-c", LOAD, *names], text=True, cwd=PACKAGE.parent)
    assert set(loaded.split()) <= set().union(*FLOORS[: floor + 1])


def test_every_room_has_a_floor():
    rooms = {path.stem for path in PACKAGE.iterdir() if not path.stem.startswith("__")}
    assert rooms == set().union(*FLOORS)


def test_what_learns_or_plans_loads_no_world_of_ours():
    names = [name for room in ("models", "objectives", "training", "probing", "planning") for name in modules(room)]
    code = LOAD + "print([name for name in sys.modules if name.startswith('tiny_jepa.worlds.t')])"
    loaded = subprocess.check_output([sys.executable, "-c", code, *names], text=True, cwd=PACKAGE.parent)
    assert loaded.splitlines()[1] == "[]"


def test_files_that_the_page_on_the_model_names_are_there():
    named = set(re.findall(r"`([a-z_/]+\.py)`", (PACKAGE.parent / "docs" / "model.md").read_text(encoding="utf-8")))
    assert len(named) > 10 and [name for name in named if not (PACKAGE / name).is_file()] == []
