"""What the gate is trained on, and how it is judged."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tiny_jepa import build_model
from tiny_jepa.models import Architecture
from tiny_jepa.models.map import Maps
from tiny_jepa.models.predictor import GatedCell
from tiny_jepa.settings import TrainingConfig
from tiny_jepa.training.examples import Codes, Draws, Examples, fit_action, merged
from tiny_jepa.training.gate import best_gate, one_step_error, one_step_terms, scheduled_lr
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, UNIT, Geometry, render_layouts
from tiny_jepa.worlds.two_rooms.sets import ProceduralSet, SetRecipe


def moving_cell(width=4, gates=1, seed=0):
    torch.manual_seed(seed)
    cell = GatedCell(Architecture(gate_widths=(width,)), replace(TWO_ROOMS.frame, gates=gates))
    cell.action.data.fill_(1 / UNIT)
    return cell


def true_codes(count, kind="explore", seed=0):
    """Codes that lie exactly where the agent is."""
    drawn = ProceduralSet("any", SetRecipe(kind, count), seed=seed).trajectories
    maps = Maps.of(torch.from_numpy(render_layouts(Geometry(), drawn.walls)))
    return Codes(torch.from_numpy(drawn.locations / UNIT), torch.from_numpy(drawn.actions), maps)


def random_examples(cell, count, seed=0):
    random, gates = torch.Generator().manual_seed(seed), cell.frame.gates
    sizes = (sum(cell.inputs), gates, gates)
    return Examples(*(torch.rand(count, size, generator=random) for size in sizes))


def test_one_step_losses_are_those_of_plain_formulas():
    cell, config = moving_cell(), TrainingConfig(teacher_weight=2.0, decision_weight=3.0)
    drawn, weights = random_examples(cell, 12), torch.full((12, 1), 1 / 12)
    gate, share = torch.sigmoid(cell.gate_logit(drawn.seen)), drawn.share
    terms = one_step_terms(cell, drawn, weights, config)
    assert terms["teacher"].item() == pytest.approx(2 * (gate - share).square().mean().item())
    log_loss = -(share * gate.log() + (1 - share) * (1 - gate).log()).mean()
    assert terms["decision"].item() == pytest.approx(3 * log_loss.item(), rel=1e-5)
    assert set(one_step_terms(cell, drawn, weights, replace(config, teacher_weight=0.0))) == {"decision"}


@pytest.mark.parametrize("gates", [1, 2])
def test_the_error_of_examples_is_that_of_the_moves_that_they_were_made_from(gates):
    cell, codes = moving_cell(gates=gates), true_codes(50)
    maps = codes.maps._replace(whose=codes.maps.whose[:, None])
    off = cell(codes.agent[:, :-1], codes.actions, maps) - codes.agent[:, 1:]
    made = UNIT**2 * off.square().mean().item()
    assert one_step_error(cell, Examples.of(cell, codes)) == pytest.approx(made, rel=1e-3)


def test_equal_looks_are_one_whose_weights_add_up():
    seen = torch.tensor([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]])
    share, weight = torch.tensor([[1.0], [1.0], [0.0]]), torch.tensor([[3.0], [5.0], [1.0]])
    once = merged(Examples(seen, share, weight))
    assert once.seen.tolist() == seen[:2].tolist()
    assert once.share.tolist() == [[0.75], [1.0]] and once.weight.tolist() == [[4.0], [5.0]]
    cell, codes = moving_cell(), true_codes(100)
    squared = (codes.actions / UNIT).square().sum() / codes.actions[..., 0].numel()
    every = Examples.of(cell, codes)
    assert len(every.seen) < codes.actions[..., 0].numel() / 2
    assert every.weight.sum().item() == pytest.approx(squared.item(), rel=1e-3)


def test_moves_that_begin_or_end_within_noise_of_a_pixel_centre_are_left_out():
    """Of twenty moves of 1 px, each a code's error long or short, two end and one begins at one."""
    error = 1e-3 * torch.tensor([1.0, -1.0]).repeat(10)
    x = torch.full((20,), 20.3)
    x[:3] = torch.tensor([20.001, 19.002, 25.0])
    before, moved = torch.stack([x, torch.full((20,), 7.4)], 1), torch.stack([1 + error, error], 1)
    codes = torch.stack([before, before + moved], 1) / UNIT
    empty = Maps.of(torch.zeros(20, 64, 64, dtype=torch.uint8))
    left = Examples.of(moving_cell(), Codes(codes, torch.tensor([1.0, 0.0]).expand(20, 1, 2), empty))
    assert left.weight.sum().item() == pytest.approx(1 / UNIT**2) and len(left.seen) == 1


