"""count_params.py: every subject, text and JSON, a broken ceiling."""

import json

import pytest

import tiny_jepa
from tiny_jepa.budgets import find_budget
from tiny_jepa.commands.count import main
from tiny_jepa.weights import save_weights
from tiny_jepa.worlds.two_rooms import TWO_ROOMS


def test_every_preset_as_json(capsys):
    main(["--all", "--json"])
    reports = json.loads(capsys.readouterr().out)
    assert list(reports) == [f"budget {name}" for name in tiny_jepa.list_budgets()]
    for name in tiny_jepa.list_budgets():
        report, total = reports[f"budget {name}"], sum(p.numel() for p in tiny_jepa.build_model(name).parameters())
        modules = report["modules"]
        assert report["parameters"] == total == modules["agent_encoder"] + modules["predictor"]
        assert total <= report["limit"] == find_budget(name, TWO_ROOMS).limit
        assert report["image_size"] == 64


def test_any_number_at_another_image_size(capsys):
    main(["--budget", "777", "--image-size", "65", "--json"])
    report = json.loads(capsys.readouterr().out)["budget 777"]
    assert report["limit"] == 777 and report["parameters"] <= 777
    (width,) = find_budget("777", TWO_ROOMS).solved().architecture.gate_widths
    step = width * (5 * (8 + 2 + 1) + 4)  # five cells, and the start
    counted = {"encode a frame's agent": 2 * 65 * 5, "draw its map": 0, "one predicted step": step}
    assert {name: cost["multiply-adds by fvcore"] for name, cost in report["costs"].items()} == counted


@pytest.mark.parametrize(("limit", "says"), [(500, "holds"), (400, "BROKEN")])
def test_the_weights_in_place_are_counted_by_default(tmp_path, monkeypatch, capsys, limit, says):
    monkeypatch.chdir(tmp_path)
    model = tiny_jepa.build_model("500")
    save_weights(tmp_path / "model_weights.pth", model, {"budget": "500", "budget_limit": limit})
    assert main([]) == (limit < 500)
    total, out = sum(p.numel() for p in model.parameters()), capsys.readouterr().out
    assert f"model_weights.pth, budget 500 ({says}: {total:,} of {limit}" in out and f"{4 * total:,}" in out
