"""Walls of any shape: boxes, what stops at them, how they are read off a drawing, and the floor plans."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_jepa.worlds.two_rooms import Geometry, boxes_of, render_layouts, sample_layouts, step, walls_of
from tiny_jepa.worlds.two_rooms.plans import CELLS, PLANS, cell_lines
from tiny_jepa.worlds.two_rooms.walls import inside, layouts_of

SIZES = (62, 64, 65, 72)


def scenes(kind, size, count, seed=0, **settings):
    """World, boxes [count, K, 4], free locations and actions, both [count, 50, 2]."""
    world, rng = Geometry(size=size, **settings), np.random.default_rng(seed)
    layouts = sample_layouts(world, count, rng)
    walls = boxes_of(world, layouts) if kind == "two rooms" else PLANS[kind](world, count, rng)
    locations = rng.uniform(world.border, world.far_border, (count, 50, 2))
    while (within := inside(walls[:, None], locations)).any():
        locations[within] = rng.uniform(world.border, world.far_border, (int(within.sum()), 2))
    actions = rng.normal(0, rng.choice([1.0, 4.0], (count, 50, 1)), (count, 50, 2))
    actions[rng.random(actions.shape) < 0.1] = 0
    return world, walls, locations, actions


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["two rooms", *PLANS])
def test_a_drawing_read_back_stops_the_same_moves(kind, size):
    world, walls, locations, actions = scenes(kind, size, 300)
    read = walls_of(render_layouts(world, walls) > 0)
    expected, found = (step(world, locations, actions, boxes[:, None]) for boxes in (walls, read))
    assert 0.05 < expected[1].mean() < 0.9
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(render_layouts(world, read), render_layouts(world, walls))


@pytest.mark.parametrize("kind", ["two rooms", *PLANS])
@pytest.mark.parametrize("settings", [{"size": 64}, {"size": 71, "wall_half": 2, "door_half": 2}])
def test_a_move_is_blocked_where_its_segment_meets_something(kind, settings):
    world, walls, locations, actions = scenes(kind, count=40, seed=1, **settings)
    ends, blocked = step(world, locations, actions, walls[:, None])
    np.testing.assert_array_equal(ends, np.where(blocked[..., None], locations, locations + actions))
    way = locations[..., None, :] + np.linspace(0, 1, 400)[:, None] * actions[..., None, :]  # [N, 50, 400, 2]

    def meets(margin):
        outside = (way <= world.border + margin) | (way >= world.far_border - margin)
        return (outside.any(-1) | inside(walls[:, None, None], way, margin)).any(-1)

    assert not (meets(-1e-6) & ~blocked).any() and not (blocked & ~meets(0.1)).any()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.integers(1, 6))
def test_whatever_is_drawn_the_boxes_cover_it_and_nothing_else(seed, share, scale):
    world = Geometry()
    noise = np.random.default_rng(seed).random((64 // scale + 1, 64 // scale + 1)) < share
    drawn = noise.repeat(scale, axis=0).repeat(scale, axis=1)[:64, :64]
    within = slice(world.border + 1, world.far_border)
    redrawn = render_layouts(world, walls_of(drawn)[None])[0] > 0
    np.testing.assert_array_equal(redrawn[within, within], drawn[within, within])


def test_two_rooms_are_read_as_the_boxes_they_were():
    world = Geometry()
    layouts = np.stack(np.meshgrid(world.wall_columns, world.door_rows), axis=-1).reshape(-1, 2)
    walls = walls_of(render_layouts(world, boxes_of(world, layouts)) > 0)
    np.testing.assert_array_equal(walls, boxes_of(world, layouts))
    np.testing.assert_array_equal(layouts_of(walls), layouts)


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
