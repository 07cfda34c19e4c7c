"""Studies (benchmarks/study.py).

1. Every row of every grid is options that train.py and main.py take.
2. A run that is there is not trained again, an interrupted one is gone on with, a collapsed one is counted.
3. The table is the mean and spread over training seeds of what is stored.
"""

import json
from pathlib import Path

import pytest

import benchmarks.study as study
from main import Options
from tiny_jepa.errors import UserError
from tiny_jepa.options import parse
from tiny_jepa.probing.results import Result, write_result
from tiny_jepa.training.cli import read_options

GRIDS = sorted(path.stem for path in study.HERE.glob("*.ini"))
ROOT = study.HERE.parent


@pytest.mark.parametrize("name", GRIDS)
def test_every_row_is_options_that_the_scripts_take(name, monkeypatch):
    grid = study.read_grid(name)
    assert (ROOT / grid.page).is_file() and grid.rows
    results = [grid.result(row, seed) for row in grid.rows for seed in row.seeds]
    assert len(set(results)) == len(results)
    for row in grid.rows:
        assert row.of in [other.name for other in grid.rows]
        if row.train is not None:
            read_options(row.train)
        parse(Options, row.score, "main.py", "")


def small_grid(folder, monkeypatch):
    monkeypatch.setattr(study, "HERE", folder)
    monkeypatch.chdir(folder)
    (folder / "page.md").write_text("a\n<!-- results:begin -->\nold\n<!-- results:end -->\nb\n")
    text = "[DEFAULT]\npage = page.md\nseeds = 0 1\ncommon = --budget 2k\n[a row]\nfactor = f\ntrain = --clip 2\n"
    (folder / "grid.ini").write_text(text + "[bare]\nof = a row\nscore = --no-lift\nseeds = 0\n")
    return study.read_grid("grid")


def test_only_what_is_missing_is_done(tmp_path, monkeypatch):
    grid, called = small_grid(tmp_path, monkeypatch), []

    def run(command, log):
        called.append(command)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("error: collapsed: std_x is 0.001\n")
        if command[0] == "train.py":
            folder = log.parent / log.stem
            folder.mkdir(exist_ok=True)
            (folder / "weights.pth").write_text(f"weights of {log.stem}")
        return 2 if "--seed" in command and command[command.index("--seed") + 1] == "1" else 0

    monkeypatch.setattr(study, "run", run)
    study.complete(grid, jobs=1)
    common = ["train.py", "--budget", "2k", "--clip", "2", "--seed"]
    tail = ["--runs", "runs/grid", "--no-install"]
    assert called[0] == [*common, "0", "--name", "a-row-seed0", *tail]
    assert called[1] == [*common, "1", "--name", "a-row-seed1", *tail]
    weights = ["--weights", "results/grid/a-row-seed0.pth"]
    assert (
        Path(weights[1]).read_text() == "weights of a-row-seed0" and not Path("results/grid/a-row-seed1.pth").exists()
    )
    assert called[2] == ["main.py", *weights, "--store", "results/grid/a-row-seed0.json"]
    assert called[3] == ["main.py", *weights, "--no-lift", "--store", "results/grid/bare-seed0.json"]
    assert len(called) == 4  # the collapsed run is not scored
    assert "std_x" in Path("results/grid/a-row-seed1.stopped").read_text()
    called.clear()
    kept, run_folder = Path(weights[1]), Path("runs/grid/a-row-seed0")
    study.train(grid, grid.rows[0], 0)  # the weights are kept
    kept.unlink()
    study.train(grid, grid.rows[0], 0)  # the run is there
    assert not called and kept.is_file()
    for path in (kept, run_folder / "weights.pth"):
        path.unlink()
    (run_folder / "config.json").write_text("")
    study.train(grid, grid.rows[0], 0)  # an interrupted one
    assert called == [["train.py", "--resume", "a-row-seed0", *tail]]
    for row in grid.rows:
        kept.unlink(missing_ok=True)
        (run_folder / "weights.pth").unlink(missing_ok=True)
        called.clear()
        study.train(grid, grid.rows[0], 0)
        assert called  # a result is missing still
        grid.result(row, 0).parent.mkdir(parents=True, exist_ok=True)
        grid.result(row, 0).write_text("")
    called.clear()
    kept.unlink()
    study.train(grid, grid.rows[0], 0)
    assert not called


def test_the_table_is_mean_and_spread_over_training_seeds(tmp_path, monkeypatch):
    grid = small_grid(tmp_path, monkeypatch)
    for seed, normal in ((0, 0.02), (1, 0.04)):
        losses = {"normal": [normal], "wall": [0.5], "wall_other": None, "expert": [1.0], "long": [2.0]}
        fields = {
            name: ""
            for name in ("model", "kind", "fingerprint", "command", "trained_by", "trained_on", "data", "frames")
        }
        result = Result(
            **fields,
            prober_data="",
            sets_version=2,
            parameters=7,
            lift=True,
            seeds=[0],
            losses=losses,
            minutes=seed + 1.0,
        )
        write_result(grid.result(grid.rows[0], seed), result)
    assert "minutes" in json.loads(grid.result(grid.rows[0], 0).read_text())
    monkeypatch.setattr("sys.argv", ["study", "grid", "--table"])
    (tmp_path / "train.py").write_text("")
    study.main()
    text = (tmp_path / "page.md").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("| a row")]
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    assert cells == [
        "a row",
        "f",
        "7",
        "2",
        "2.00",
        "0.0300 ± 0.0141",
        "0.500 ± 0.000",
        "–",
        "1.00 ± 0.00",
        "2.00 ± 0.00",
    ]
    assert "| bare" not in text and text.startswith("a\n") and text.endswith("b\n") and "old" not in text


def test_bad_grids_are_named(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="no study 'nothing'"):
        study.read_grid("nothing")
    small_grid(tmp_path, monkeypatch)
    (tmp_path / "grid.ini").write_text("[DEFAULT]\npage = p\nseeds = 0\ncommon =\n[row]\ntrian = --clip 2\n")
    with pytest.raises(UserError, match="row 'row': unknown key trian"):
        study.read_grid("grid")
