"""The generators' statistics against the field's, with tolerances of four standard errors of the sample at hand."""

from __future__ import annotations

import numpy as np
import pytest

from tiny_jepa.data.procedural import RECIPES, generate
from tiny_jepa.world import UNSEEN_WALLS, Trajectories, World, explore, rollout, run_into_wall
from tiny_jepa.world.geometry import sample_layouts
from tiny_jepa.world.trajectories import exploring_actions, free_starts

WORLD = World()
FIRST_LAYOUTS = [[29, 40], [38, 33], [20, 33]]
FIRST_LOCATIONS = [[32.879, 33.814], [32.137, 34.502], [49.835, 57.759]]
MEAN_LOCATION = [31.31582, 31.29829]


def changes_room(trajectories: Trajectories) -> np.ndarray:
    """Which trajectories were on both sides of the wall's centre -> [N] bool."""
    side = trajectories.locations[:, :, 0] > trajectories.layouts[:, None, 0]
    return np.asarray(side.any(1) & ~side.all(1))


def generated(name: str) -> Trajectories:
    return generate(WORLD, RECIPES[name], name, seed=0)


def blocked(trajectories: Trajectories) -> np.ndarray:
    """Which moves [N, T-1] left the agent in place although there was an action."""
    still = (np.diff(trajectories.locations, axis=1) == 0).all(-1)
    return still & (trajectories.actions != 0).any(-1)


def dead_reckoning(trajectories: Trajectories) -> np.ndarray:
    """Squared error [N] px² of adding up the actions, averaged over frames (the first included) and coordinates."""
    start = trajectories.locations[:, :1].astype(np.float64)
    reckoned = np.concatenate([start, start + np.cumsum(trajectories.actions, axis=1, dtype=np.float64)], axis=1)
    return ((reckoned - trajectories.locations) ** 2).mean((1, 2))


def close(sample: np.ndarray, expected: float, count: int | None = None) -> None:
    """`count`: trajectories behind the expected figure, where that is an estimate too."""
    variance = sample.var() * (1 / len(sample) + (1 / count if count else 0))
    assert abs(sample.mean() - expected) <= 4 * np.sqrt(variance), (sample.mean(), expected, np.sqrt(variance))


@pytest.mark.parametrize(
    ("name", "error", "share"),
    [
        ("probe_normal/val", 2.52, 0.13),
        ("probe_wall/val", 8.1, 0.37),
        ("probe_wall_other/val", 8.1, 0.37),
        ("probe_long/val", 93.6, 0.28),
        ("probe_expert/val", 0.0, 0.0),
    ],
)
def test_dead_reckoning_and_blocked_moves_are_the_fields(name, error, share):
    trajectories = generated(name)
    if share == 0:
        assert not blocked(trajectories).any() and dead_reckoning(trajectories).max() < 1e-6
        return
    close(dead_reckoning(trajectories), error, RECIPES[name].count)
    close(blocked(trajectories).mean(1), share, RECIPES[name].count)


def test_action_norms_are_truncated_normal():
    actions = exploring_actions(4000, 16, np.random.default_rng(0))
    norm = np.linalg.norm(actions, axis=-1).ravel()
    assert norm.min() >= 0.2 - 1e-12 and norm.max() <= 1.8 + 1e-12
    close(norm, 1.0)  # symmetric limits
    close((norm - 1) ** 2, 0.4**2 * (1 - 2 * 2 * 0.05399097 / 0.95449974))  # of a normal cut at 2 deviations


def test_first_headings_are_uniform_and_turns_von_mises():
    actions = exploring_actions(6000, 16, np.random.default_rng(1))
    heading = np.arctan2(actions[..., 1], actions[..., 0])
    for k in (1, 2):
        close(np.cos(k * heading[:, 0]), 0)
        close(np.sin(k * heading[:, 0]), 0)
    turn = np.diff(heading, axis=1).ravel()
    grid = np.linspace(-np.pi, np.pi, 20_001)[:-1]
    weight = np.exp(5 * np.cos(grid))
    for k in (1, 2):
        close(np.cos(k * turn), float((np.cos(k * grid) * weight).sum() / weight.sum()))
        close(np.sin(k * turn), 0)


