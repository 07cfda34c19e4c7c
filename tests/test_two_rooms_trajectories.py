"""The generators' distributions: the rules of the public one, its figures and those of the field.

Tolerances are four standard errors of the sample at hand, and of the figure where that was measured.
"""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.sets import blocked, dead_reckoning
from tiny_jepa.worlds.two_rooms import UNSEEN_WALLS, Geometry, Trajectories, rollout, sample_layouts, trajectories
from tiny_jepa.worlds.two_rooms.sets import RECIPES, SETS_VERSION, generate
from tiny_jepa.worlds.two_rooms.trajectories import expert, explore, exploring_actions, ordinary_starts, run_into_wall
from tiny_jepa.worlds.two_rooms.walls import inside, layouts_of

WORLD = Geometry()
MEAN_LOCATIONS = {
    **{"normal": (31.38105, 31.40749), "wall": (29.38628, 31.39940), "expert": (31.47406, 31.43097)},
    **{"rooms": (31.43725, 31.37317), "doors": (31.35669, 31.41331), "maze": (31.99589, 31.70055)},
}


def changes_room(drawn: Trajectories) -> np.ndarray:
    """Which trajectories were on both sides of the wall's centre -> [N] bool."""
    side = drawn.locations[:, :, 0] > layouts_of(drawn.walls)[:, None, 0]
    return np.asarray(side.any(1) & ~side.all(1))


def generated(name: str, **changes: int) -> Trajectories:
    return generate(WORLD, replace(RECIPES[name], **changes), name, seed=0)


def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def close(sample: np.ndarray, expected: float, count: int | None = None) -> None:
    """`count`: trajectories behind the expected figure, where that is an estimate too."""
    variance = sample.var() * (1 / len(sample) + (1 / count if count else 0))
    assert abs(sample.mean() - expected) <= 4 * np.sqrt(variance), (sample.mean(), expected, np.sqrt(variance))


def uniform(sample: np.ndarray, low: float | np.ndarray, high: float | np.ndarray) -> None:
    """Support, mean, variance and fourth moment of a uniform distribution, each draw between limits of its own."""
    unit = 2 * (sample - low) / (np.asarray(high) - low) - 1
    assert np.abs(unit).max() <= 1 + 1e-6
    close(unit, 0)
    close(unit**2, 1 / 3)
    close(unit**4, 1 / 5)


FIELD = {"normal": (2.52, 0.13, 4000), "wall": (8.1, 0.37, 4000), "wall_other": (8.1, 0.37, 4000)}
FIELD |= {"long": (93.6, 0.28, 500)}  # px², share of blocked moves, and of how many trajectories


@pytest.mark.parametrize("name", FIELD)
def test_dead_reckoning_and_blocked_moves_are_the_fields(name):
    drawn, (error, share, count) = generated(f"probe_{name}/val"), FIELD[name]
    close(dead_reckoning(drawn), error, count)
    close(blocked(drawn).mean(1), share, count)


def test_action_norms_are_truncated_normal_first_headings_uniform_and_turns_von_mises():
    actions = exploring_actions(6000, 16, np.random.default_rng(1))
    norm = np.linalg.norm(actions, axis=-1).ravel()
    assert norm.min() >= 0.2 - 1e-12 and norm.max() <= 1.8 + 1e-12
    close(norm, 1.0)  # symmetric limits
    close((norm - 1) ** 2, 0.4**2 * (1 - 2 * 2 * 0.05399097 / 0.95449974))  # of a normal cut at 2 deviations
    heading = np.arctan2(actions[..., 1], actions[..., 0])
    turn, grid = np.diff(heading, axis=1).ravel(), np.linspace(-np.pi, np.pi, 20_001)[:-1]
    weight = np.exp(5 * np.cos(grid))
    for k in (1, 2):
        expected = float((np.cos(k * grid) * weight).sum() / weight.sum())
        for angle, cosine in ((heading[:, 0], 0), (turn, expected)):
            close(np.cos(k * angle), cosine)
            close(np.sin(k * angle), 0)


