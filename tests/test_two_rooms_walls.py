"""What stops a move: rules, boxes, drawings and floor plans; and what planning is measured against."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from tiny_jepa.worlds.two_rooms import Geometry, boxes_of, render_layouts, render_states, sample_layouts, step
from tiny_jepa.worlds.two_rooms.plans import CELLS, PLANS, cell_lines
from tiny_jepa.worlds.two_rooms.walls import Cells, inside, layouts_of
from tiny_jepa.worlds.two_rooms.yardstick import TrueDynamics, shortest_ways

SIZES = (62, 64, 65, 72)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["two rooms", *PLANS])
def test_a_drawing_stops_what_the_boxes_stop_that_it_was_drawn_from(kind, size):
    """Of free agents, whatever the length of a move."""
    world, rng = Geometry(size=size), np.random.default_rng(0)
    walls = boxes_of(world, sample_layouts(world, 300, rng)) if kind == "two rooms" else PLANS[kind](world, 300, rng)
    locations = rng.uniform(world.border, world.far_border, (300, 50, 2))
    while (within := inside(walls[:, None], locations)).any():
        locations[within] = rng.uniform(world.border, world.far_border, (int(within.sum()), 2))
    actions = rng.normal(0, rng.choice([1.0, 4.0], (300, 50, 1)), (300, 50, 2))
    actions[rng.random(actions.shape) < 0.1] = 0
    expected = step(world, locations, actions, walls[:, None])
    found = Cells.of(render_layouts(world, walls)[:, None] > 0).step(locations, actions)
    assert 0.05 < expected[1].mean() < 0.9
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_layouts_are_read_off_boxes():
    world = Geometry()
    layouts = np.stack(np.meshgrid(world.wall_columns, world.door_rows), axis=-1).reshape(-1, 2)
    np.testing.assert_array_equal(layouts_of(boxes_of(world, layouts)), layouts)


def spread(values, low, high):
    assert values.min() == low and values.max() == high and len(np.unique(values)) == high - low + 1


@pytest.mark.parametrize("size", SIZES)
def test_three_and_four_rooms_in_a_row_and_two_and_three_doors_in_a_wall(size):
    rooms = PLANS["rooms"](Geometry(size=size), 4000, np.random.default_rng(0)).reshape(4000, 3, 2, 4)
    columns, doors = rooms[:, :, 0, :2].mean(-1), (rooms[..., 0, 3] + rooms[..., 1, 2]) / 2
    assert (rooms[..., 1, 2] - rooms[..., 0, 3] == 10).all() and (np.ptp(rooms[..., :2], axis=-1) == 2).all()
    spread(doors[columns < size], 10, size - 11)
    walls = PLANS["doors"](Geometry(size=size), 4000, np.random.default_rng(0))
    spread(walls[:, 0, :2].mean(-1), 20, size - 21)
    assert (walls[:, 1:, 2] - walls[:, :-1, 3] == 10).all() and (walls[:, :, :2] == walls[:, :1, :2]).all()
    for centres, apart in ((columns, 9), ((walls[:, :-1, 3] + walls[:, 1:, 2]) / 2, 11)):
        there = centres < size  # the third of every other scene is far outside
        assert np.bincount(there.sum(1)).tolist() == [0, 0, 2000, 2000] and there[:, :2].all()
        spread(centres[there], 10, size - 11)
        assert np.diff(centres, axis=1).min() >= apart


@pytest.mark.parametrize("size", SIZES)
def test_a_maze_has_one_way_between_any_two_cells(size):
    world = Geometry(size=size)
    drawn = render_layouts(world, PLANS["maze"](world, 300, np.random.default_rng(0))) > 0
    line = cell_lines(world)
    middle = (line[:-1] + line[1:]) // 2
    right = ~drawn[:, middle[:, None], line[1:-1]]  # [N, row, column]: open to the right
    down = ~drawn[:, line[1:-1][:, None], middle]
    assert (right.sum((1, 2)) + down.sum((1, 2)) == CELLS**2 - 1).all()
    reached = np.zeros((300, CELLS, CELLS), bool)
    reached[:, 0, 0] = True
    for _ in range(CELLS**2):
        for opened, view in ((down, reached), (right.swapaxes(1, 2), reached.swapaxes(1, 2))):
            either = opened & (view[:, :-1] | view[:, 1:])
            view[:, :-1] |= either
            view[:, 1:] |= either
    assert reached.all()  # with so few ways open: a tree
    assert (np.abs(right.mean(0) - 0.6) < 0.3).all() and (np.abs(down.mean(0) - 0.6) < 0.3).all()


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
    ends, blocked = step(world, locations, actions, boxes_of(world, layouts))
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
        (28.5, 20.0, 5.0, 0.0, True),  # through the wall at one go
        (28.5, 36.0, 1.0, 0.0, False),  # along the jamb: |y - d| = 4 passes
        (28.5, 35.5, 1.0, 1.0, False),  # reaches the face at y = 36 exactly, the corner
        (30.0, 35.5, 0.0, 0.6, True),  # over the jamb
        (30.8, 35.9, 1.0, 1.0, True),  # out of the door over its corner
        (26.0, 26.0, 4.0, 11.0, True),  # in through the door and out by the far jamb
        (58.0, 58.0, 0.5, 1.0, True),  # touches the border at 59: neither coordinate moves
        (30.0, 27.5, 0.0, 1.0, False),  # from inside the wall into the door: over the jamb inwards
        (30.5, 27.5, 2.0, 4.0, False),  # from inside the wall over the jamb, and out through the door
    ],
)
def test_hand_worked_moves(x, y, ax, ay, blocked):
    location, action, layout = np.array([[x, y]]), np.array([[ax, ay]]), np.array([[30, 32]])
    end, stopped = step(Geometry(), location, action, boxes_of(Geometry(), layout))
    assert stopped[0] == blocked
    np.testing.assert_array_equal(end, location if blocked else location + action)


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
