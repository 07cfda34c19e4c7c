"""Budgets are hard ceilings, filled well; presets, counts and their errors."""

import random

import pytest
import torch

import tiny_jepa
from tiny_jepa import budgets
from tiny_jepa.budgets import find_budget, find_weights, list_budgets, parse_count
from tiny_jepa.errors import UserError
from tiny_jepa.models.cost import cost_report
from tiny_jepa.models.size import build, count_parameters, parameter_count
from tiny_jepa.worlds.two_rooms import TWO_ROOMS

UNIT = 8 + 2 + 1 + 4 + 1
"""Parameters of a hidden unit."""


def random_budgets():
    rng = random.Random(0)
    return sorted({round(10 ** rng.uniform(2.0, 6)) for _ in range(230)})[:200]


def test_two_hundred_random_budgets_are_filled_and_never_broken():
    budgets = random_budgets()
    assert len(budgets) == 200
    for count in budgets:
        budget = find_budget(str(count), TWO_ROOMS)
        model = build(budget.architecture, budget.limit, TWO_ROOMS.frame)
        total = sum(p.numel() for p in model.parameters())
        assert total == count_parameters(model) == parameter_count(budget.architecture, TWO_ROOMS.frame)
        assert count - UNIT < total <= count  # one hidden unit more would not fit
        out = model(torch.rand(2, 1, 2, 64, 64), torch.rand(2, 3, 2))
        out.sum().backward()
        assert out.shape == (2, 4, 512)


def test_presets_hold_their_ceilings():
    assert list_budgets(TWO_ROOMS) == ["50", "100", "250", "500", "2k", "10k", "100k"]
    for name in list_budgets(TWO_ROOMS):
        model, limit = tiny_jepa.build_model(name), find_budget(name, TWO_ROOMS).limit
        least = limit - UNIT if name != "100k" else 0.99 * limit  # two hidden layers, whose widths are given
        assert least < count_parameters(model) <= limit


@pytest.mark.parametrize(("text", "count"), [("500", 500), ("2k", 2000), ("1M", 1_000_000), ("1.5k", 1500)])
def test_counts_are_read_as_people_write_them(text, count):
    assert parse_count(text) == count


@pytest.mark.parametrize("text", ["lots", "-5", "0", "", "k", "nan", "inf", "1e999"])
def test_what_is_no_count_is_said(text):
    with pytest.raises(UserError, match="is no count of parameters"):
        find_budget(text, TWO_ROOMS)


def test_an_impossible_budget_names_the_smallest_possible():
    with pytest.raises(UserError, match=r"smallest buildable one has (\d+)") as raised:
        find_budget("3", TWO_ROOMS)
    smallest = int(str(raised.value).rsplit(" ", 1)[1])
    assert count_parameters(tiny_jepa.build_model(str(smallest))) == smallest
    with pytest.raises(UserError):
        tiny_jepa.build_model(str(smallest - 1))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("objective = VICReg", "budgets/50.ini: invalid choice 'VICReg' for argument '--objective'"),
        ("cached = true", "Error parsing --cached"),
        ("predict_lr = fast", "Error parsing --predict-lr: could not convert"),
        ("predict_stesp = 5", "unknown keys: predict_stesp"),
    ],
)
def test_a_preset_is_held_to_the_kinds_of_its_keys(tmp_path, monkeypatch, line, says):
    monkeypatch.setattr(budgets, "FOLDER", tmp_path)
    (tmp_path / "50.ini").write_text("[training]\nseed = 4\npredict_lr = 1\n[model]\ngate_widths = 2,1\n")
    read = find_budget("50", TWO_ROOMS)
    assert read.training.seed == 4 and read.training.predict_lr == 1.0 and read.architecture.gate_widths == (2, 1)
    (tmp_path / "50.ini").write_text(f"[training]\n{line}\n")
    with pytest.raises(UserError, match=says):
        find_budget("50", TWO_ROOMS)


def test_shipped_weights_load_without_being_told_their_budget():
    for name in list_budgets(TWO_ROOMS):
        model = tiny_jepa.load_model(name)
        assert count_parameters(model) <= find_budget(name, TWO_ROOMS).limit == model.metadata["budget_limit"]
        assert model.metadata["command"].startswith("python train.py")
    assert (
        find_weights("2000", TWO_ROOMS) == find_weights("2k", TWO_ROOMS)
        and find_weights("0.5K", TWO_ROOMS).name == "500.pth"
    )
    with pytest.raises(UserError, match="no trained weights for budget '7k'"):
        find_weights("7k", TWO_ROOMS)


def test_costs_are_counted():
    report = cost_report(tiny_jepa.build_model("2k"), 64)
    assert report["parameters"] == report["modules"]["agent_encoder"] + report["modules"]["predictor"]
    assert report["buffers"] == {} and report["bytes_float16"] * 2 == report["bytes_float32"]
    (width,) = find_budget("2k", TWO_ROOMS).architecture.gate_widths
    assert report["costs"]["one predicted step"]["fvcore"] == width * (5 * (8 + 2 + 1) + 4)  # five cells, and the start
    assert report["costs"]["encode a frame's agent"]["fvcore"] == 2 * 64 * 5
    assert report["costs"]["draw its map"]["fvcore"] == 0
