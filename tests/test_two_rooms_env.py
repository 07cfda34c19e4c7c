"""TwoRooms-v0: gymnasium's own checker, its options, and the same dynamics as everywhere."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium", reason="gymnasium is not installed")

import tiny_jepa.worlds.two_rooms.env  # noqa: E402
from tiny_jepa.worlds.two_rooms import UNSEEN_WALLS, Geometry, boxes_of, render_states, step, walls_of  # noqa: E402
from tiny_jepa.worlds.two_rooms.plans import PLANS  # noqa: E402
from tiny_jepa.worlds.two_rooms.walls import inside  # noqa: E402


@pytest.mark.filterwarnings("ignore:.*symmetric and normalized.*")
@pytest.mark.parametrize(
    "options", [{}, {"image_size": 65, "layouts": "unseen"}, {"layouts": "all"}, {"layouts": "maze"}]
)
def test_passes_gymnasiums_checker(options):
    from gymnasium.utils.env_checker import check_env

    check_env(gymnasium.make("TwoRooms-v0", render_mode="rgb_array", **options).unwrapped)


@pytest.mark.parametrize("layouts", ["seen", "unseen"])
def test_layout_sets(layouts):
    env = gymnasium.make("TwoRooms-v0", layouts=layouts)
    walls = {int(env.reset(seed=seed)[1]["layout"][0]) for seed in range(60)}
    assert walls <= set(UNSEEN_WALLS) if layouts == "unseen" else not walls & set(UNSEEN_WALLS)


def test_steps_are_the_worlds():
    env = gymnasium.make("TwoRooms-v0")
    world = Geometry()
    env.action_space.seed(0)
    _, info = env.reset(seed=4)
    for _ in range(150):
        before, action = info["location"], env.action_space.sample()
        frame, _, terminated, truncated, info = env.step(action)
        expected, blocked = step(world, before[None], action[None].astype(np.float64), info["walls"][None])
        np.testing.assert_array_equal(info["location"], expected[0])
        assert info["blocked"] == blocked[0]
        np.testing.assert_array_equal(frame, render_states(world, expected[None], info["walls"][None])[0, 0])
        if terminated or truncated:
            break


def test_reaching_the_goal_ends_the_episode_with_reward_one():
    env = gymnasium.make("TwoRooms-v0")
    scene = {"layout": (30, 32), "location": (25.0, 32.0), "goal": (36.0, 32.0)}
    _, info = env.reset(seed=0, options=scene)
    np.testing.assert_array_equal(info["goal"], scene["goal"])
    rewards = []
    terminated = False
    while not terminated:
        _, reward, terminated, truncated, info = env.step(np.array([1.0, 0.0], np.float32))
        assert not truncated
        rewards.append(reward)
    assert rewards == [0.0] * 6 + [1.0]  # 11 px apart, there within 4.5 px


def test_start_and_goal_lie_in_different_rooms_and_seeds_repeat():
    env = gymnasium.make("TwoRooms-v0", layouts="all")
    for seed in range(20):
        frame, info = env.reset(seed=seed)
        assert (info["location"][0] > info["layout"][0]) != (info["goal"][0] > info["layout"][0])
        np.testing.assert_array_equal(frame, env.reset(seed=seed)[0])


def test_pictures_show_agent_goal_and_wall():
    env = gymnasium.make("TwoRooms-v0", render_mode="rgb_array")
    env.reset(seed=0, options={"layout": (30, 32), "location": (20.0, 20.0), "goal": (45.0, 45.0)})
    picture = env.render()
    assert picture.shape == (64, 64, 3) and picture.dtype == np.uint8
    colours = {tuple(picture[row, column]) for row, column in ((20, 20), (45, 45), (30, 10), (20, 30))}
    assert len(colours) == 4


@pytest.mark.parametrize("kind", PLANS)
def test_other_floor_plans_lead_from_end_to_end(kind):
    envs = gymnasium.make_vec("TwoRooms-v0", num_envs=8, layouts=kind, image_size=65)
    frames, info = envs.reset(seed=3)
    assert info["walls"].ndim == 3 and "layout" not in info
    maps, drawn = walls_of(frames[:, 1] > 0), walls_of(info["goal_frame"][:, 1] > 0)
    np.testing.assert_array_equal(maps, drawn)
    assert not inside(info["walls"], info["location"]).any() and not inside(info["walls"], info["goal"]).any()
    low, high = np.sort([info["location"][:, 0], info["goal"][:, 0]], axis=0)
    used = np.abs(info["walls"][:, :, 0]) < 65
    columns = np.where(used & (kind != "maze"), info["walls"][:, :, 0] + 1, 32)
    assert (low < columns.min(1)).all() and (high > columns.max(1)).all()
    if kind != "maze":  # some have one more wall, or door, than others
        assert len(set(used.sum(1) if kind == "rooms" else (info["walls"][:, :, 2] < 65).sum(1))) == 2
    else:  # opposite corners
        assert (np.abs(info["location"] - 32) > 14).all() and (np.abs(info["goal"] - 32) > 14).all()
        assert (np.abs(info["location"] - info["goal"]) > 28).all()
    before = info["location"]
    actions = np.full((8, 2), 1.5, np.float32)
    info = envs.step(actions)[-1]
    expected, _ = step(Geometry(size=65), before, actions.astype(float), info["walls"])
    np.testing.assert_array_equal(info["location"], expected)
    with pytest.raises(ValueError, match="layout is for two rooms"):
        tiny_jepa.worlds.two_rooms.env.TwoRooms(layouts=kind).reset(options={"layout": (30, 32)})


def test_goals_lie_in_the_room_where_the_agent_was_not_put():
    env = tiny_jepa.worlds.two_rooms.env.TwoRooms()
    for seed, x in enumerate([10.0, 50.0] * 10):
        _, info = env.reset(seed=seed, options={"layout": (30, 32), "location": (x, 20.0)})
        assert (info["goal"][0] > 30) == (x < 30)
        np.testing.assert_array_equal(info["walls"], boxes_of(Geometry(), np.array([[30, 32]]))[0])


def test_bad_options_are_named():
    maze = {"layouts": "maze", "start": "door"}
    for options, message in (
        ({"layouts": "new"}, "seen, unseen, rooms, doors, maze"),
        ({"render_mode": "human"}, "rgb_array"),
        (maze, "a maze has no door"),
    ):
        with pytest.raises(ValueError, match=message):
            tiny_jepa.worlds.two_rooms.env.TwoRooms(**options)


def test_the_world_does_without_gymnasium_which_the_environment_asks_for():
    code = (
        "import sys; sys.modules['gymnasium'] = None\n"
        "import tiny_jepa.worlds.two_rooms, tiny_jepa.data\n"
        "try: import tiny_jepa.worlds.two_rooms.env\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install gymnasium" in done.stdout


def test_goal_frame_norm_radius_and_noise():
    env = gymnasium.make("TwoRooms-v0", max_norm=1.0, goal_size=65)
    scene = {"layout": (30, 32), "location": (25.0, 32.0), "goal": (36.0, 32.0), "radius": 0.0}
    _, info = env.reset(seed=0, options=scene)
    goal = render_states(Geometry(size=65), info["goal"][None, None], info["walls"][None])[0, 0]
    np.testing.assert_array_equal(info["goal_frame"], goal)
    for _ in range(11):
        _, _, terminated, _, info = env.step(np.array([1.5, 0.0], np.float32))
        assert not terminated  # a radius of 0 ends nothing
    np.testing.assert_allclose(info["location"], scene["goal"])  # cut to 1 px a step
    disturbed = gymnasium.make("TwoRooms-v0", noise=0.2)
    disturbed.reset(seed=0, options={**scene, "location": (15.0, 32.0)})
    moves = [disturbed.step(np.zeros(2, np.float32))[4]["location"] for _ in range(150)]
    assert 0.15 < np.diff(moves, axis=0).std() < 0.25


def test_episodes_may_start_in_the_door():
    env = gymnasium.make("TwoRooms-v0", start="door")
    for seed in range(20):
        info = env.reset(seed=seed)[1]
        assert (np.abs(info["location"] - info["layout"]) <= (1, 4)).all()
    with pytest.raises(ValueError, match="room, door"):
        tiny_jepa.worlds.two_rooms.env.TwoRooms(start="window")


SCENES = [
    ({"layout": (3, 32)}, "layout must be .* 3 is no whole column from 20 to 43"),
    ({"layout": (-5, 30)}, "-5 is no whole column"),
    ({"layout": (30, 60)}, "60 is no whole row from 10 to 53"),
    ({"layout": (32.7, 30)}, "32.7 is no whole column"),
    ({"layout": "wall"}, "layout must be two finite numbers"),
    ({"layout": (30, 32, 1)}, "layout must be two finite numbers"),
    ({"layout": None}, "layout must be two finite numbers"),
    ({"location": (30, 20)}, "is inside a wall"),
    ({"location": (4, 20)}, "must be between the borders, 4 and 59 px"),
    ({"location": (500, 500)}, "must be between the borders"),
    ({"location": (float("nan"), 20)}, "location must be two finite numbers"),
    ({"location": {"x": 1}}, "location must be two finite numbers"),
    ({"goal": (500, 500)}, "goal must be between the borders"),
    ({"goal": (31, 50)}, "is inside a wall"),
    ({"goal": (10, float("inf"))}, "goal must be two finite numbers"),
    ({"gaol": (10, 10)}, "no option gaol; there are layout, location, goal"),
    ({3: 1}, "no option 3"),
    ([("layout", (30, 32))], "options must be a dictionary"),
]


@pytest.mark.parametrize(("options", "message"), SCENES)
def test_a_scene_that_cannot_be_is_refused(options, message):
    env = tiny_jepa.worlds.two_rooms.env.TwoRooms()
    if isinstance(options, dict) and set(options) & {"location", "goal"}:
        options = {"layout": (30, 32)} | options
    with pytest.raises(ValueError, match=message):
        env.reset(seed=0, options=options)


def test_places_in_the_door_are_places():
    env = tiny_jepa.worlds.two_rooms.env.TwoRooms()
    scene = {"layout": np.array([30, 32]), "location": [30, 36.0], "goal": np.array([[29.5, 28.5]])}
    np.testing.assert_array_equal(env.reset(options=scene)[1]["location"], [30, 36])


@pytest.mark.parametrize("size", [100_000, 61, 73, 64.0, "64", True, None])
def test_a_frame_has_room_for_every_wall(size):
    with pytest.raises(ValueError, match="image_size must be a whole number from 62 to 72"):
        tiny_jepa.worlds.two_rooms.env.TwoRooms(image_size=size)


def test_an_action_is_two_finite_numbers_after_a_reset():
    env = tiny_jepa.worlds.two_rooms.env.TwoRooms(render_mode="rgb_array")
    for call in (lambda: env.step(np.zeros(2)), env.render):
        with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
            call()
    _, info = env.reset(seed=0)
    for action in ([float("nan"), 0], [float("inf"), 0], [1, 2, 3], "north", None, [[1], [2, 3]]):
        with pytest.raises(ValueError, match="an action must be two finite numbers"):
            env.step(action)
    np.testing.assert_array_equal(env.step(np.zeros(2))[-1]["location"], info["location"])
