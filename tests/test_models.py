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
from tiny_jepa.models.encoder import centroid, marginals
from tiny_jepa.models.lift import CONSTANT, lift
from tiny_jepa.models.map import Maps
from tiny_jepa.models.size import count_parameters
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, UNIT, Geometry, explore, render_states, sample_layouts
from tiny_jepa.worlds.two_rooms.sets import RECIPES, ProceduralSet, SetRecipe


def make_model(**form):
    torch.manual_seed(0)
    model = JEPA(Architecture(**{"gate_widths": (16,), **form}), TWO_ROOMS.frame).eval()
    model.predictor.action.data.fill_(1 / UNIT)
    return model


def draw(size=64, dtype=np.uint8, count=20, steps=8, seed=0, low=None):
    """States and trajectories; with `low`, clear of the far borders so that two sizes can share them."""
    world, rng = Geometry(), np.random.default_rng(seed)
    trajectories = explore(world, sample_layouts(world, count, rng), steps, rng)
    if low is not None:
        keep = (trajectories.locations < low).all(axis=(1, 2)) & (trajectories.layouts < low).all(axis=1)
        trajectories = type(trajectories)(*(part[keep] for part in vars(trajectories).values()))
    states = render_states(Geometry(size=size), trajectories.locations, trajectories.walls, dtype)
    return torch.from_numpy(states), torch.from_numpy(trajectories.actions), trajectories


@pytest.mark.parametrize(
    "form", [{}, {"agent_kernel": 1}, {"crossings": 3, "reach": 0}, {"corners": 0}, {"gate_widths": (3, 4, 5)}]
)
def test_forward_gives_a_representation_of_every_frame(form):
    model = make_model(**form)
    states, actions, _ = draw()
    with torch.no_grad():
        out = model(states[:, :1], actions)
    assert out.shape == (20, 9, 512) and model.repr_dim == 512
    bare = make_model(**form, repr_dim=0)
    with torch.no_grad():
        codes = bare(states[:, :1], actions)
    assert codes.shape == (20, 9, 2) and bare.repr_dim == 2
    assert torch.allclose(lift(codes, 512), out, atol=1e-6)


def test_unroll_is_the_recurrent_one_and_sees_the_first_frame_only():
    model = make_model()
    states, actions, _ = draw()
    code, context = model.encode_agent(states[:, 0]), model.encode_context(states[:, 0])
    expected = [code]
    for t in range(8):
        expected.append(model.step(expected[-1], actions[:, t], context))
    assert torch.allclose(model.unroll(code, actions, context), torch.stack(expected, 1))
    assert torch.equal(model(states, actions), model(states[:, :1], actions))


@pytest.mark.parametrize("size", [62, 65, 72])
@pytest.mark.parametrize("axes", [(-1,), (-2,), (-2, -1)])
def test_a_mirrored_scene_is_predicted_as_the_mirror_image(size, axes):
    """Left and right, up and down are one thing to the model, whatever its weights and the frame's size."""
    model = make_model()
    states, actions, _ = draw(size, count=60)
    sign = torch.tensor([-1.0 if -1 in axes else 1.0, -1.0 if -2 in axes else 1.0])
    with torch.no_grad():
        frames, mirrored = states[:, 0], states[:, 0].flip(axes)
        codes = model.unroll(model.encode_agent(frames), actions, model.encode_context(frames))
        images = model.unroll(model.encode_agent(mirrored), actions * sign, model.encode_context(mirrored))
    expected = torch.where(sign < 0, (size - 1) / UNIT - codes, codes)
    assert torch.allclose(images, expected, atol=1e-4)


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
    """And at the four pixels about each. Nothing begins, ends or turns at a pixel centre."""
    start, way = (2 * np.array(start) + 1) / (16, 32), np.array(way) / 8
    places = start + np.linspace(0, 1, 3001)[:, None] * way
    passed = [key for key, _ in groupby(map(tuple, np.floor(places)))]
    assume(all(abs(a - c) + abs(b - d) == 1 for (a, b), (c, d) in pairwise(passed)))
    cell, pixels, *_ = looks(reach=0, count=1)
    seen = cell.view(*(torch.from_numpy(each[None]) / UNIT for each in (start, way)), Maps.of(pixels))
    told = seen[0, : 6 * cell.cells].reshape(-1, 6)
    forward = np.where(way < 0, -1, 1)
    first = np.floor(forward * start)
    cells = first + told[:, 4:].numpy()
    corners = forward * (cells[:, None] + np.array([(0, 0), (1, 0), (0, 1), (1, 1)]))
    assert [tuple(np.floor(each.mean(0))) for each in corners] == passed + passed[-1:] * (cell.cells - len(passed))
    columns, rows = torch.from_numpy(corners).long().unbind(-1)
    assert torch.allclose(told[:, :4], pixels[0, rows, columns].double() / 127.5 - 1)


