"""Budgets are hard ceilings, filled well; presets, counts and their errors; count_params.py."""

import json
import random

import pytest
import torch

import tiny_jepa
from tiny_jepa import budgets
from tiny_jepa.budgets import find_budget, find_weights, list_budgets, parameter_count, parse_count
from tiny_jepa.commands.count import main as count_params
from tiny_jepa.errors import UserError
from tiny_jepa.models import count_parameters
from tiny_jepa.weights import save_weights
from tiny_jepa.worlds.two_rooms import TWO_ROOMS

UNIT = 8 + 2 + 1 + 4 + 1
"""Parameters of a hidden unit."""


def test_two_hundred_random_budgets_are_filled_and_never_broken():
    rng = random.Random(0)
    for count in (round(10 ** rng.uniform(2.0, 6)) for _ in range(200)):
        budget = find_budget(str(count), TWO_ROOMS).solved()
        model = budget.build()
        total = sum(p.numel() for p in model.parameters())
        assert total == count_parameters(model) == parameter_count(budget.architecture, TWO_ROOMS.frame)
        assert count - UNIT < total <= count  # one hidden unit more would not fit
        out = model(torch.rand(2, 1, 2, 64, 64), torch.rand(2, 3, 2))
        out.sum().backward()
        assert out.shape == (2, 4, 512)


def test_presets_hold_their_ceilings_and_have_weights_that_know_their_budget():
    assert list_budgets(TWO_ROOMS) == ["50", "100", "250", "500", "2k", "10k", "100k"]
    for name in list_budgets(TWO_ROOMS):
        limit, trained = find_budget(name, TWO_ROOMS).limit, tiny_jepa.load_model(name)
        least = limit - UNIT if name != "100k" else 0.99 * limit  # two hidden layers, whose widths are given
        assert least < count_parameters(tiny_jepa.build_model(name)) == count_parameters(trained) <= limit
        assert trained.metadata["budget_limit"] == limit
        assert trained.metadata["command"].startswith("python train.py")
    assert find_weights("2000", TWO_ROOMS) == find_weights("2k", TWO_ROOMS)
    assert find_weights("0.5K", TWO_ROOMS).name == "500.pth"
    with pytest.raises(UserError, match="no trained weights for budget '7k'"):
        find_weights("7k", TWO_ROOMS)


def test_counts_are_read_as_people_write_them():
    assert [parse_count(text) for text in ("500", "2k", " 1M", "1.5k", "1e3")] == [500, 2_000, 1_000_000, 1_500, 1_000]
    for text in ("lots", "-5", "0", "", "k", "nan", "inf", "1e999", "1k1"):
        with pytest.raises(UserError, match="is no count of parameters"):
            find_budget(text, TWO_ROOMS)


def test_an_impossible_budget_names_the_smallest_possible():
    with pytest.raises(UserError, match=r"smallest buildable one has (\d+)") as raised:
        tiny_jepa.build_model("3")
    smallest = int(str(raised.value).rsplit(" ", 1)[1])
    assert count_parameters(tiny_jepa.build_model(str(smallest))) == smallest
    with pytest.raises(UserError):
        tiny_jepa.build_model(str(smallest - 1))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[training]\nobjective = VICReg\n", "training.objective must be 'vicreg' or 'barlow', not VICReg"),
        (b"[training]\npredict_stesp = 5\n", "unknown key 'training.predict_stesp'"),
        (b"[DEFAULT]\nseed = 5\n", "unknown key 'DEFAULT'"),
        (b"[training]\nseed = 5\nseed = 6\n", "already exists"),
        (b"", "is empty"),
        (b"[training] seed = 5\n", "50.ini"),
        (b"[training]\rseed = 5\r[trainig]\r", "unknown key 'trainig'"),
        (b"[training]\nseed = 5\0\n", "is no text in UTF-8"),
        (b"[training]\nseed = \xff\n", "is no text in UTF-8"),
        (b"[training]\nobjective = 50%\n", "training.objective must be"),
    ],
)
def test_a_preset_is_held_to_its_settings(tmp_path, monkeypatch, content, says):
    monkeypatch.setattr(budgets, "FOLDER", tmp_path)
    path = tmp_path / "50.ini"
    path.write_bytes(b"\xef\xbb\xbf[training]\nseed = 4  # a note\npredict_lr = 1\n[model]\ngate_widths = 2,1\n")
    read = find_budget("50", TWO_ROOMS)
    assert read.training.seed == 4 and read.training.predict_lr == 1.0 and read.architecture.gate_widths == (2, 1)
    assert find_budget("51", TWO_ROOMS).architecture.gate_widths is None
    path.write_bytes(content)
    with pytest.raises(UserError, match=says) as raised:
        find_budget("50", TWO_ROOMS)
    assert "50.ini" in str(raised.value)


def test_every_preset_as_json(capsys):
    count_params(["--all", "--json"])
    reports = json.loads(capsys.readouterr().out)
    assert list(reports) == [f"budget {name}" for name in tiny_jepa.list_budgets()]
    for name in tiny_jepa.list_budgets():
        report, total = reports[f"budget {name}"], sum(p.numel() for p in tiny_jepa.build_model(name).parameters())
        modules = report["modules"]
        assert report["parameters"] == total == modules["agent_encoder"] + modules["predictor"]
        assert total <= report["limit"] == find_budget(name, TWO_ROOMS).limit
        assert report["image_size"] == 64


def test_any_number_at_another_image_size(capsys):
    count_params(["--budget", "777", "--image-size", "65", "--json"])
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
    assert count_params([]) == (limit < 500)
    total, out = sum(p.numel() for p in model.parameters()), capsys.readouterr().out
    assert f"model_weights.pth, budget 500 ({says}: {total:,} of {limit}" in out and f"{4 * total:,}" in out
