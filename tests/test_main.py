"""main.py as its users run it: on a folder in the course's layout, with sets missing, as JSON, with metrics.txt."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import evaluator
import main
import tiny_jepa.commands.evaluate as script
from tiny_jepa import progress
from tiny_jepa.errors import UserError
from tiny_jepa.models import JEPA, Architecture
from tiny_jepa.probing.results import read_result
from tiny_jepa.weights import save_weights
from tiny_jepa.worlds.contract import read_batch
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, Geometry
from tiny_jepa.worlds.two_rooms.sets import ProceduralSet, SetRecipe

ROOT = Path(__file__).resolve().parents[1]
COMMAND, COUNT = "python train.py --budget 2k", 262
FEW = {
    "probe_normal/train": SetRecipe("explore", 256),
    "probe_normal/val": SetRecipe("explore", 70),
    "probe_wall/val": SetRecipe("wall", 3),  # smaller than a batch
    "probe_expert/train": SetRecipe("expert", 64, steps=40),
    "probe_expert/val": SetRecipe("expert", 64, steps=40),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A data folder in the course's layout, 65 px float32, without probe_wall_other."""
    root = tmp_path_factory.mktemp("data")
    for name, recipe in FEW.items():
        drawn = ProceduralSet(name, recipe, Geometry(size=65), dtype="float32")
        (root / name).mkdir(parents=True)
        for array, values in read_batch(drawn, np.arange(recipe.count))._asdict().items():
            np.save(root / name / f"{array}.npy", values.numpy())
    return root


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = JEPA(Architecture(gate_widths=(16,)), TWO_ROOMS.frame)
    assert sum(p.numel() for p in model.parameters()) == COUNT
    metadata = {"budget": "2k", "command": COMMAND, "data": "procedural", "run": "test", "parameters": COUNT}
    save_weights(tmp_path / "w.pth", model, metadata)
    return tmp_path / "w.pth"


def run(monkeypatch, tmp_path: Path, *options) -> None:
    monkeypatch.setattr(script, "METRICS", tmp_path / "metrics.txt")
    script.main(list(map(str, options)))


