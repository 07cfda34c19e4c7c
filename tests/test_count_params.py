"""count_params.py: every subject, text and JSON, a broken ceiling."""

import json

import pytest

import tiny_jepa
from tiny_jepa.budgets import find_budget
from tiny_jepa.commands.count import main
from tiny_jepa.weights import save_weights
from tiny_jepa.worlds.two_rooms import TWO_ROOMS

FIELDS = {"parameters", "modules", "buffers", "bytes_float32", "bytes_float16", "image_size", "costs", "limit", "holds"}
COSTS = ["encode a frame's agent", "draw its map", "one predicted step"]


def test_a_preset_is_a_table_that_lines_up(capsys):
    total = sum(p.numel() for p in tiny_jepa.build_model("2k").parameters())
    assert main(["--budget", "2k"]) == 0
    title, *lines = capsys.readouterr().out.rstrip().splitlines()
    assert title == f"budget 2k (holds: {total:,} of 2,000, {total / 2000:.1%})"
    assert len({len(line) for line in lines}) == 1
    text = "\n".join(lines)
    for row in ("agent_encoder", "predictor / cell", "predictor / out", "buffers", "bytes, float32 / float16", *COSTS):
        assert row in text
    assert f"{4 * total:,} / {2 * total:,}" in text and text.count("multiply-adds (fvcore)") == 3


def test_every_preset_as_json(capsys):
    main(["--all", "--json"])
    reports = json.loads(capsys.readouterr().out)
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


def test_any_number_at_another_image_size(capsys):
    main(["--budget", "777", "--image-size", "65", "--json"])
    report = json.loads(capsys.readouterr().out)["budget 777"]
    assert report["limit"] == 777 and report["parameters"] <= 777
    assert report["costs"]["encode a frame's agent"]["fvcore"] == 2 * 65 * 5


@pytest.mark.parametrize(("limit", "says"), [(500, "holds"), (400, "BROKEN")])
def test_the_weights_in_place_are_counted_by_default(tmp_path, monkeypatch, capsys, limit, says):
    monkeypatch.chdir(tmp_path)
    model = tiny_jepa.build_model("500")
    save_weights(tmp_path / "model_weights.pth", model, {"budget": "500", "budget_limit": limit})
    assert main([]) == (limit < 500)
    total = sum(p.numel() for p in model.parameters())
    assert f"model_weights.pth, budget 500 ({says}: {total:,} of {limit}" in capsys.readouterr().out
