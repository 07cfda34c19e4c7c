"""The dynamics, against a slow scalar reference written from the rules and nothing else, and hand-worked moves."""

from fractions import Fraction

import numpy as np
import pytest

from tiny_jepa.worlds.two_rooms import Geometry, boxes_of
from tiny_jepa.worlds.two_rooms import step as step_past


def step(world, locations, actions, layouts):
    return step_past(world, locations, actions, boxes_of(world, layouts))


def reference_step(size, x, y, ax, ay, wall, door):
    """One move by the rules: borders block on touch, faces pass where |y - door| <= 4, jambs block outwards."""
    nx, ny = x + ax, y + ay
    if nx <= 4 or ny <= 4 or nx >= size - 5 or ny >= size - 5:
        return x, y, True
    for face in (wall - 1, wall + 1):
        if nx != x and min(x, nx) <= face <= max(x, nx):
            y_there = y + (ny - y) * ((face - x) / (nx - x))
            if abs(y_there - door) > 4:
                return x, y, True
    for jamb, leaves in ((door - 4, ny < door - 4 <= y), (door + 4, y <= door + 4 < ny)):
        if leaves and wall - 1 < x + (nx - x) * ((jamb - y) / (ny - y)) < wall + 1:
            return x, y, True
    return nx, ny, False


def near_obstacles(world, count, rng, grid):
    """Locations in the room within 3 px of a face, a jamb, a corner of the door, a border or a corner of the room."""
    layouts = np.stack([rng.integers(20, world.size - 20, count), rng.integers(10, world.size - 10, count)], axis=1)
    spot, sign = rng.integers(0, 5, count), rng.choice([-1, 1], (2, count))
    low, high = world.border, world.far_border
    anywhere = rng.uniform(low, high, (2, count))
    face, jamb = layouts[:, 0] + sign[0], layouts[:, 1] + 4 * sign[1]
    edge = np.where(sign > 0, high, low)
    x = np.choose(spot, [face, layouts[:, 0], face, edge[0], edge[0]]) + rng.uniform(-3, 3, count)
    y = np.choose(spot, [anywhere[1], jamb, jamb, anywhere[1], edge[1]]) + rng.uniform(-3, 3, count)
    actions = rng.uniform(-2, 2, (count, 2))
    actions[rng.random((count, 2)) < 0.1] = 0
    locations = np.stack([x, y], axis=1)
    if grid:
        locations, actions = np.rint(locations * 4) / 4, np.rint(actions * 4) / 4
    keep = ((locations > low) & (locations < high)).all(1)
    return locations[keep], actions[keep], layouts[keep]


@pytest.mark.parametrize(("size", "grid", "count"), [(64, False, 85_000), (65, False, 85_000), (64, True, 43_000)])
def test_transitions_agree_with_the_reference(size, grid, count):
    world = Geometry(size=size)
    locations, actions, layouts = near_obstacles(world, int(1.4 * count), np.random.default_rng(size), grid)
    assert len(locations) > count
    ends, blocked = step(world, locations, actions, layouts)
    rows = np.concatenate([locations, actions, layouts], axis=1).tolist()
    expected = np.array([reference_step(size, *(map(Fraction, row) if grid else row)) for row in rows], float)
    np.testing.assert_allclose(ends, expected[:, :2], atol=1e-5, rtol=0)
    np.testing.assert_array_equal(blocked, expected[:, 2].astype(bool))
    across, along = np.abs(locations - layouts).T
    in_wall = (across < 1) & (along > 4)
    for starts in (in_wall, ~in_wall):
        assert (starts & blocked).sum() > count / 20 and (starts & ~blocked).sum() > count / 20
    on_face = np.abs(locations[:, 0] + actions[:, 0] - layouts[:, 0]) == 1
    assert not grid or on_face.sum() > 1000  # such moves end exactly on a plane


@pytest.mark.parametrize(
    ("x", "y", "ax", "ay", "blocked"),
    [
        (28.5, 32.0, 1.5, 0.0, False),  # into the door
        (28.5, 20.0, 5.0, 0.0, True),  # through the wall at one go
        (28.5, 36.0, 1.0, 0.0, False),  # along the jamb: |y - d| = 4 passes
        (28.5, 35.5, 1.0, 1.0, False),  # reaches the face at y = 36 exactly, the corner
        (30.0, 35.5, 0.0, 0.6, True),  # over the jamb
        (30.8, 35.9, 1.0, 1.0, True),  # out of the door over its corner
        (26.0, 26.0, 4.0, 11.0, True),  # in through the door and out by the far jamb
        (5.0, 20.0, -1.0, 0.0, True),  # touches the border at 4
        (58.0, 58.0, 0.5, 1.0, True),  # touches the border at 59: neither coordinate moves
        (30.0, 20.0, 1.0, 0.0, True),  # from inside the wall, touches its face
        (30.0, 27.5, 0.0, 1.0, False),  # from inside the wall into the door: over the jamb inwards
        (30.5, 27.5, 2.0, 4.0, False),  # from inside the wall over the jamb, and out through the door
    ],
)
def test_hand_worked_moves(x, y, ax, ay, blocked):
    location, action, layout = np.array([[x, y]]), np.array([[ax, ay]]), np.array([[30, 32]])
    end, stopped = step(Geometry(), location, action, layout)
    assert stopped[0] == blocked
    np.testing.assert_array_equal(end, location if blocked else location + action)
