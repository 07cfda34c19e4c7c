"""Models: shapes, covariance, size and type of the frames, and that nothing of the world is built in."""

from dataclasses import replace
from itertools import groupby, pairwise

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tiny_jepa
from tiny_jepa.models import JEPA, Architecture
from tiny_jepa.models.jepa import CONSTANT, lift
from tiny_jepa.models.map import Maps
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, UNIT, Geometry, explore, render_states, sample_layouts
from tiny_jepa.worlds.two_rooms.sets import RECIPES, ProceduralSet
from tiny_jepa.worlds.two_rooms.walls import layouts_of


def make_model(**form):
    torch.manual_seed(0)
    model = JEPA(Architecture(**{"gate_widths": (16,), **form}), TWO_ROOMS.frame).eval().requires_grad_(False)
    model.predictor.action.fill_(1 / UNIT)
    return model


def draw(size=64, dtype=np.uint8, count=20, steps=8, low=None):
    """States and trajectories; with `low`, clear of the far borders so that two sizes can share them."""
    world, rng = Geometry(), np.random.default_rng(0)
    trajectories = explore(world, sample_layouts(world, count, rng), steps, rng)
    if low is not None:
        keep = (trajectories.locations < low).all(axis=(1, 2)) & (layouts_of(trajectories.walls) < low).all(axis=1)
        trajectories = type(trajectories)(*(part[keep] for part in trajectories))
    states = render_states(Geometry(size=size), trajectories.locations, trajectories.walls, dtype)
    return torch.from_numpy(states), torch.from_numpy(trajectories.actions), torch.from_numpy(trajectories.locations)


def unrolled(model, frames, actions):
    return model.unroll(model.encode_agent(frames), actions, model.encode_context(frames))


@pytest.mark.parametrize(
    "form", [{}, {"agent_kernel": 1}, {"crossings": 3, "reach": 0}, {"corners": 0}, {"gate_widths": (3, 4, 5)}]
)
def test_forward_gives_a_representation_of_every_frame_and_sees_the_first_alone(form):
    model, bare = make_model(**form), make_model(**form, repr_dim=0)
    states, actions, _ = draw()
    out, codes = model(states, actions), bare(states[:, :1], actions)
    assert out.shape == (20, 9, 512) == (*codes.shape[:2], model.repr_dim) and codes.shape[2] == bare.repr_dim == 2
    assert torch.equal(lift(codes, 512), out)
    code, context = codes[:, 0], model.encode_context(states[:, 0])
    for t in range(8):
        code = model.step(code, actions[:, t], context)
        assert torch.allclose(codes[:, t + 1], code)


def looks(reach=1, count=200):
    """A cell, random maps, and moves among them, in double precision: code and move [N, 2] in code units."""
    cell = make_model(reach=reach).predictor.double()
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 40, 40), generator=random, dtype=torch.uint8)
    code = (12 + 16 * torch.rand(count, 2, generator=random, dtype=torch.double)) / UNIT
    return cell, pixels, code, (torch.rand(count, 2, generator=random, dtype=torch.double) - 0.5) * 3.6 / UNIT


@pytest.mark.parametrize("flipped", [(), (-1,), (-2,), (-2, -1)])
@pytest.mark.parametrize("shift", [(0, 0), (5, -7), (-3, 8)])
def test_a_gate_sees_the_same_in_every_mirror_image_and_at_every_place(flipped, shift):
    cell, pixels, code, move = looks()
    seen = cell.view(code, move, Maps.of(pixels))
    sign = torch.tensor([1.0 - 2 * (-1 in flipped), 1.0 - 2 * (-2 in flipped)])
    image = torch.where(sign < 0, 39 / UNIT - code, code) + torch.tensor(shift) / UNIT
    moved = pixels.flip(flipped).roll(shift, dims=(-1, -2))
    torch.testing.assert_close(cell.view(image, sign * move, Maps.of(moved)), seen)


@settings(deadline=None)
@given(start=st.tuples(*[st.integers(40, 120)] * 2), way=st.tuples(*[st.integers(-16, 16)] * 2))
def test_a_gate_looks_at_the_cells_that_a_move_passes(start, way):
    """And at the four pixels about each. Nothing begins, ends or turns at a pixel centre: x counts in sixteenths, y in
    seventeenths, and moves in eighths."""
    assume(start[1] % 17)
    start, way = np.array([(2 * start[0] + 1) / 16, start[1] / 17 + 2]), np.array(way) / 8
    places = start + np.linspace(0, 1, 3001)[:, None] * way
    passed = [key for key, _ in groupby(map(tuple, np.floor(places)))]
    assume(all(abs(a - c) + abs(b - d) == 1 for (a, b), (c, d) in pairwise(passed)))
    cell, pixels, *_ = looks(reach=0, count=1)
    seen = cell.view(*(torch.from_numpy(each[None]) / UNIT for each in (start, way)), Maps.of(pixels))
    told = seen[0, : cell.inputs[0]].reshape(-1, 6)
    forward = np.where(way < 0, -1, 1)
    cells = np.floor(forward * start) + told[:, 4:].numpy()
    corners = forward * (cells[:, None] + np.array([(0, 0), (1, 0), (0, 1), (1, 1)]))
    assert [tuple(np.floor(each.mean(0))) for each in corners] == passed + passed[-1:] * (cell.cells - len(passed))
    columns, rows = torch.from_numpy(corners).long().unbind(-1)
    assert torch.allclose(told[:, :4], pixels[0, rows, columns].double() / 127.5 - 1)


