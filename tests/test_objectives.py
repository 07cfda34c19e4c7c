"""Objectives against the papers' formulas, written out with loops."""

import math

import pytest
import torch

from tiny_jepa.objectives import barlow_twins_loss, covariance_loss, decision_loss, share_made, variance_loss, vicreg
from tiny_jepa.objectives.vicreg import COVARIANCE_WEIGHT, TARGET_STD


@pytest.fixture
def codes():
    return torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) @ torch.tensor(
        [[0.5, 0.2, 0.0], [0.0, 1.5, 0.3], [0.0, 0.0, 0.1]]
    )


def test_variance_is_the_papers_hinge(codes):
    expected = sum(max(0.0, 1.0 - math.sqrt(codes[:, j].var().item() + 1e-4)) for j in range(3)) / 3
    assert variance_loss(codes, 1.0).item() == pytest.approx(expected, rel=1e-5)
    assert variance_loss(torch.ones(10, 3), 1.0).item() == pytest.approx(1.0 - 0.01, abs=1e-6)
    assert variance_loss(10 * codes, 0.1).item() == 0.0


def test_covariance_is_the_papers_formula(codes):
    centred = codes - codes.mean(0)
    matrix = sum(torch.outer(row, row) for row in centred) / 49
    expected = sum(matrix[i, j].item() ** 2 for i in range(3) for j in range(3) if i != j) / 3
    assert covariance_loss(codes).item() == pytest.approx(expected, rel=1e-5)


def test_vicreg_weights_its_terms_and_counts_every_time_step(codes):
    target = torch.stack([codes[:, :2], 0.2 * codes[:, :2]], dim=1)
    terms = vicreg(target + 0.1, target, 3.0)
    assert terms["prediction"].item() == pytest.approx(25 * 0.01, rel=1e-4)
    steps = target.unbind(1)
    spread = sum(variance_loss(step, TARGET_STD).item() for step in steps) / 2
    assert terms["variance"].item() == pytest.approx(3 * spread, rel=1e-5)
    joint = sum(covariance_loss(step).item() for step in steps) / 2
    assert terms["covariance"].item() == pytest.approx(COVARIANCE_WEIGHT * joint, rel=1e-5)


def test_barlow_matches_its_formula_and_ignores_scale(codes):
    other = codes + 0.3 * torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
    a, b = ((x - x.mean(0)) / x.std(0, unbiased=False) for x in (codes, other))
    matrix = torch.stack([torch.stack([(a[:, i] * b[:, j]).mean() for j in range(3)]) for i in range(3)])
    expected = sum((1 - matrix[i, i].item()) ** 2 for i in range(3))
    expected += 0.1 * sum(matrix[i, j].item() ** 2 for i in range(3) for j in range(3) if i != j)
    assert barlow_twins_loss(codes, other, 0.1).item() == pytest.approx(expected, rel=1e-2)
    assert barlow_twins_loss(codes, 7 * other + 3, 0.1).item() == pytest.approx(expected, rel=1e-2)
    assert barlow_twins_loss(torch.ones(50, 3), torch.ones(50, 3)).item() == pytest.approx(3.0, abs=1e-3)


def test_the_share_of_a_move_is_what_was_made_along_it():
    move = torch.tensor([[2.0, 0.0], [1.0, -1.0], [0.0, 0.0], [3.0, 4.0]])
    moved = torch.tensor([[1.0, 5.0], [1.0, -1.0], [1.0, 1.0], [-3.0, 4.0]])
    share, squared = share_made(move, moved, 1)
    assert share.flatten().tolist() == pytest.approx([0.5, 1.0, 0.0, 7 / 25])
    assert squared.flatten().tolist() == [4.0, 2.0, 0.0, 25.0]
    share, squared = share_made(move, moved, 2)
    assert share.tolist() == [[0.5, 0.0], [1.0, 1.0], [0.0, 0.0], [0.0, 1.0]] and torch.equal(squared, move.square())


def test_decision_loss_corrects_a_gate_that_is_wrong_and_sure_of_it_where_squared_error_does_not():
    sure, shut, one = torch.tensor([[12.0]], requires_grad=True), torch.zeros(1, 1), torch.ones(1, 1)
    (weak,) = torch.autograd.grad(torch.sigmoid(sure).square().sum(), sure)
    (strong,) = torch.autograd.grad(decision_loss(sure, shut, 3 * one), sure)
    assert float(weak) < 1e-4 and float(strong) == pytest.approx(3, rel=1e-4)
    grid = torch.linspace(-3, 3, 601)[:, None]
    losses = torch.stack([decision_loss(g[None], 0.3 * one, one) for g in grid])
    assert float(torch.sigmoid(grid[losses.argmin()])) == pytest.approx(0.3, abs=0.01)
