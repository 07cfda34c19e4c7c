"""count_params.py as its users run it: every subject, text and JSON, a broken ceiling."""

import json
import os
import subprocess
import sys
from pathlib import Path

import tiny_jepa
from tiny_jepa.budgets import find_budget
from tiny_jepa.weights import save_weights
from tiny_jepa.worlds.two_rooms import TWO_ROOMS

ROOT = Path(__file__).resolve().parent.parent
FIELDS = {"parameters", "modules", "buffers", "bytes_float32", "bytes_float16", "image_size", "costs", "limit", "holds"}
COSTS = ["encode a frame's agent", "draw its map", "one predicted step"]


def count_params(folder, *arguments, status=0):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "count_params.py"), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stdout + done.stderr
    return done


def write_weights(path, budget="500", limit=500):
    """An untrained model's weights file -> its parameters, summed without the code under test."""
    model = tiny_jepa.build_model(budget)
    save_weights(path, model, {"budget": budget, "budget_limit": limit})
    return sum(p.numel() for p in model.parameters())


def test_a_preset_is_a_table_that_lines_up(tmp_path):
    total = sum(p.numel() for p in tiny_jepa.build_model("2k").parameters())
    title, *lines = count_params(tmp_path, "--budget", "2k").stdout.rstrip().splitlines()
    assert title == f"budget 2k (holds: {total:,} of 2,000, {total / 2000:.1%})"
    assert len({len(line) for line in lines}) == 1
    text = "\n".join(lines)
    for row in ("agent_encoder", "predictor / cell", "predictor / out", "buffers", "bytes, float32 / float16", *COSTS):
        assert row in text
    assert f"{4 * total:,} / {2 * total:,}" in text and text.count("multiply-adds (fvcore)") == 3


def test_every_preset_as_json(tmp_path):
    reports = json.loads(count_params(tmp_path, "--all", "--json").stdout)
    assert list(reports) == [f"budget {name}" for name in tiny_jepa.list_budgets()]
    for name in tiny_jepa.list_budgets():
        report, model = reports[f"budget {name}"], tiny_jepa.build_model(name)
        assert set(report) == FIELDS and list(report["costs"]) == COSTS
        assert report["parameters"] == sum(p.numel() for p in model.parameters())
        tops = [count for module, count in report["modules"].items() if "." not in module]
        assert sum(tops) == report["parameters"] <= report["limit"] == find_budget(name, TWO_ROOMS).limit
        assert report["holds"] is True and report["buffers"] == {} and report["image_size"] == 64
        for cost in report["costs"].values():
            assert cost["total"] == cost["fvcore"] + sum(cost["by_hand"].values())


def test_any_number_at_another_image_size(tmp_path):
    report = json.loads(count_params(tmp_path, "--budget", "777", "--image-size", "65", "--json").stdout)["budget 777"]
    assert report["limit"] == 777 and report["parameters"] <= 777
    assert report["parameters"] == sum(p.numel() for p in tiny_jepa.build_model("777").parameters())
    assert report["costs"]["encode a frame's agent"]["fvcore"] == 2 * 65 * 5


def test_the_weights_in_place_are_counted_by_default(tmp_path):
    total = write_weights(tmp_path / "model_weights.pth")
    assert f"model_weights.pth, budget 500 (holds: {total:,} of 500" in count_params(tmp_path).stdout


def test_a_broken_ceiling_is_said_and_exits_non_zero(tmp_path):
    total = write_weights(tmp_path / "fat.pth", limit=400)
    done = count_params(tmp_path, "--weights", "fat.pth", status=1)
    assert f"BROKEN: {total:,} of 400" in done.stdout