def test_lift_only_repeats_the_code():
    code = torch.randn(4, 2)
    lifted = lift(code, 512)
    assert lifted.shape == (4, 512)
    assert (lifted[:, 384:] == CONSTANT).all()
    assert torch.allclose(lifted[:, :2], lifted[:, 382:384])
    assert torch.linalg.matrix_rank(lifted - lifted.mean(0)) == 2


@pytest.mark.parametrize("shift", [(0, 0), (5, -3), (-7, 11)])
def test_agent_encoder_is_translation_covariant(shift):
    model, (states, _, drawn) = make_model(), draw(count=50)
    inner = states[:, 0][(np.abs(drawn.locations[:, 0] - 31.5) < 13).all(1)]  # the roll does not wrap
    apart = model.encode_agent(inner.roll(shift, dims=(-1, -2))) - model.encode_agent(inner)
    assert len(inner) > 5 and torch.allclose(apart, torch.tensor(shift) / UNIT, atol=1e-4)


@pytest.mark.parametrize("column", ["normal", "wall", "wall_other", "expert", "long", "rooms", "doors", "maze"])
def test_untrained_no_column_is_below_dead_reckoning(column):
    """Nothing moves yet. Once actions have their scale, an open gate, as training starts from, is dead reckoning."""
    name = f"probe_{column}/val"
    drawn = ProceduralSet(name, replace(RECIPES[name], count=200))
    frames, actions, true = (
        drawn.frames(np.arange(200), 0, 1)[:, 0],
        *(part(np.arange(200)) for part in (drawn.actions, drawn.locations)),
    )
    model = tiny_jepa.build_model("250").requires_grad_(False)
    code, context = model.encode_agent(frames), model.encode_context(frames)
    reckoned = torch.cat([code[:, None], code[:, None] + actions.cumsum(1) / UNIT], 1)
    still = model.unroll(code, actions, context)
    assert torch.equal(still, code[:, None].expand_as(still))
    errors = [float((UNIT * codes - true).square().mean()) for codes in (still, reckoned)]
    assert errors[0] >= errors[1]
    model.predictor.action.data.fill_(1 / UNIT)
    model.predictor.out.bias.data.fill_(50.0)
    assert torch.allclose(model.unroll(code, actions, context), reckoned, atol=1e-5)


def test_one_file_serves_frames_of_any_size_and_type():
    model, found = trained(), []
    for size in (64, 65):
        for dtype in (np.uint8, np.float32):
            states, actions, drawn = draw(size, dtype, 400, steps=16, low=50)
            found.append(model.unroll(model.encode_agent(states[:, 0]), actions, model.encode_context(states[:, 0])))
    off = torch.stack(found) * UNIT - torch.from_numpy(drawn.locations)
    blocked = (np.diff(drawn.locations, axis=1) == 0).all(-1)
    assert len(blocked) > 60 and blocked.mean() > 0.05
    assert off[:, :, 0].abs().max() < 0.05 and (off.square().mean((2, 3)) < 0.01).double().mean() > 0.95


def test_centroid_and_marginals_are_anchored_at_pixel_zero():
    frame = torch.zeros(1, 64, 64, dtype=torch.uint8)
    frame[0, 10, 32] = 200
    profile = marginals(frame)
    assert profile.shape == (1, 2, 64) and profile.max() == 1.0
    assert torch.equal(centroid(profile, UNIT) * UNIT, torch.tensor([[32.0, 10.0]]))
    larger = torch.zeros(1, 65, 65)
    larger[0, 10, 32] = 0.09
    assert torch.allclose(centroid(marginals(larger), UNIT) * UNIT, torch.tensor([[32.0, 10.0]]))