def test_lift_only_repeats_the_code():
    lifted = lift(torch.randn(4, 2), 512)
    assert lifted.shape == (4, 512) and (lifted[:, 384:] == CONSTANT).all()
    assert torch.linalg.matrix_rank(lifted - lifted.mean(0)) == 2


@pytest.mark.parametrize("column", ["normal", "wall", "wall_other", "expert", "long", "rooms", "doors", "maze"])
def test_untrained_no_column_is_below_dead_reckoning(column):
    """Nothing moves yet. Once actions have their scale, an open gate, as training starts from, is dead reckoning."""
    name, indices = f"probe_{column}/val", np.arange(200)
    drawn = ProceduralSet(name, replace(RECIPES[name], count=200))
    frames, actions, true = drawn.frames(indices, 0, 1)[:, 0], drawn.actions(indices), drawn.locations(indices)
    model = tiny_jepa.build_model("250").requires_grad_(False)
    code = model.encode_agent(frames)[:, None]
    reckoned = torch.cat([code, code + actions.cumsum(1) / UNIT], 1)
    still = unrolled(model, frames, actions)
    assert torch.equal(still, code.expand_as(still))
    assert (UNIT * still - true).square().mean() >= (UNIT * reckoned - true).square().mean()
    model.predictor.action.fill_(1 / UNIT)
    model.predictor.out.bias.fill_(50.0)
    assert torch.allclose(unrolled(model, frames, actions), reckoned, atol=1e-5)


def test_one_file_serves_frames_of_any_size_and_type():
    model, found = tiny_jepa.load_model("2k"), []
    for size in (64, 65):
        for dtype in (np.uint8, np.float32):
            states, actions, locations = draw(size, dtype, 400, steps=16, low=50)
            found.append(unrolled(model, states[:, 0], actions))
    off, blocked = torch.stack(found) * UNIT - locations, (locations.diff(dim=1) == 0).all(-1)
    assert len(blocked) > 60 and blocked.double().mean() > 0.05
    assert off[:, :, 0].abs().max() < 0.05 and (off.square().mean((2, 3)) < 0.01).double().mean() > 0.95


@pytest.mark.parametrize("kernel", [1, 5, 9])
def test_codes_lie_where_objects_lie_whatever_the_taps(kernel):
    """A palindrome does not shift what it filters: untrained, the agent's code is its location."""
    model = make_model(agent_kernel=kernel)
    for size, dtype, tolerance in ((64, np.uint8, 0.02), (65, np.float32, 1e-3)):
        states, _, locations = draw(size, dtype, 200)
        inside = ((locations[:, 0] - 31.5).abs() < 22.5).all(1)
        off = (model.encode_agent(states[:, 0]) * UNIT - locations[:, 0]).abs()[inside]
        assert len(off) > 50 and off.max() < tolerance


def test_every_parameter_gets_a_gradient_and_nothing_hides_in_buffers():
    model, (states, actions, _) = make_model().requires_grad_(True), draw(count=64)
    model(states, actions).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    assert not list(model.buffers())


def test_one_frame_or_many_and_many_actions_from_one_code():
    model, (states, _, _) = make_model(), draw(count=3, steps=4)
    codes, contexts = model.encode_agent(states), model.encode_context(states)
    assert codes.shape == (3, 5, 2) and contexts.shape == (3, 5, 64, 64)
    code, context = model.encode_agent(states[1, 2].numpy()), model.encode_context(states[1, 2])
    assert torch.allclose(code, codes[1, 2], atol=1e-6) and torch.equal(context, contexts[1, 2])
    actions = torch.randn(7, 5, 2, generator=torch.Generator().manual_seed(0))
    futures, grid = model.unroll(code, actions, context), model.step(code, actions, context)
    one_by_one = model.unroll(code.expand(7, 2), actions, context.expand(7, 64, 64))
    assert futures.shape == (7, 6, 2) and torch.allclose(futures, one_by_one, atol=1e-6)
    assert grid.shape == (7, 5, 2) and torch.allclose(grid[:, 0], futures[:, 1], atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_codes_and_positions_stay_in_float32_under_autocast(dtype):
    model, (states, actions, _) = tiny_jepa.load_model("2k"), draw(65, np.float32, 4)
    code, context = torch.ones(4, 2), model.encode_context(states[:, 0])
    for call in (
        lambda: model(states, actions),
        lambda: model.encode_agent(states[:, 0]),
        lambda: model.step(code, actions[:, 0], context),
        lambda: model.unroll(code, actions.to(dtype), context),
    ):
        expected = call()
        with torch.autocast("cpu", dtype=dtype):
            assert call().dtype == torch.float32 and torch.equal(call(), expected)


def test_frames_of_any_scale_give_the_same_codes():
    """As they are drawn, brighter, standardised as a whole or each by itself: black is what is below every pixel."""
    model, (states, actions, _) = tiny_jepa.load_model("2k"), draw(65, np.float32, 4)
    expected = model(states, actions)
    for scaled in (1e4 * states, 1e-4 * states, (states - states.mean()) / states.std(), 2 * states - 1):
        torch.testing.assert_close(model(scaled, actions), expected, atol=1e-3, rtol=0)
