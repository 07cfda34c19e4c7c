"""The house: imports point one way, so that each room can be read, and used, without those above it."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "tiny_jepa"
FLOORS = [
    {"console"},
    {"errors"},
    {"files", "device", "processes", "progress", "tables", "options"},
    {"plotting"},
    {"worlds"},
    {"data", "models"},  # neither knows the other
    {"objectives"},
    {"settings", "weights"},
    {"budgets"},
    {"training"},
    {"probing"},
    {"looks", "course", "planning"},
    {"sweep", "export"},
    {"__init__", "__main__"},
]
"""A room imports what stands above it in this list, and itself."""


def imported(path):
    """Rooms of the package that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("tiny_jepa."))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for other in set(imported(path)) - {room, "__version__"}:
        assert floor[other] < floor[room], f"{room} imports {other}"


def test_what_learns_or_plans_knows_the_contract_of_a_world_alone():
    for room in ("models", "objectives", "training", "probing", "planning"):
        assert "two_rooms" not in "".join(path.read_text() for path in (PACKAGE / room).rglob("*.py")), room


def test_the_reading_order_names_each_file_once():
    page = (PACKAGE.parent / "docs" / "model.md").read_text()
    section = page.partition("## Reading order")[2].partition("\n## ")[0]
    there = [path.stem for path in PACKAGE.rglob("*.py") if not path.stem.startswith("__")]
    named = re.findall(r"[a-z_]+(?=\.py`)", section)
    for room in re.findall(r"/`: ([a-z_, \n]+)", section):
        named += re.split(r",\s+", room.partition(" with ")[0].strip().rstrip(","))
    assert sorted(named) == sorted(there)