@pytest.mark.parametrize("kernel", [1, 5, 9])
def test_codes_lie_where_objects_lie_whatever_the_taps(kernel):
    """A palindrome does not shift what it filters: untrained, the agent's code is its location."""
    model = make_model(agent_kernel=kernel)
    for size, dtype, tolerance in ((64, np.uint8, 0.02), (65, np.float32, 1e-3)):
        states, _, trajectories = draw(size, dtype, 200)
        inside = torch.from_numpy((np.abs(trajectories.locations[:, 0] - 31.5) < 22.5).all(1))
        codes = model.encode_agent(states[:, 0]).detach() * UNIT
        off = (codes - torch.from_numpy(trajectories.locations[:, 0])).abs().amax(1)
        assert inside.sum() > 50 and off[inside].max() < tolerance


def test_every_parameter_gets_a_gradient_and_nothing_hides_in_buffers():
    model, (states, actions, _) = make_model(), draw(count=64)
    model(states, actions).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    assert not list(model.buffers())


def test_many_actions_are_tried_from_one_code():
    model = make_model()
    states, _, _ = draw(count=1)
    code, context = model.encode_agent(states[0, 0]), model.encode_context(states[0, 0])
    assert code.shape == (2,) and context.shape == (64, 64)
    actions = torch.randn(7, 5, 2, generator=torch.Generator().manual_seed(0))
    futures = model.unroll(code, actions, context)
    one_by_one = model.unroll(code.expand(7, 2), actions, context.expand(7, 64, 64))
    assert futures.shape == (7, 6, 2) and torch.allclose(futures, one_by_one, atol=1e-6)
    grid = model.step(code, actions, context)
    assert grid.shape == (7, 5, 2) and torch.allclose(grid[:, 0], futures[:, 1], atol=1e-6)


def test_encoders_take_arrays_and_one_frame_or_many():
    model = make_model()
    states, _, _ = draw(count=3, steps=4)
    codes = model.encode_agent(states)
    assert codes.shape == (3, 5, 2) and model.encode_context(states).shape == (3, 5, 64, 64)
    assert torch.allclose(model.encode_agent(states[1, 2].numpy()), codes[1, 2], atol=1e-6)


def test_whether_a_move_was_made_is_asked_of_the_model():
    model = make_model()
    before, action = torch.tensor([2.0, 2.0]), torch.tensor([[1.5, 0.0], [1.5, 0.0], [0.0, -0.3]])
    after = before + torch.tensor([[1.5, 0.0], [0.0, 0.0], [0.0, -0.3]]) / UNIT
    assert model.was_made(before, after, action).tolist() == [True, False, True]


def test_loaded_models_need_no_guard_against_gradients():
    model = tiny_jepa.load_model("50")
    states, actions, _ = draw(count=2)
    assert not model(states, actions).requires_grad and count_parameters(model) == 38
    actions.requires_grad_(True)
    model(states, actions).sum().backward()  # gradients of actions are there for who wants them
    assert actions.grad.abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_codes_and_positions_stay_in_float32_under_autocast(dtype):
    model, (states, actions) = trained(), some_batch()
    code, context = torch.ones(4, 2), model.encode_context(states[:, 0])
    calls = {
        "all": lambda: model(states, actions),
        "agent": lambda: model.encode_agent(states[:, 0]),
        "step": lambda: model.step(code, actions[:, 0], context),
        "unroll": lambda: model.unroll(code, actions.to(dtype), context),
    }
    for name, call in calls.items():
        expected = call()
        with torch.autocast("cpu", dtype=dtype):
            found = call()
        assert found.dtype == torch.float32 and torch.equal(found, expected), name


def test_frames_of_any_scale_give_the_same_codes():
    """As they are drawn, brighter, standardised as a whole or each by itself: black is what is below every pixel."""
    model, (states, actions) = trained(), some_batch()
    expected = model(states, actions)
    for scaled in (1e4 * states, 1e-4 * states, (states - states.mean()) / states.std(), 2 * states - 1):
        torch.testing.assert_close(model(scaled, actions), expected, atol=1e-3, rtol=0)


def trained():
    return tiny_jepa.load_model("2k").requires_grad_(False)


def some_batch():
    drawn = ProceduralSet("any", SetRecipe("explore", 4), Geometry(size=65), dtype="float32")
    return drawn.frames(np.arange(4), 0, 1), drawn.actions(np.arange(4))
