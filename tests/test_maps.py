"""TwoRooms-v0 and Map-v0: the checker, the world's dynamics, any picture as a map, models that walk there."""

import io
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium", reason="gymnasium is not installed")
Image = pytest.importorskip("PIL.Image", reason="pillow is not installed")

import tiny_jepa  # noqa: E402
from tiny_jepa.commands import plan as command  # noqa: E402
from tiny_jepa.errors import UserError  # noqa: E402
from tiny_jepa.planning import plan  # noqa: E402
from tiny_jepa.planning.episodes import run  # noqa: E402
from tiny_jepa.worlds.two_rooms import UNSEEN_WALLS, Geometry, boxes_of, render_states, step  # noqa: E402
from tiny_jepa.worlds.two_rooms.env import TwoRooms  # noqa: E402
from tiny_jepa.worlds.two_rooms.maps import MARGIN, Map, framed, read_picture  # noqa: E402
from tiny_jepa.worlds.two_rooms.plans import PLANS  # noqa: E402
from tiny_jepa.worlds.two_rooms.walls import Cells, inside  # noqa: E402

SHIPPED = sorted((Path(__file__).resolve().parent.parent / "examples" / "maps").glob("*.png"))
ROOM = np.zeros((40, 48), bool)
ROOM[:, 20:23] = True  # two rooms without a door
GREY = np.where(ROOM, 0, 255).astype(np.uint8)
NOISE = np.random.default_rng(0).random((60, 60))
DIAGONAL = np.eye(60, dtype=bool)
MAPS = [{"map": drawn} for drawn in (np.zeros((64, 64)), NOISE < 0.1, np.zeros((512, 20), np.uint8))]


@pytest.mark.parametrize("drawn", [NOISE < 0.3, NOISE[:20, :20].repeat(3, 0).repeat(3, 1) < 0.4, DIAGONAL])
def test_in_any_drawing_a_segment_stops_at_sides_and_walls_and_nowhere_else(drawn):
    cells, rng = Cells.of(framed(drawn)), np.random.default_rng(1)
    at = rng.uniform(5, 64, (3000, 2))
    start = at[~cells.wall[tuple(at.T[::-1].astype(int))]]
    actions = rng.normal(0, 1.5, start.shape)
    ends, blocked = cells.step(start, actions)
    x, y = np.floor(start + np.linspace(0, 1, 1001)[:, None, None] * actions).astype(int).clip(0, 68).T
    met = cells.wall[y, x].any(1)
    met |= ((x[:, 1:] != x[:, :-1]) & cells.sides[y[:, 1:], np.maximum(x[:, 1:], x[:, :-1])]).any(1)
    assert (met == blocked).mean() > 0.99 and 0.03 < blocked.mean() < 0.95  # a sample may miss a corner
    np.testing.assert_array_equal(ends, np.where(blocked[:, None], start, start + actions))
    assert drawn is not DIAGONAL or len(np.unique(cells.regions())) == 3  # walls, and a region on either side


@pytest.mark.filterwarnings("ignore:.*symmetric and normalized.*")
@pytest.mark.parametrize("options", [{}, {"image_size": 65, "layouts": "unseen"}, {"layouts": "maze"}, *MAPS])
def test_passes_gymnasiums_checker(options):
    from gymnasium.utils.env_checker import check_env

    name = "tiny_jepa/Map-v0" if "map" in options else "TwoRooms-v0"
    check_env(gymnasium.make(name, render_mode="rgb_array", **options).unwrapped)


def test_many_at_once_start_and_end_where_a_way_leads_between_them():
    envs = gymnasium.make_vec("tiny_jepa/Map-v0", num_envs=30, map=ROOM)
    frames, info = envs.reset(seed=1)
    sides = [info[name][:, 0] > MARGIN + 21 for name in ("location", "goal")]
    np.testing.assert_array_equal(*sides)
    np.testing.assert_array_equal(frames[:, 1] > 0, info["walls"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"start": (5, 5), "goal": (40, 5)}, r"from \(5.0, 5.0\) to \(40.0, 5.0\); from there, 45 % of the map's free"),
        ({"start": (21, 5)}, r"the place \(21.0, 5.0\) is inside a wall, or not between the borders, -1 and 48 px"),
        ({"start": "here"}, "finite real numbers"),
        ({"map": [[0, 1], [0]]}, "a map must be finite real numbers"),
        ({"map": NOISE * np.nan}, "a map must be finite real numbers"),
        ({"map": np.zeros((0, 4))}, r"1 to 512 px a side, not \[0, 4\]"),
        ({"map": np.ones((9, 9))}, "all wall"),
    ],
)
def test_what_cannot_be_is_said(options, says):
    with pytest.raises(UserError, match=says):
        Map(**{"map": ROOM} | options).reset(seed=0)


