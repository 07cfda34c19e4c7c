"""Models: shapes, covariance, size and type of the frames, and that nothing of the world is built in."""

import numpy as np
import pytest
import torch

import tiny_jepa
from tiny_jepa.data import ProceduralSet, SetRecipe
from tiny_jepa.models import JEPA, Architecture
from tiny_jepa.models.encoder import centroid, marginals, with_edges
from tiny_jepa.models.lift import CONSTANT, lift
from tiny_jepa.models.size import count_parameters
from tiny_jepa.worlds.two_rooms import UNIT, Geometry, explore, render_states, sample_layouts


def make_model(**settings):
    torch.manual_seed(0)
    model = JEPA(Architecture(**settings)).eval()
    model.predictor.action.data.fill_(1 / UNIT)
    return model


def draw(size=64, dtype=np.uint8, count=20, steps=8, seed=0, low=None):
    """States and trajectories; with `low`, clear of the far borders so that two sizes can share them."""
    world, rng = Geometry(size=64), np.random.default_rng(seed)
    trajectories = explore(world, sample_layouts(world, count, rng), steps, rng)
    if low is not None:
        keep = (trajectories.locations < low).all(axis=(1, 2)) & (trajectories.layouts < low).all(axis=1)
        trajectories = type(trajectories)(*(part[keep] for part in vars(trajectories).values()))
    states = render_states(Geometry(size=size), trajectories.locations, trajectories.layouts, dtype)
    return torch.from_numpy(states), torch.from_numpy(trajectories.actions), trajectories


@pytest.mark.parametrize(
    "settings", [{}, {"agent_kernel": 1}, {"layout_kernel": 3}, {"gate_widths": (5,)}, {"gate_widths": (3, 4, 5)}]
)
def test_forward_gives_a_representation_of_every_frame(settings):
    model = make_model(**settings)
    states, actions, _ = draw()
    with torch.no_grad():
        out = model(states[:, :1], actions)
    assert out.shape == (20, 9, 512) and model.repr_dim == 512
    bare = make_model(**settings, repr_dim=0)
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
        expected.append(model.predictor(expected[-1], actions[:, t], context))
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


def test_the_gate_sees_a_border_at_the_same_place_whatever_the_frames_size():
    cell = make_model().predictor
    start, move = torch.tensor([[40.0, 20.0]]) / UNIT, torch.tensor([[1.5, 0.5]]) / UNIT
    key = torch.tensor([[30.0, 30.0]]) / UNIT
    seen = []
    for size in (62, 65, 72):
        shift = torch.tensor([[size - 62.0, 0.0]]) / UNIT  # the scene moves along with the far border
        context = with_edges(key + shift, size, UNIT)
        seen.append(cell.view(start + shift, start + shift + move, context))
    assert torch.allclose(seen[0], seen[1], atol=1e-5) and torch.allclose(seen[0], seen[2], atol=1e-5)
    far = cell.view(start, start + move, with_edges(key - 2.0, 65, UNIT))
    farther = cell.view(start, start + move, with_edges(key - 3.0, 65, UNIT))
    assert torch.equal(far, farther)  # beyond the window everything looks alike


def test_lift_only_repeats_the_code():
    code = torch.randn(4, 2)
    lifted = lift(code, 512)
    assert lifted.shape == (4, 512)
    assert (lifted[:, 384:] == CONSTANT).all()
    assert torch.allclose(lifted[:, :2], lifted[:, 382:384])
    assert torch.linalg.matrix_rank(lifted - lifted.mean(0)) == 2


@pytest.mark.parametrize("shift", [(0, 0), (5, -3), (-7, 11)])
def test_agent_encoder_is_translation_covariant(shift):
    model = make_model()
    states, _, _ = draw(count=50)
    inner = states[(states[:, 0, 0, 14:-14, 14:-14].flatten(1) > 0).any(1)][:, 0]
    # keep agents far enough from the image's edge for the roll not to wrap
    inner = inner[
        (inner[:, 0].flatten(1).float() - torch.nn.functional.pad(inner[:, 0, 14:-14, 14:-14], [14] * 4).flatten(1))
        .abs()
        .sum(1)
        == 0
    ]
    assert len(inner) > 5
    moved = torch.roll(inner, shift, dims=(-1, -2))
    difference = model.encode_agent(moved) - model.encode_agent(inner)
    assert torch.allclose(difference, torch.tensor(shift) / UNIT, atol=1e-4)


def test_layout_encoder_follows_a_moved_wall():
    model = make_model()
    with torch.no_grad():  # a filter that has learned: it answers to three drawn columns, and to a gap
        model.layout_encoder.axes[0].taps.copy_(torch.tensor([2, 2, -2, 0, 0.0]))
        model.layout_encoder.axes[1].taps.fill_(-6.0)
    world = Geometry()
    layouts = np.array([[24, 20], [31, 30], [43, 40]])
    states = torch.from_numpy(render_states(world, np.full((3, 1, 2), 12.0), layouts))
    codes = model.encode_layout(states[:, 0]).detach().numpy() * UNIT
    assert np.abs(codes - layouts).max() < 0.2


def test_frames_of_any_size_and_type_give_the_same_predictions():
    model = make_model()
    frames = [draw(size, dtype, 200, low=50) for size in (64, 65) for dtype in (np.uint8, np.float32)]
    assert len(frames[0][0]) > 20
    with torch.no_grad():
        codes = [model.encode_agent(states[:, 0]) * UNIT for states, _, _ in frames]
    assert max((a - codes[0]).abs().max() for a in codes) < 0.05