def test_prints_as_the_course_does(folder, weights, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(progress, "SECONDS", 0.0)  # as if it took long
    run(monkeypatch, tmp_path, "--data", folder, "--weights", weights)
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert "budget 2k" in lines[0] and "run test" in lines[0] and str(folder) in lines[1]
    assert lines[2] == f"Total Trainable Parameters: {COUNT}"
    losses = dict(line.split(" loss: ") for line in lines[3:])
    assert list(losses) == ["normal", "wall", "wall_other", "rooms", "doors", "maze", "long", "expert"]
    assert losses["wall_other"] == "not available" and losses["rooms"] == "not available (ours)"
    loss, low, high = (float(losses["normal"].split()[i].rstrip(")")) for i in (0, 3, 5))
    assert 0 < low < loss < high and float(losses["expert"].split()[0]) > 0
    assert "prober" in err and "prober" not in out


def test_as_json_and_stored(folder, weights, tmp_path, monkeypatch, capsys):
    stored = tmp_path / "r.json"
    run(monkeypatch, tmp_path, "--data", folder, "--weights", weights, "--json", "--seeds", 2, "--store", stored)
    content = json.loads(capsys.readouterr().out)
    result = read_result(stored)
    assert content == result.to_json()
    assert len(result.losses["normal"]) == 2 and result.losses["wall_other"] is None
    assert content["losses"]["normal"]["mean"] == pytest.approx(np.mean(result.losses["normal"]))
    assert content["losses"]["normal"]["std"] == pytest.approx(np.std(result.losses["normal"], ddof=1))
    assert (result.data, result.lift, result.trained_by, result.seeds) == (str(folder), True, COMMAND, [0, 1])
    assert {"host", "device", "threads", "version", "python", "torch", "numpy"} == set(result.measured_at)
    low, high = result.intervals["normal"]
    assert low < result.mean("normal") < high and result.intervals["wall_other"] is None and result.score_minutes > 0


def test_metrics_are_written(folder, weights, tmp_path, monkeypatch, capsys):
    metrics = tmp_path / "metrics.txt"
    common = ("--data", folder, "--weights", weights, "--course")
    texts = [run(monkeypatch, tmp_path, *common, "--write-metrics") or capsys.readouterr().out for _ in range(2)]
    assert texts[0] == texts[1] and "(ours)" not in texts[0]  # the same seed gives the same losses
    lines = metrics.read_text().splitlines()
    assert len(lines) == 6 and lines[0].startswith("probe_normal val loss: ")
    assert lines[2] == "probe_wall_other val loss: not available"
    assert lines[4:] == [str(COUNT), COMMAND]


def test_comparisons(folder, weights, tmp_path, monkeypatch, capsys):
    for options, says in {
        ("--model", "dead-reckoning"): "Total Trainable Parameters: 0",
        ("--weights", weights, "--model", "untrained"): "untrained 2k",
        ("--weights", weights, "--no-lift"): "without the lift",
    }.items():
        run(monkeypatch, tmp_path, "--data", folder, "--course", *options)
        assert says in capsys.readouterr().out


def test_a_prober_from_elsewhere(folder, weights, tmp_path, monkeypatch, capsys):
    """A folder with nothing to train a prober on is scored by a prober that saw another."""
    only, name = tmp_path / "only", "probe_wall/val"
    (only / "probe_wall").mkdir(parents=True)
    (only / name).symlink_to(folder / name)
    with pytest.raises(UserError, match="--prober-data procedural"):
        run(monkeypatch, tmp_path, "--data", only, "--weights", weights)
    with pytest.raises(UserError, match="is read itself"):
        run(monkeypatch, tmp_path, "--data", only, "--weights", weights, "--store", folder / f"{name}/states.npy")
    capsys.readouterr()
    run(monkeypatch, tmp_path, "--data", only, "--weights", weights, "--prober-data", folder)
    out = capsys.readouterr().out
    assert "Prober trained on" in out and "normal loss: not available" in out and "expert loss: not available" in out
    assert "wall loss: not" not in out


def test_the_courses_way_of_calling(folder, weights, monkeypatch, capsys):
    monkeypatch.setenv("TINY_JEPA_DATA", str(folder))
    device, model, losses = main.get_device(), main.load_model(weights), {}
    assert evaluator.ProbingEvaluator is script.ProbingEvaluator and all(p.requires_grad for p in model.parameters())
    for load in (main.load_data, main.load_expert_data):
        losses |= main.evaluate_model(device, model, *load(device))
    assert set(losses) == {"normal", "wall", "expert"}
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [f"{n} loss" for n in losses]


REAL = [path for path in (ROOT.parent / "shared" / "real_samples", ROOT / "real_samples") if path.is_dir()]


@pytest.mark.skipif(not REAL, reason="the real sample arrays are not here")
def test_on_real_trajectories(tmp_path, monkeypatch, capsys):
    """Real float32 files, 65 px, three trajectories a set, with a prober trained on generated data."""
    losses = {}
    for model in ("dead-reckoning", "trained"):
        data = ("--data", REAL[0], "--prober-data", "procedural:size=65,dtype=float32")
        run(monkeypatch, tmp_path, *data, "--model", model, "--json")
        losses[model] = json.loads(capsys.readouterr().out)["losses"]
    normal, wall = (losses["dead-reckoning"][name]["mean"] for name in ("normal", "wall"))
    assert normal < 1 and wall < 1  # one move of the 96 is blocked
    assert {losses["dead-reckoning"][name] for name in ("wall_other", "expert", "long")} == {None}
    assert (losses["trained"]["normal"]["mean"] + losses["trained"]["wall"]["mean"]) / 2 <= 1.0