def png(pixels, mode=None, **info):
    """A PNG of an array, or of a picture, in this mode."""
    picture, file = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels.copy()), io.BytesIO()
    (picture.convert(mode) if mode else picture).save(file, "PNG", **info)
    return file.getvalue()


def two(wall, floor, dtype=np.uint8):
    return png(np.where(ROOM[..., None], wall, floor).squeeze().astype(dtype))


WHOLE, NONE = png(GREY), "is no PNG of up to 512 px a side"
PICTURES = {  # bytes, and what they show, or what is said
    "grey": (WHOLE, ROOM),
    "black and white": (png(~ROOM), ROOM),
    "16 bits": (two([9_000], [60_000], np.uint16), ROOM),
    "palette, floor transparent": (png(0 * GREY + ROOM, "P", transparency=0), ROOM),
    "dark red on yellow": (two([120, 0, 0], [255, 230, 0]), ROOM),
    "black on nothing": (two([0, 0, 0, 255], [0, 0, 0, 0]), ROOM),
    "half shades": (two([90, 90, 90, 200], [90, 90, 90, 40]), ROOM),
    "see-through walls": (two([0, 0, 0, 90], [255, 255, 255, 255]), 0 * ROOM),
    "inverted": (png(255 - GREY), ROOM),
    "inverted, white on nothing": (two([255] * 4, [0] * 4), ROOM),
    "all floor": (png(0 * GREY + 255), 0 * ROOM),
    "a row": (png(GREY[:1]), ROOM[:1]),
    "the largest": (png(np.full((512, 512), 255, np.uint8)), np.zeros((512, 512))),
    "nothing": (b"", NONE),
    "half a file": (WHOLE[: len(WHOLE) // 2], NONE),
    "too wide": (png(np.ones((5, 513), bool)), NONE),
    "a bomb": (png(Image.new("1", (30_000, 30_000), 1)), NONE),
    "all wall": (png(0 * GREY), "is all wall"),
}


@pytest.mark.filterwarnings("ignore:.*decompression bomb.*")
@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_of_any_kind_is_read_or_refused_in_a_sentence(kind, tmp_path):
    content, wanted = PICTURES[kind]
    (tmp_path / "map.png").write_bytes(content)
    if isinstance(wanted, str):
        with pytest.raises(UserError, match=wanted):
            command.main(["--map", str(tmp_path / "map.png")])
    else:
        drawn = read_picture(tmp_path / "map.png", kind.startswith("inverted"))
        np.testing.assert_array_equal(drawn, np.asarray(wanted, bool))


def test_the_command_walks(tmp_path, capsys):
    (tmp_path / "map.png").write_bytes(WHOLE)
    command.main(["--map", str(tmp_path / "map.png"), "--start", "5,5", "--goal", "12,20"])
    said = capsys.readouterr().out
    assert "1.5 px | 100.0" in said and "median: 9 steps" in said


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_quarter_of_a_thousand_parameters_walk_through_every_map_that_ships(path):
    agent = partial(plan, tiny_jepa.load_model("250"))
    found = run(command.MAPS, agent, 2, 440 if path.stem == "spiral" else 150, {"map": read_picture(path)})
    assert found["last"]["1.5"][0] == 1.0 and found["cpu_plan"] < 2.0


def test_a_passage_one_node_wide_is_walked_through():
    """Between its nodes, costs have hollows in which an agent walked to and fro."""
    drawn = np.zeros((40, 40), bool)
    drawn[:, 14:26], drawn[18:21, 14:26] = True, False
    found = run(command.MAPS, partial(plan, tiny_jepa.load_model("250")), 25, 120, {"map": drawn})
    assert found["last"]["1.5"][0] == 1.0


SCENE = {"layout": (30, 32), "location": (25.0, 32.0), "goal": (36.0, 32.0)}


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


def test_the_world_does_without_gymnasium():
    code = "import sys; sys.modules['gymnasium'] = None; import tiny_jepa.data, tiny_jepa.commands.plan"
    assert not subprocess.run([sys.executable, "-c", code], check=False).returncode


@pytest.mark.parametrize("make", [TwoRooms, lambda: Map(map=ROOM)])
def test_an_environment_is_reset_first_and_by_names(make):
    for use in (lambda env: env.step([1, 1]), lambda env: env.unwrapped.location, lambda env: env.reset(options=[1])):
        with pytest.raises(UserError, match=r"has to be reset first|must be values by name"):
            use(make())