def test_centroid_and_marginals_are_anchored_at_pixel_zero():
    frame = torch.zeros(1, 64, 64, dtype=torch.uint8)
    frame[0, 10, 32] = 200
    profile = marginals(frame)
    assert profile.shape == (1, 2, 64) and profile.max() == 1.0
    assert torch.equal(centroid(profile, UNIT) * UNIT, torch.tensor([[32.0, 10.0]]))
    larger = torch.zeros(1, 65, 65)
    larger[0, 10, 32] = 0.09
    assert torch.allclose(centroid(marginals(larger), UNIT) * UNIT, torch.tensor([[32.0, 10.0]]))


def test_an_untrained_model_stays_where_it_is():
    """Its action map is zero, so that it is no better than 'no motion', and that is worse than dead reckoning."""
    torch.manual_seed(1)
    model = JEPA(Architecture())
    states, actions, trajectories = draw(count=100)
    codes = model.unroll(model.encode_agent(states[:, 0]), actions, model.encode_context(states[:, 0]))
    assert torch.equal(codes, codes[:, :1].expand_as(codes))
    still = np.square(trajectories.locations - trajectories.locations[:, :1]).mean()
    summed = np.concatenate([np.zeros((100, 1, 2)), np.cumsum(trajectories.actions, 1)], 1)
    reckoned = np.square(trajectories.locations - trajectories.locations[:, :1] - summed).mean()
    assert still > reckoned


@pytest.mark.parametrize("kernel", [1, 5, 9])
def test_codes_lie_where_objects_lie_whatever_the_taps(kernel):
    """A palindrome does not shift what it filters: untrained, the agent's code is its location."""
    model = make_model(agent_kernel=kernel)
    for size, dtype, tolerance in ((64, np.uint8, 0.02), (65, np.float32, 1e-3)):
        states, _, trajectories = draw(size, dtype, 200)
        inside = torch.from_numpy(
            (trajectories.locations[:, 0] > 9).all(1) & (trajectories.locations[:, 0] < 54).all(1)
        )
        codes = model.encode_agent(states[:, 0]).detach() * UNIT
        off = (codes - torch.from_numpy(trajectories.locations[:, 0])).abs().amax(1)
        assert inside.sum() > 50 and off[inside].max() < tolerance


def test_every_parameter_gets_a_gradient_and_nothing_hides_in_buffers():
    for settings in ({}, {"gate_widths": (9,)}):
        model = make_model(**settings)
        states, actions, _ = draw(count=64)
        model(states, actions).square().sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
        assert not list(model.buffers())


@pytest.mark.parametrize("axis", [0, 1])
def test_an_axis_without_a_move_is_mirrored_too(axis):
    """Wall runs have no vertical move at all: above and below the door are one thing to the gate."""
    cell = make_model().predictor
    generator = torch.Generator().manual_seed(0)
    start, move = 4 * torch.rand(50, 2, generator=generator), 0.1 * torch.randn(50, 2, generator=generator)
    move[:, axis] = 0.0
    context = with_edges(4 * torch.rand(50, 2, generator=generator), 65, UNIT)
    far, sign = context[:, 2:], torch.ones(2)
    sign[axis] = -1.0
    mirrored = torch.where(sign < 0, far - start, start)
    image = torch.cat([torch.where(sign < 0, far - context[:, :2], context[:, :2]), far], dim=1)
    seen = cell.view(start, start + move, context)
    assert torch.allclose(seen, cell.view(mirrored, mirrored + sign * move, image), atol=1e-5)


def test_many_actions_are_tried_from_one_code():
    model = make_model()
    states, _, _ = draw(count=1)
    code, context = model.encode_agent(states[0, 0]), model.encode_context(states[0, 0])
    assert code.shape == (2,) and context.shape == (4,)
    actions = torch.randn(7, 5, 2, generator=torch.Generator().manual_seed(0))
    futures = model.unroll(code, actions, context)
    one_by_one = model.unroll(code.expand(7, 2), actions, context.expand(7, 4))
    assert futures.shape == (7, 6, 2) and torch.allclose(futures, one_by_one, atol=1e-6)
    grid = model.step(code, actions, context)
    assert grid.shape == (7, 5, 2) and torch.allclose(grid[:, 0], futures[:, 1], atol=1e-6)


def test_encoders_take_arrays_and_one_frame_or_many():
    model = make_model()
    states, _, _ = draw(count=3, steps=4)
    codes = model.encode_agent(states)
    assert codes.shape == (3, 5, 2) and model.encode_context(states).shape == (3, 5, 4)
    assert torch.allclose(model.encode_agent(states[1, 2].numpy()), codes[1, 2], atol=1e-6)


def test_whether_a_move_was_made_is_asked_of_the_model():
    model = make_model()
    before, action = torch.tensor([2.0, 2.0]), torch.tensor([[1.5, 0.0], [1.5, 0.0], [0.0, -0.3]])
    after = before + torch.tensor([[1.5, 0.0], [0.0, 0.0], [0.0, -0.3]]) / UNIT
    assert model.was_made(before, after, action).tolist() == [True, False, True]


def test_loaded_models_need_no_guard_against_gradients():
    model = tiny_jepa.load_model("50")
    states, actions, _ = draw(count=2)
    assert not model(states, actions).requires_grad and count_parameters(model) == 43
    actions.requires_grad_(True)
    model(states, actions).sum().backward()  # gradients of actions are there for who wants them
    assert actions.grad.abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_codes_and_positions_stay_in_float32_under_autocast(dtype):
    model, (states, actions) = trained(), some_batch()
    calls = {
        "all": lambda: model(states, actions),
        "agent": lambda: model.encode_agent(states[:, 0]),
        "context": lambda: model.encode_context(states[:, 0]),
        "step": lambda: model.predictor(torch.ones(4, 2), actions[:, 0], torch.ones(4, 4)),
        "unroll": lambda: model.unroll(torch.ones(4, 2), actions.to(dtype), torch.ones(4, 4)),
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