def test_ordinary_starts_are_uniform_but_for_the_wall():
    layouts = np.tile([[26, 30]], (40_000, 1))
    x, y = ordinary_starts(WORLD, layouts, rng()).T
    door_rows, between_faces = np.abs(y - 30) <= 4, np.abs(x - 26) <= 1
    uniform(y, 4, 59)
    uniform(x[door_rows], 4, 59)  # those in the door stay
    assert not (between_faces & ~door_rows).any() and x.min() > 4 and x.max() < 59
    left = x < 26
    close(left[~door_rows], (21 + 2 / 2) / 55)  # 21 px of 55 are the left room's, and half of the wall's 2 px go there
    uniform(x[left & ~door_rows], 4, 25)
    uniform(x[~left & ~door_rows], 27, 59)
    uniform(y[left & (y < 26)], 4, 26)  # drawn again at the same height


def test_layouts_are_uniform_over_what_is_allowed():
    every, unseen = set(range(20, 44)), set(UNSEEN_WALLS)
    for name, columns in (("train", every - unseen), ("probe_normal/val", every), ("probe_wall_other/val", unseen)):
        layouts = layouts_of(generated(name, count=2000).walls)
        for values, support in ((layouts[:, 0], columns), (layouts[:, 1], set(range(10, 54)))):
            assert set(values.tolist()) == support
            for value in support:
                close((values == value).astype(float), 1 / len(support))


def test_built_passings_reach_the_door_by_an_action_of_a_random_number(monkeypatch):
    asked = []

    def recorded(count, steps, rng, *heading_and_number):
        asked.append(heading_and_number)
        return exploring_actions(count, steps, rng, *heading_and_number)

    monkeypatch.setattr(trajectories, "exploring_actions", recorded)
    layouts = sample_layouts(WORLD, 20_000, rng())
    built = explore(WORLD, layouts, 16, rng(), door_rate=1)
    heading, at = asked[-1]
    close(at, 7.5)
    assert set(at) == set(range(16))
    start, rows = built.locations[:, 0].astype(np.float64), np.arange(20_000)
    passing = start + np.cumsum(built.actions, axis=1, dtype=np.float64)[rows, at] - layouts
    assert start.min() > 4.01 - 1e-5 and start.max() < 58.99 + 1e-5
    clamped = (np.abs(start - 4.01) < 1e-4).any(1) | (np.abs(start - 58.99) < 1e-4).any(1)
    assert 0 < clamped.mean() < 0.05  # the door is 6 px or more from the borders
    x, y = passing[~clamped].T
    uniform(x, -1, 1)
    assert np.abs(y).max() <= 4 + 1e-4
    close(y, 0)
    close(y**2, 1.4**2 * (1 - 2 * (4 / 1.4) * 0.0067339 / 0.9957267))  # of a normal cut at 4 px
    taken = built.actions[rows, at]
    np.testing.assert_allclose(np.exp(1j * heading), taken @ [1, 1j] / np.linalg.norm(taken, axis=1), atol=1e-5)
    close(taken[:, 0] > 0, 0.5)
    uniform(np.arctan2(taken[:, 1] * np.sign(taken[:, 0]), np.abs(taken[:, 0])), -np.pi / 4, np.pi / 4)


@pytest.mark.parametrize(("rate", "wall", "door"), [(0, 0, 16 / 56**2), (0.35, 0.0131, 0.0256), (0.6, 0.022, None)])
def test_some_ordinary_trajectories_start_in_the_wall_or_the_door(rate, wall, door):
    world = Geometry(size=65)  # of the public generator's 70,000 trajectories that the shares at 0.35 are from
    drawn = explore(world, sample_layouts(world, 70_000, rng()), 16, rng(), rate)
    across, along = np.abs(drawn.locations[:, 0] - layouts_of(drawn.walls)).T
    close((across < 1) & (along > 4), wall, 70_000)
    if door is not None:
        close((across < 1) & (along <= 4), door, 70_000)
    if rate == 0.35:  # three in four moves are made from inside the wall, and four in five such trajectories come out
        within = inside(drawn.walls[:, None], drawn.locations, -1e-5)
        close((~blocked(drawn)[within[:, 0]]).mean(1), 0.770, 919)  # as of the public generator's 919
        close(~within[within[:, 0], -1], 0.802, 919)


