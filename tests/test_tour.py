"""The notebook: its cells run one after the other, and end where their text says."""

import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parent.parent / "examples" / "tour.ipynb"


def cells() -> list[str]:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.mark.slow
def test_all_cells_run(monkeypatch):
    for name in ("gymnasium", "matplotlib"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    names: dict = {}
    for number, cell in enumerate(cells(), 1):
        exec(compile(cell, f"tour.ipynb, cell {number}", "exec"), names)
    assert names["error"].mean() < 0.1 < names["missed"].mean()
    assert names["losses"]["wall"] < 0.742
    assert names["there"]
