"""Any map: what stops, what can be reached, how pictures are read, and that models walk there.

1. A move in a drawing is stopped where the boxes it was drawn from stop it, and in any drawing where its segment meets
   a side that stops or gets into a cell that is wall.
2. A picture of any kind is read right, or refused in one sentence.
3. What is not reachable is said. Models walk anywhere else.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium", reason="gymnasium is not installed")
Image = pytest.importorskip("PIL.Image", reason="pillow is not installed")

import tiny_jepa  # noqa: E402
from tiny_jepa.commands import plan as command  # noqa: E402
from tiny_jepa.commands.plan import MAPS  # noqa: E402
from tiny_jepa.errors import UserError  # noqa: E402
from tiny_jepa.planning import plan  # noqa: E402
from tiny_jepa.planning.episodes import run  # noqa: E402
from tiny_jepa.worlds.two_rooms import Geometry, render_layouts, step  # noqa: E402
from tiny_jepa.worlds.two_rooms.maps import MARGIN, Map, framed, read_picture  # noqa: E402
from tiny_jepa.worlds.two_rooms.plans import PLANS  # noqa: E402
from tiny_jepa.worlds.two_rooms.walls import Cells, inside  # noqa: E402

SHIPPED = sorted((Path(__file__).resolve().parent.parent / "examples" / "maps").glob("*.png"))
ROOM = np.zeros((40, 48), bool)
ROOM[:, 20:23] = True  # two rooms without a door


def noise(size, share, scale=1):
    drawn = np.random.default_rng(0).random((size // scale + 1, size // scale + 1)) < share
    return drawn.repeat(scale, axis=0).repeat(scale, axis=1)[:size, :size]


# the rule


@pytest.mark.parametrize("kind", PLANS)
def test_drawn_boxes_stop_what_boxes_stop(kind):
    world, rng = Geometry(), np.random.default_rng(0)
    walls = PLANS[kind](world, 60, rng)
    locations, actions = rng.uniform(4.01, 58.99, (60, 80, 2)), rng.normal(0, 2, (60, 80, 2))
    free = ~inside(walls[:, None], locations)
    expected = step(world, locations, actions, walls[:, None])
    found = Cells.of(render_layouts(world, walls)[:, None] > 0).step(locations, actions)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one[free], other[free])
    assert 0.05 < expected[1][free].mean() < 0.9


@pytest.mark.parametrize("drawn", [noise(60, 0.3), noise(60, 0.4, 3), np.eye(60, dtype=bool)])
def test_in_any_drawing_a_segment_stops_at_sides_and_walls_and_nowhere_else(drawn):
    cells, rng = Cells.of(framed(drawn)), np.random.default_rng(1)
    at = rng.uniform(5, 64, (4000, 2))
    start = at[~cells.wall[tuple(at.T[::-1].astype(int))]]
    actions = rng.normal(0, 1.5, start.shape)
    ends, blocked = cells.step(start, actions)
    way = start[:, None] + np.linspace(0, 1, 2001)[:, None] * actions[:, None]
    cell = np.floor(way).astype(int).clip(0, 68)
    met = cells.wall[cell[..., 1], cell[..., 0]].any(1)
    crossed, column = cell[:, 1:, 0] != cell[:, :-1, 0], np.maximum(cell[:, 1:, 0], cell[:, :-1, 0])
    met |= (crossed & cells.sides[cell[:, 1:, 1], column]).any(1)
    assert (met == blocked).mean() > 0.995 and 0.1 < blocked.mean() < 0.95  # a sample may miss a corner
    np.testing.assert_array_equal(ends, np.where(blocked[:, None], start, start + actions))


def test_a_diagonal_line_of_pixels_has_no_gap_and_parts_two_regions():
    regions = Cells.of(framed(np.eye(60, dtype=bool))).regions()
    labels, areas = np.unique(regions[regions >= 0], return_counts=True)
    assert len(labels) == 2 and areas.min() > 1600


# the environment


@pytest.mark.filterwarnings("ignore:.*symmetric and normalized.*")
@pytest.mark.parametrize("drawn", [np.zeros((64, 64)), noise(33, 0.1), np.zeros((512, 20), np.uint8)])
def test_passes_gymnasiums_checker(drawn):
    from gymnasium.utils.env_checker import check_env

    check_env(gymnasium.make("tiny_jepa/Map-v0", map=drawn, render_mode="rgb_array").unwrapped)


def test_many_at_once_start_and_end_where_a_way_leads_between_them():
    envs = gymnasium.make_vec("tiny_jepa/Map-v0", num_envs=30, map=ROOM)
    frames, info = envs.reset(seed=1)
    assert frames.shape == (30, 2, 58, 58) and info["walls"].shape == (30, 58, 58)
    sides = [info[name][:, 0] > MARGIN + 21 for name in ("location", "goal")]
    np.testing.assert_array_equal(*sides)
    np.testing.assert_array_equal(frames[:, 1] > 0, info["walls"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"start": (5, 5), "goal": (40, 5)}, r"no way leads from \(5.0, 5.0\) to \(40.0, 5.0\); from there, 46 % of"),
        ({"start": (21, 5)}, r"the place \(21.0, 5.0\) is inside a wall, or not between the borders, -1 and 48 px"),
        ({"start": "here"}, "two finite numbers"),
        ({"map": np.zeros(3)}, "must be an array"),
        ({"map": np.zeros((0, 4))}, "1 to 512 px a side, not 4 x 0"),
        ({"map": np.zeros((513, 4))}, "not 4 x 513; make it smaller"),
        ({"map": np.ones((9, 9))}, "all wall"),
        ({"map": [[0, 1], [0]]}, "must be an array"),
    ],
)
def test_what_cannot_be_is_said(options, says):
    with pytest.raises(UserError, match=says):
        Map(**{"map": ROOM} | options).reset(seed=0)


# pictures


GREY = np.where(ROOM, 0, 255).astype(np.uint8)


def rgba(colour, alpha):
    """The wall in this colour, this opaque, on nothing."""
    picture = np.zeros((*ROOM.shape, 4), np.uint8)
    picture[ROOM] = (*colour, alpha)
    return Image.fromarray(picture)


def palette(dtype="P", **transparency):
    picture = Image.fromarray(ROOM.astype(np.uint8), dtype)
    picture.putpalette([250, 240, 230, 40, 20, 10])
    picture.info |= transparency
    return picture


def png(picture, **options):
    file = io.BytesIO()
    picture.save(file, "PNG", **options)
    return file.getvalue()


def of_greys(array):
    return Image.fromarray(np.ascontiguousarray(array))


WHOLE = png(of_greys(GREY))
RIGHT = {
    "grey": of_greys(GREY),
    "soft greys": of_greys(GREY // 2 + 60),
    "black and white": of_greys(~ROOM),
    "16 bits": of_greys(np.where(ROOM, 9_000, 60_000).astype(np.uint16)),
    "palette": palette(),
    "palette, floor transparent": palette(transparency=0),
    "colour": Image.merge("RGB", [of_greys(GREY)] * 3),
    "dark red on yellow": of_greys(np.where(ROOM[..., None], [120, 0, 0], [255, 230, 0]).astype(np.uint8)),
    "opaque": Image.merge("RGBA", [*[of_greys(GREY)] * 3, of_greys(0 * GREY + 255)]),
    "black on nothing": rgba((0, 0, 0), 255),
    "half shades": rgba((90, 90, 90), 200),
    "grey with alpha": Image.merge("LA", [of_greys(0 * GREY), of_greys(255 - GREY)]),
}
INVERTED = {
    "light walls": of_greys(255 - GREY),
    "light walls, 16 bits": of_greys(np.where(ROOM, 60_000, 9_000).astype(np.uint16)),
    "white on nothing": rgba((255, 255, 255), 255),
}
OTHERS = {  # the picture, and what it is drawn like
    "all floor": (of_greys(0 * GREY + 255), 0 * ROOM),
    "see-through walls": (rgba((0, 0, 0), 90), 0 * ROOM),
    "one light pixel": (of_greys(GREY[:1, :1]), [[0]]),
    "a row": (of_greys(GREY[:1]), ROOM[:1]),
    "the largest": (Image.new("L", (512, 512), 255), np.zeros((512, 512))),
}
WRONG = {
    "nothing": (b"", "no PNG that can be read"),
    "text": (b"hello", "no PNG that can be read"),
    "half a file": (WHOLE[: len(WHOLE) // 2], "no PNG that can be read"),
    "a byte changed": (WHOLE[:45] + b"?" + WHOLE[46:], "no PNG that can be read"),
    "no header": (WHOLE[:20], "no PNG that can be read"),
    "a JPEG": (b"\xff\xd8\xff\xe0" + WHOLE, "no PNG that can be read"),
    "too wide": (png(Image.new("1", (513, 5), 1)), "513 x 5 px; make it at most 512 px a side"),
    "a bomb": (png(Image.new("1", (30_000, 30_000), 1)), "no PNG|at most 512 px"),
    "all wall": (png(Image.new("L", (20, 20))), "is all wall"),
    "one dark pixel": (png(Image.new("L", (1, 1))), "is all wall"),
    "one gap": (png(of_greys(np.where(np.arange(400).reshape(20, 20) == 210, 255, 0).astype(np.uint8))), "is all wall"),
}


@pytest.mark.parametrize("kind", [*RIGHT, *INVERTED, *OTHERS])
def test_a_picture_of_any_kind_is_read(kind, tmp_path):
    picture, drawn = OTHERS[kind] if kind in OTHERS else ((RIGHT | INVERTED)[kind], ROOM)
    (tmp_path / "map.png").write_bytes(png(picture))
    np.testing.assert_array_equal(read_picture(tmp_path / "map.png", kind in INVERTED), np.asarray(drawn, bool))


@pytest.mark.filterwarnings("ignore:.*decompression bomb.*")
@pytest.mark.parametrize("kind", WRONG)
def test_a_picture_that_is_none_is_refused_in_a_sentence(kind, tmp_path):
    content, says = WRONG[kind]
    (tmp_path / "map.png").write_bytes(content)
    with pytest.raises(UserError, match=says):
        command.main(["--map", str(tmp_path / "map.png")])


# walks


def test_the_command_walks_and_says_where_it_cannot(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / "map.png"
    of_greys(GREY).save(path)
    command.main(["--map", str(path), "--start", "5,5", "--goal", "12,30", "--record", str(tmp_path / "walk.gif")])
    said = capsys.readouterr().out
    assert "from (5.0, 5.0) to (12.0, 30.0), 26 px" in said and "there after 15 steps" in said
    assert Image.open(tmp_path / "walk.gif").n_frames > 15
    with pytest.raises(UserError, match="no way leads"):
        command.main(["--map", str(path), "--start", "5,5", "--goal", "40,5"])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_quarter_of_a_thousand_parameters_walk_through_every_map_that_ships(path):
    model = tiny_jepa.load_model("250")
    found = run(replace(MAPS, shortest=lambda start, *_: np.ones(len(start))), lambda *frames: plan(model, *frames), 3,
                450, {"map": read_picture(path)})  # fmt: skip
    assert found["last"]["1.5"][0] == 1.0 and found["cpu_plan"] < 2.0