@pytest.mark.parametrize("steps", [16, 30])
def test_wall_runs_begin_at_the_stated_distances_and_heights(steps):
    layouts = sample_layouts(WORLD, 20_000, rng())
    drawn = run_into_wall(WORLD, layouts, steps, rng())
    (x, y), (wall, door) = drawn.locations[:, 0].T.astype(np.float64), layouts.T
    direction = drawn.actions[:, :, 0]
    assert (np.abs(direction) == 1).all() and (drawn.actions[:, :, 1] == 0).all()
    assert (direction == np.sign(wall - x)[:, None]).all()
    close(direction[:, 0] > 0, 0.5)
    uniform(np.abs(x - wall), 2, np.minimum(steps - 1, np.where(x < wall, wall - 4, 59 - wall)))
    assert (drawn.locations[:, 0] > 4).all() and (drawn.locations[:, 0] < 59).all()
    off_door = np.abs(y - door)
    close(off_door <= 2, 0.25)
    uniform((y - door)[off_door <= 2], -2, 2)
    above, below = y < door - 2, y > door + 2
    close(above[off_door > 2], 0.5)
    uniform(y[above], 4, door[above] - 2)
    uniform(y[below], door[below] + 2, 59)
    near_a_jamb = (off_door > 2) & (off_door <= 4)
    close(near_a_jamb, 0.087, 20_000)  # as of 20,000 of the public generator's
    assert changes_room(drawn)[near_a_jamb & (np.abs(x - wall) < steps)].all()  # the door lets them in


def test_experts_walk_three_straight_legs_and_rest():
    layouts = sample_layouts(WORLD, 8000, rng())
    drawn = expert(WORLD, layouts, 130, rng())
    start, end = drawn.locations[:, 0].astype(np.float64), drawn.locations[:, -1].astype(np.float64)
    side = np.sign(start[:, 0] - layouts[:, 0])
    close(side, 0)
    assert changes_room(drawn).all() and (np.sign(end[:, 0] - layouts[:, 0]) == -side).all()
    uniform(start[:, 1], 4, 59)
    uniform(start[:, 0], np.where(side < 0, 4, layouts[:, 0] + 1), np.where(side < 0, layouts[:, 0] - 1, 59))
    norm = np.linalg.norm(drawn.actions, axis=-1)
    moves = (norm > 0).sum(1)
    assert moves.max() < 130 and all((norm[i, n:] == 0).all() for i, n in enumerate(moves))
    assert norm.max() < 0.9 + 1e-6 and norm[norm > 0].min() > 0.2 - 1e-6
    close(np.minimum(moves, 90), 55.20, 3000)  # as of 3,000 of the public generator's
    shorter = ((norm > 0) & (norm < 0.9 - 1e-5)).sum(1)
    assert shorter.max() <= 3
    close(shorter, 2 * 0.7 / 0.9)  # at the ends of the first and the last leg, unless below 0.2 px
    assert blocked(drawn).any(1).mean() < 1 / 500  # what was dropped moves the last leg aside, sometimes into a wall
    before = (layouts[:, 0] + 1.8 * side)[:, None]
    in_box = (np.abs(start - layouts) <= (1.8, 2)).all(1)
    slope = drawn.actions[:, 0, 1] / drawn.actions[:, 0, 0]
    height = start[:, 1] + slope * (before[:, 0] - start[:, 0]) - layouts[:, 1]
    assert in_box.sum() > 5 and (drawn.actions[in_box, 0, 1] == 0).all()  # begins with the leg through the door
    uniform(height[~in_box], -2.001, 2.001)


def test_the_sets_are_what_they_were():
    """Trained weights and published figures rest on these very trajectories: other ones are another version."""
    assert SETS_VERSION == 3
    first = generated("probe_normal/val").locations[:3, 0]
    np.testing.assert_allclose(first, [[7.354, 11.040], [49.525, 55.968], [12.107, 31.967]], atol=1e-3)
    for name, mean in MEAN_LOCATIONS.items():
        drawn = generated(f"probe_{name}/val").locations
        np.testing.assert_allclose(drawn.mean((0, 1), dtype=np.float64), mean, atol=1e-4)


@pytest.mark.parametrize("size", [62, 65, 72])
def test_every_set_is_drawn_at_every_size(size):
    world = Geometry(size=size)
    for name, recipe in RECIPES.items():
        drawn = generate(world, replace(recipe, count=300), name, seed=0)
        assert drawn.locations.min() > world.border and drawn.locations.max() < world.far_border
        assert recipe.kind == "explore" or not inside(drawn.walls[:, None], drawn.locations, -1e-4).any()
        again = rollout(world, drawn.locations[:, 0], drawn.actions, drawn.walls)  # from what is recorded
        np.testing.assert_array_equal(again.locations, drawn.locations)
