"""What planning is measured against: the world itself in a model's form, and the lengths of the shortest ways."""

import numpy as np
import pytest
import torch

from tiny_jepa.worlds.two_rooms import Geometry, render_states, step
from tiny_jepa.worlds.two_rooms.plans import PLANS
from tiny_jepa.worlds.two_rooms.walls import inside
from tiny_jepa.worlds.two_rooms.yardstick import TrueDynamics, shortest_ways


@pytest.mark.parametrize("kind", PLANS)
def test_true_dynamics_are_the_worlds_in_a_models_form(kind):
    rng, world, truth = np.random.default_rng(0), Geometry(size=65), TrueDynamics()
    walls = PLANS[kind](world, 20, rng)
    locations = rng.uniform(6, 58, (20, 2))
    frames = render_states(world, locations[:, None], walls)[:, 0]
    code, context = truth.encode_agent(frames), truth.encode_context(frames)
    assert np.abs(16 * code.numpy() - locations).max() < 0.1
    actions = rng.normal(0, 3, (20, 40, 2)).astype(np.float32)
    places = 16 * code.double().numpy()[:, None]
    expected, blocked = step(world, places, actions.astype(float), walls[:, None])
    found = truth.step(code[:, None], torch.from_numpy(actions), context[:, None]).numpy()
    free = ~inside(walls, places[:, 0])
    assert found.shape == (20, 40, 2) and np.abs(16 * found - expected)[free].max() < 1e-4
    assert 0 < blocked[free].sum() < blocked[free].size


def test_shortest_ways_turn_at_corners():
    post = np.array([[[29, 31, -1000, 39]]])  # its foot at y = 40
    points = np.array([[20.0, 30.0]]), np.array([[40.0, 30.0]])
    np.testing.assert_allclose(shortest_ways(*points, post, 64), 2 * np.hypot(9, 10) + 2, atol=1e-5)
    corner = np.concatenate([post, [[[-1000, 31, 37, 39]]]], axis=1)  # the way round is shut
    assert np.isinf(shortest_ways(*points, corner, 64)[0])
    np.testing.assert_allclose(shortest_ways(points[1], points[1] + 5, corner, 64), np.hypot(5, 5))


@pytest.mark.parametrize("kind", PLANS)
def test_shortest_ways_are_a_little_shorter_than_those_of_a_lattice(kind):
    """Dynamic programming over a lattice whose nodes the world's moves join. None leads over a corner: there, and
    only there, a move may get into a wall."""
    world, rng = Geometry(), np.random.default_rng(5)
    walls = PLANS[kind](world, 6, rng)
    offsets = np.array([(x, y) for x in range(-2, 3) for y in range(-2, 3) if np.gcd(x, y) == 1])
    nodes = np.argwhere(np.ones((55, 55))) + np.array([4.7, 4.83])
    for scene in walls:
        free = nodes[~inside(scene, nodes)]
        start, goal = free[rng.choice(len(free), 2, replace=False)]
        ends, blocked = step(world, nodes[:, None], offsets.astype(float), scene)
        there = np.rint((ends - nodes[0]) @ (55, 1)).astype(int)
        costs = np.where(blocked, np.inf, np.linalg.norm(offsets, axis=1))
        ways = np.where((nodes == goal).all(1), 0, np.inf)
        for _ in range(400):
            ways = np.minimum(ways, (costs + ways[there]).min(1))
        lattice = ways[(nodes == start).all(1)][0]
        (found,) = shortest_ways(start[None], goal[None], scene[None], 64)
        np.testing.assert_allclose(found, shortest_ways(goal[None], start[None], scene[None], 64))
        assert np.linalg.norm(goal - start) <= found + 1e-9 and found - 1e-5 <= lattice < 1.04 * found + 4
