"""TwoRooms-v0: gymnasium's own checker, its options, and the same dynamics as everywhere."""

import subprocess
import sys

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium", reason="gymnasium is not installed")

from tiny_jepa.errors import UserError  # noqa: E402
from tiny_jepa.worlds.two_rooms import UNSEEN_WALLS, Geometry, boxes_of, render_states, step  # noqa: E402
from tiny_jepa.worlds.two_rooms.env import TwoRooms  # noqa: E402
from tiny_jepa.worlds.two_rooms.plans import PLANS  # noqa: E402
from tiny_jepa.worlds.two_rooms.walls import inside  # noqa: E402

SCENE = {"layout": (30, 32), "location": (25.0, 32.0), "goal": (36.0, 32.0)}


@pytest.mark.filterwarnings("ignore:.*symmetric and normalized.*")
@pytest.mark.parametrize("options", [{}, {"image_size": 65, "layouts": "unseen"}, {"layouts": "maze"}])
def test_passes_gymnasiums_checker(options):
    from gymnasium.utils.env_checker import check_env

    check_env(gymnasium.make("TwoRooms-v0", render_mode="rgb_array", **options).unwrapped)


def test_episodes_lead_to_the_other_room_and_repeat_by_seed():
    for layouts, allowed in (("seen", set(range(20, 44)) - set(UNSEEN_WALLS)), ("unseen", set(UNSEEN_WALLS))):
        env = gymnasium.make("TwoRooms-v0", layouts=layouts)
        for seed in range(40):
            options = {"location": (10.0 if seed % 4 else 50.0, 20.0)} if seed % 2 else None
            frame, info = env.reset(seed=seed, options=options)
            assert int(info["layout"][0]) in allowed
            np.testing.assert_array_equal(info["walls"], boxes_of(Geometry(), info["layout"][None])[0])
            assert (info["location"][0] > info["layout"][0]) != (info["goal"][0] > info["layout"][0])
            np.testing.assert_array_equal(frame, env.reset(seed=seed, options=options)[0])


def test_steps_are_the_worlds():
    env, world = gymnasium.make("TwoRooms-v0"), Geometry()
    env.action_space.seed(0)
    _, info = env.reset(seed=4)
    terminated = truncated = False
    while not (terminated or truncated):
        before, action = info["location"], env.action_space.sample()
        frame, _, terminated, truncated, info = env.step(action)
        expected, blocked = step(world, before[None], action[None].astype(np.float64), info["walls"][None])
        np.testing.assert_array_equal(info["location"], expected[0])
        assert info["blocked"] == blocked[0]
        np.testing.assert_array_equal(frame, render_states(world, expected[None], info["walls"][None])[0, 0])


def test_reaching_the_goal_ends_the_episode_with_reward_one():
    env = gymnasium.make("TwoRooms-v0")
    _, info = env.reset(seed=0, options=SCENE)
    np.testing.assert_array_equal(info["goal"], SCENE["goal"])
    steps = [env.step(np.array([1.0, 0.0], np.float32))[1:4] for _ in range(7)]
    assert steps == [(0.0, False, False)] * 6 + [(1.0, True, False)]  # 11 px apart, there within 4.5 px


def test_pictures_show_agent_goal_and_wall():
    env = gymnasium.make("TwoRooms-v0", render_mode="rgb_array")
    env.reset(seed=0, options=SCENE | {"location": (20.0, 20.0), "goal": (45.0, 45.0)})
    picture = env.render()
    assert picture.shape == (64, 64, 3) and picture.dtype == np.uint8
    assert len({tuple(picture[row, column]) for row, column in ((20, 20), (45, 45), (30, 10), (20, 30))}) == 4


