"""Frames: uint8 as the public generators draw them, float32 as the course's files have them; and the real samples."""

import math
from pathlib import Path

import numpy as np
import pytest

from tiny_jepa.worlds.contract import read_agents
from tiny_jepa.worlds.two_rooms import Geometry, boxes_of, render_agents, render_states, rollout

REAL = Path(__file__).resolve().parents[2] / "shared" / "real_samples"


@pytest.mark.parametrize("size", [64, 65])
def test_uint8_dots_are_the_floor_of_the_gaussian(size):
    world = Geometry(size=size)
    locations = np.random.default_rng(0).uniform(world.border, world.far_border, (40, 2)).round(3)
    locations[:4] = [[4.01, 4.01], [size - 5.01, 4.01], [4.01, size - 5.01], [30.5, 30.0]]
    frames = render_agents(world, locations)
    row, column = np.ogrid[:size, :size]
    for frame, (x, y) in zip(frames, locations, strict=True):
        squared = (column - x) ** 2 + (row - y) ** 2
        difference = frame - np.floor(255 * np.exp(-squared / (2 * 1.3**2)))
        assert np.abs(difference).max() <= 1 and (difference != 0).sum() <= 1  # rounding at a whole number


def test_float_dots_sum_to_one_with_their_mean_at_the_location():
    world = Geometry(size=65)
    locations = np.random.default_rng(1).uniform(12, 52, (50, 2))
    frames = render_agents(world, locations, np.float32)
    assert frames.dtype == np.float32
    np.testing.assert_allclose(frames.sum((1, 2)), 1, atol=1e-5)
    np.testing.assert_allclose(read_agents(frames[None])[0], locations, atol=1e-3)


@pytest.mark.parametrize(("dtype", "size", "value"), [(np.uint8, 64, 255), (np.float32, 65, 1 / (2 * math.pi * 1.69))])
def test_states_join_the_dots_and_a_layout_that_is_drawn_pixel_by_pixel(dtype, size, value):
    world, locations = Geometry(size=size), np.random.default_rng(2).uniform(5, 58, (2, 5, 2))
    states = render_states(world, locations, boxes_of(world, np.array([[20, 10], [30, 12]])), dtype)
    assert states.shape == (2, 5, 2, size, size) and states.dtype == dtype
    np.testing.assert_array_equal(states[1, :, 0], render_agents(world, locations[1], dtype))
    expected = np.zeros((size, size))
    expected[:8, 29:32] = expected[17:, 29:32] = expected[[4, size - 5]] = expected[:, [4, size - 5]] = value
    np.testing.assert_allclose(states[1, :, 1], [expected] * 5, rtol=1e-6)


@pytest.mark.parametrize("name", ["probe_normal/val", "probe_wall/val"])
def test_real_samples_are_reproduced_frame_by_frame(name):
    folder = REAL / name
    if not folder.is_dir():
        pytest.skip(f"the course's real samples are not here: {folder}")
    states, actions, locations = (np.load(folder / f"{key}.npy") for key in ("states", "actions", "locations"))
    world = Geometry(size=states.shape[-1])
    within = states[:, 0, 1, 5:-5, 5:-5] == 0
    column = within.sum(1).argmin(1)  # the first of the wall's three; the door is open for nine rows
    door = np.take_along_axis(within, column[:, None, None], 2)[..., 0].argmax(1)
    walls = boxes_of(world, np.stack([column + 6, door + 9], axis=1))
    ours = rollout(world, locations[:, 0], actions, walls).locations
    np.testing.assert_allclose(ours, locations, atol=1e-4, rtol=0)
    frames = render_states(world, ours, walls, np.float32)
    peak = 1 / (2 * math.pi * world.dot_std**2)
    np.testing.assert_allclose(frames[:, :, 0], states[:, :, 0], atol=1e-4 * peak, rtol=0)
    # the layout's one value is the brightest agent pixel of its file's batch, just below the dot's peak
    value = states[:, :, 1].max()
    assert 0.998 * peak < value <= peak
    np.testing.assert_allclose(frames[:, :, 1] * (value / peak), states[:, :, 1], atol=1e-4 * peak, rtol=0)