def test_starts_are_uniform_over_both_rooms():
    layouts = np.tile([[26, 30]], (20_000, 1))
    x, y = free_starts(WORLD, layouts, np.random.default_rng(2)).T
    left, right = 25 - 4, 59 - 27
    assert not ((x >= 25) & (x <= 27)).any() and x.min() > 4 and x.max() < 59 and y.min() > 4 and y.max() < 59
    close((x < 26).astype(float), left / (left + right))
    close(x[x < 26], (4 + 25) / 2)
    close(x[x > 26], (27 + 59) / 2)
    close(y, (4 + 59) / 2)


def test_layouts_are_uniform_over_what_is_allowed():
    for name, columns in (
        ("train", set(range(20, 44)) - set(UNSEEN_WALLS)),
        ("probe_normal/val", set(range(20, 44))),
        ("probe_wall_other/val", set(UNSEEN_WALLS)),
    ):
        layouts = generated(name).layouts if name != "train" else sample_layouts(WORLD, 9000, _rng(), UNSEEN_WALLS)
        for values, support in ((layouts[:, 0], columns), (layouts[:, 1], set(range(10, 54)))):
            assert set(values.tolist()) == support
            for value in support:
                close((values == value).astype(float), 1 / len(support))
    with pytest.raises(ValueError, match="no wall column"):
        sample_layouts(WORLD, 3, _rng(), only=(37,), exclude=(37,))


def test_wall_runs_aim_at_the_wall_and_a_quarter_at_the_door():
    layouts = sample_layouts(WORLD, 8000, _rng())
    trajectories = run_into_wall(WORLD, layouts, 16, _rng())
    start = trajectories.locations[:, 0]
    ahead = layouts[:, 0] - start[:, 0]
    direction = trajectories.actions[:, :, 0]
    assert (np.abs(direction) == 1).all() and (trajectories.actions[:, :, 1] == 0).all()
    assert (direction == np.sign(ahead)[:, None]).all()
    assert np.abs(ahead).min() > 1 and np.abs(ahead).max() < 1 + 16 + 1e-5
    off_door = np.abs(start[:, 1] - layouts[:, 1])
    close((off_door <= 2).astype(float), 0.25)
    assert ((off_door <= 2) | (off_door >= 4)).all()
    assert (start > 4).all() and (start < 59).all()


def test_the_door_rate_is_the_share_that_heads_through_the_door():
    layouts = sample_layouts(WORLD, 3000, _rng())
    passed = [changes_room(explore(WORLD, layouts, 16, _rng(), rate)).mean() for rate in (0, 0.35, 1)]
    assert passed[0] < 0.04 and 0.29 < passed[1] < 0.36 and passed[2] > 0.8
    built = explore(WORLD, layouts, 16, _rng(), door_rate=1)
    free = built.locations[:, :1] + np.cumsum(built.actions, axis=1)
    in_door = (np.abs(free - layouts[:, None]) <= (1, 4)).all(-1).any(1)
    assert in_door.mean() > 0.95  # the rest had its start moved inside the borders


def test_the_expert_changes_rooms_at_its_speed_and_rests():
    trajectories = generated("probe_expert/val")
    assert changes_room(trajectories).all()
    norm = np.linalg.norm(trajectories.actions, axis=-1)
    assert norm.max() < 0.9 + 1e-6
    last = (norm > 0).sum(1)
    assert all((norm[i, n:] == 0).all() for i, n in enumerate(last))
    full = (np.abs(norm - 0.9) < 1e-5).sum(1)
    assert (last - full <= 3).all()  # a shorter step where each of the three legs ends


def test_rollouts_repeat_from_what_they_record():
    layouts = sample_layouts(WORLD, 2000, _rng())
    first = explore(WORLD, layouts, 30, _rng())
    again = rollout(WORLD, first.locations[:, 0], first.actions, layouts)
    np.testing.assert_array_equal(again.locations, first.locations)


def test_the_sets_are_what_they_were():
    """Trained weights and published figures rest on these very trajectories."""
    first = generate(WORLD, RECIPES["probe_normal/val"], "probe_normal/val", 0)
    np.testing.assert_array_equal(first.layouts[:3], FIRST_LAYOUTS)
    np.testing.assert_allclose(first.locations[:3, 0], FIRST_LOCATIONS, atol=1e-3)
    np.testing.assert_allclose(first.locations.mean((0, 1), dtype=np.float64), MEAN_LOCATION, atol=1e-4)


def _rng() -> np.random.Generator:
    return np.random.default_rng(11)


@pytest.mark.parametrize("settings", [{"size": 30}, {"door_half": 0}, {"wall_half": -1}])
def test_impossible_worlds_are_refused(settings):
    with pytest.raises(ValueError):
        World(**settings)