@pytest.mark.parametrize("kind", PLANS)
def test_other_floor_plans_lead_from_end_to_end(kind):
    envs = gymnasium.make_vec("TwoRooms-v0", num_envs=8, layouts=kind, image_size=65)
    frames, info = envs.reset(seed=3)
    assert info["walls"].ndim == 3 and "layout" not in info
    np.testing.assert_array_equal(frames[:, 1], info["goal_frame"][:, 1])
    assert not inside(info["walls"], info["location"]).any() and not inside(info["walls"], info["goal"]).any()
    low, high = np.sort([info["location"][:, 0], info["goal"][:, 0]], axis=0)
    used = np.abs(info["walls"][:, :, 0]) < 65
    columns = np.where(used & (kind != "maze"), info["walls"][:, :, 0] + 1, 32)
    assert (low < columns.min(1)).all() and (high > columns.max(1)).all()
    if kind == "maze":  # opposite corners
        assert (np.abs(info["location"] - 32) > 14).all() and (np.abs(info["goal"] - 32) > 14).all()
        assert (np.abs(info["location"] - info["goal"]) > 28).all()


def test_goal_frame_norm_radius_and_noise():
    env = gymnasium.make("TwoRooms-v0", max_norm=1.0, goal_size=65)
    _, info = env.reset(seed=0, options=SCENE | {"radius": 0.0})
    goal = render_states(Geometry(size=65), info["goal"][None, None], info["walls"][None])[0, 0]
    np.testing.assert_array_equal(info["goal_frame"], goal)
    for _ in range(11):
        _, _, terminated, _, info = env.step(np.array([1.5, 0.0], np.float32))
        assert not terminated  # a radius of 0 ends nothing
    np.testing.assert_allclose(info["location"], SCENE["goal"])  # cut to 1 px a step
    disturbed = gymnasium.make("TwoRooms-v0", noise=0.2)
    disturbed.reset(seed=0, options=SCENE | {"location": (15.0, 32.0)})
    moves = [disturbed.step(np.zeros(2, np.float32))[4]["location"] for _ in range(150)]
    assert 0.15 < np.diff(moves, axis=0).std() < 0.25


def test_episodes_may_start_in_the_door():
    env = gymnasium.make("TwoRooms-v0", start="door")
    for seed in range(20):
        info = env.reset(seed=seed)[1]
        assert (np.abs(info["location"] - info["layout"]) <= (1, 4)).all()
    scene = {"layout": np.array([30, 32]), "location": [30, 36.0], "goal": np.array([[29.5, 28.5]])}  # in any form
    np.testing.assert_array_equal(env.reset(options=scene)[1]["location"], [30, 36])


@pytest.mark.parametrize(
    ("options", "scene", "message"),
    [
        ({"layouts": "maze", "start": "door"}, {}, "a maze has no door"),
        ({"layouts": "maze"}, {}, "layout is for two rooms"),
        ({}, {"layout": (3, 32)}, r"a wall column from 20 to 43 and a door row from 10 to 53, not \(3.0, 32.0\)"),
        ({}, {"layout": (30, 32, 1)}, "must be two numbers"),
        ({}, {"location": (30, 20)}, "is inside a wall"),
        ({}, {"location": (4, 20)}, "not between the borders, 4 and 59 px"),
        ({}, {"location": (float("nan"), 20)}, "must be finite real numbers"),
        ({}, {"gaol": (10, 10)}, "options of reset: unknown key 'gaol'"),
    ],
)
def test_what_cannot_be_is_refused(options, scene, message):
    with pytest.raises(UserError, match=message):
        TwoRooms(**options).reset(seed=0, options={"layout": (30, 32)} | scene)


@pytest.mark.parametrize("action", [[float("inf"), 0], [1, 2, 3], "north", None, [[1], [2, 3]], [10**400, 0], [1j, 0]])
def test_an_action_is_two_finite_numbers(action):
    env = TwoRooms()
    env.reset(seed=0)
    with pytest.raises(UserError, match=r"an action must be (two|finite real) numbers"):
        env.step(action)


def test_the_world_does_without_gymnasium_which_the_environment_asks_for():
    code = "import sys; sys.modules['gymnasium'] = None; import tiny_jepa.data, tiny_jepa.worlds.two_rooms.env"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ImportError: the environment needs" in done.stderr and "pip install gymnasium" in done.stderr