@pytest.mark.parametrize("gates", [1, 2])
def test_batches_estimate_the_losses_of_all_looks(gates):
    cell, config = moving_cell(gates=gates), TrainingConfig()
    examples = random_examples(cell, 3200)
    every, few = Draws(examples, 3200), Draws(examples, 256)
    exact = one_step_terms(cell, *every.draw(np.random.default_rng(0)), config)
    drawn = [one_step_terms(cell, *few.draw(np.random.default_rng(i)), config) for i in range(200)]
    for name, value in exact.items():
        estimates = torch.stack([terms[name].detach() for terms in drawn])
        assert float((estimates.mean() - value.detach()).abs()) < 4 * float(estimates.std()) / 200**0.5


def test_a_tiny_gate_that_looks_from_true_places_decides_all_moves_of_fresh_rooms():
    cell = moving_cell(width=8, seed=3)  # one in four starts gets there
    draws, config = Draws(Examples.of(cell, true_codes(6_000)), 4_096), TrainingConfig()
    optimizer = torch.optim.Adam(cell.gate_parameters(), betas=(0.9, 0.99))
    for step in range(400):
        optimizer.param_groups[0]["lr"] = scheduled_lr(step, 400, 0.03)
        optimizer.zero_grad()
        sum(one_step_terms(cell, *draws.draw(np.random.default_rng(0)), config).values()).backward()
        optimizer.step()
    for kind in ("explore", "wall", "rooms", "doors"):
        fresh = Examples.of(cell, true_codes(1_000, kind, seed=1))
        wrong = (cell.gate_logit(fresh.seen) > 0) != (fresh.share > 0.5)
        assert fresh.weight[wrong].sum() < 1e-4 * fresh.weight.sum()


def test_the_actions_scale_is_that_of_the_moves_that_were_made():
    cell, count, random = moving_cell(), 200_000, torch.Generator().manual_seed(1)
    before, actions, noise = torch.randn(3, count, 2, generator=random)
    blocked = torch.rand(count, 1, generator=random) < 0.4
    after = before + torch.where(blocked, 0.0, 0.05 * actions) + 1e-3 * noise
    codes = Codes(torch.stack([before, after], dim=1), actions[:, None], Maps.of(torch.zeros(1, 64, 64)))
    fit_action(cell, codes)
    assert cell.action.item() == pytest.approx(0.05, abs=1e-5)
    fit_action(cell, codes._replace(actions=torch.zeros(count, 1, 2)))
    assert cell.action.item() == pytest.approx(0.05, abs=1e-5)  # nothing to go by


def test_auditions_choose_by_prediction_error_and_repeat():
    model, errors = build_model("150"), []
    model.predictor.action.data.fill_(1 / UNIT)
    draws = Draws(Examples.of(model.predictor, true_codes(300)), 512)
    for auditions in (1, 3, 3):
        config = TrainingConfig(auditions=auditions, audition_steps=40)
        model.predictor.load_state_dict(best_gate(model, {0: draws}, config)[1])
        errors.append(one_step_error(model.predictor, draws.examples))
    assert errors[0] > errors[1] == errors[2]
