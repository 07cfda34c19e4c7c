"""The page in headless Chromium, opened from disk: everything a visitor can do, by mouse, keyboard and touch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.browser import Browser, find_chromium
from benchmarks.parity import MENU
from tiny_jepa import load_model
from tiny_jepa.commands import page
from tiny_jepa.models import count_parameters

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium here; on Debian: apt-get install chromium"),
]
WALL, DOOR = 31, 40  # where the page puts them at first
DRAWN = "tinyJepa.session.world.drawn[{} + {} * tinyJepa.session.world.size] > 0"


class Visitor(Browser):
    """A browser with the page open, in px of the room."""

    def point(self, x: float, y: float) -> tuple[float, float]:
        """CSS px of a point of the room."""
        left, top, side, size = self.evaluate(
            "(({left, top, width}) => [left, top, width, tinyJepa.session.world.size])"
            "(document.getElementById('room').getBoundingClientRect())"
        )
        return left + (x + 0.5) / size * side, top + (y + 0.5) / size * side

    def drive(self, *points: tuple[float, float], hold: float = 0.1) -> None:
        """Presses at the first point, drags to the others, holds, lets go."""
        self.drag([self.point(*each) for each in points], hold)

    def arrive(self, x: float, y: float) -> None:
        """Waits until the true dot is within a px of a point."""
        self.wait(f"Math.hypot(tinyJepa.session.location[0] - {x}, tinyJepa.session.location[1] - {y}) < 1")

    def text(self, name: str) -> str:
        return self.evaluate(f"document.getElementById('{name}').textContent")

    def drop(self, content: str) -> None:
        """Drops a file on the page: JavaScript for what it holds."""
        self.evaluate(f"""(async () => {{
            const files = new DataTransfer();
            files.items.add(new File([await {content}], "map.png"));
            dispatchEvent(new DragEvent("drop", {{ dataTransfer: files }}));
        }})()""")

    def press(self, name: str) -> None:
        self.evaluate(f"document.getElementById('{name}').click()")

    def walk(self) -> None:
        """Waits until the model says that it is there."""
        self.wait("document.getElementById('status').textContent.startsWith('There')")

    def ask(self, what: str) -> Any:
        return self.evaluate(f"tinyJepa.session.{what}")


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("page") / "page.html"
    page.main(["--budget", "250", "--out", str(out)])
    return out


@pytest.fixture(scope="module")
def browser(path) -> Iterator[Visitor]:
    with Visitor() as visitor:
        yield visitor
        assert visitor.complaints == []
        assert visitor.evaluate("performance.getEntriesByType('resource').length") == 0


@pytest.fixture
def visitor(browser, path) -> Visitor:
    browser.open(path)
    return browser


def test_arrow_keys_drive_the_dot_into_the_wall_and_the_imagined_dot_stops_too(visitor):
    visitor.key("ArrowRight", hold=1.5)
    visitor.wait("tinyJepa.session.blocked")
    assert WALL - 3 < visitor.ask("location")[0] < WALL - 1
    assert visitor.ask("now.error") < 0.1 < 3 < visitor.ask("now.missed")
    assert visitor.text("status").startswith("Stopped")
    assert float(visitor.text("error")) < 0.1 and float(visitor.text("missed")) > 3


def test_the_mouse_drives_the_dot_through_the_door(visitor):
    for start, end in (((15, 20), (20, DOOR)), ((20, DOOR), (44, DOOR + 1))):
        visitor.drive(start, end, hold=1.2)
        visitor.arrive(*end)
    assert visitor.ask("now.error") < 0.1 and visitor.ask("steps") > 20


def test_a_wall_drawn_across_the_way_is_planned_around(visitor):
    visitor.press("clear")
    visitor.wait("location.hash === '#empty'")
    visitor.drive((52, 20))
    visitor.wait("tinyJepa.session.steps > 4")
    visitor.press("draw")
    visitor.drive((35, 5), (35, 40), (40, 40), hold=0)
    visitor.arrive(52, 20)
    assert visitor.ask("history.some(({location: [x, y]}) => x > 33 && y > 40)")
    visitor.press("wipe")
    visitor.drive((35, 15), (35, 25))
    assert visitor.evaluate(DRAWN.format(35, 12)) and not visitor.evaluate(DRAWN.format(35, 20))
    visitor.evaluate("history.back()")
    visitor.wait(DRAWN.format(35, 20))


def test_a_map_is_shared_by_its_address_and_one_that_is_none_is_said(visitor):
    visitor.press("draw")
    visitor.drive((10, 50), (25, 50))
    shared, drawn = visitor.evaluate("location.hash"), visitor.ask("world.drawn.join()")
    for name in visitor.evaluate("Object.keys(tinyJepa.data.maps)"):
        visitor.evaluate(f"location.hash = '{name}'")
        visitor.wait(f"document.getElementById('map').value === '{name}'")
        assert visitor.text("status").startswith("The model has looked") and visitor.ask("world.drawn.join()") != drawn
    visitor.evaluate(f"location.hash = '{shared}'")
    visitor.wait(f"tinyJepa.session.world.drawn.join() === '{drawn}'")
    visitor.evaluate("location.hash = 'nonsense'")
    visitor.wait("document.getElementById('status').textContent.startsWith('The address holds no map')")


@pytest.mark.parametrize("width, height, size", [(54, 54, 64), (100, 40, 110), (20, 20, 41), (300, 200, 138)])
def test_dark_pixels_of_a_dropped_picture_are_walls(visitor, width, height, size):
    visitor.drop(f"""(() => {{
        const canvas = new OffscreenCanvas({width}, {height});
        canvas.getContext("2d").fillRect(0, 0, {width} / 2, {height}); // black; all else is transparent
        return canvas.convertToBlob();
    }})()""")
    at = 5 + min(width, 128) // 2  # where the picture turns from dark to light
    visitor.wait(f"tinyJepa.session.world.size === {size} && {DRAWN.format(at - 6, 20)}")
    assert not visitor.evaluate(DRAWN.format(at + 1, 20)) and visitor.ask("location")[0] >= at - 1
    visitor.drop("'text'")
    visitor.wait("document.getElementById('status').textContent.startsWith('map.png is no picture')")


def test_everything_works_from_the_keyboard(visitor):
    visitor.key("ArrowDown", hold=0.3)
    steps = visitor.ask("steps")
    assert steps > 2
    for _ in range(3):
        visitor.key("ArrowRight", shift=True)
    assert visitor.ask("steps") == steps and visitor.text("status").startswith("Goal at 21")
    visitor.key("Enter")
    visitor.walk()
    visitor.key(" ")
    assert visitor.ask("steps") == 0
    visitor.key("p")
    visitor.walk()
    visitor.key("d")
    for name in ["ArrowRight"] * 6 + [" "] + ["ArrowDown"] * 3 + ["Enter"]:
        visitor.key(name)
    assert visitor.evaluate(DRAWN.format(38, 32)) and visitor.ask("location") == [37, 34]
    for name in ["w"] + ["ArrowUp"] * 3 + [" "]:
        visitor.key(name)
    assert not visitor.evaluate(DRAWN.format(38, 32)) and visitor.text("status") == "Brush at 37, 31: floor."
    visitor.key("Escape")
    visitor.key("ArrowDown", hold=0.3)
    assert visitor.ask("steps") > 2
    visitor.evaluate("document.getElementById('drive').focus()")
    for name in ("draw", "wipe", "map", "open", "share", "clear", "room", "look", "plan", "model", "frames"):
        visitor.key("Tab")
        assert visitor.evaluate("document.activeElement.id") == name


def test_every_control_has_a_name_for_screen_readers_and_a_switch_hides_dead_reckoning(visitor):
    tree = visitor.call("Accessibility.getFullAXTree")["nodes"]
    roles = {"application", "button", "combobox", "checkbox", "image"}
    assert {node["role"]["value"] for node in tree} > {*roles, "status"}
    assert all(node["name"]["value"] for node in tree if node["role"]["value"] in roles)
    shown = "getComputedStyle(document.getElementById('missed-gauge')).visibility"
    assert visitor.evaluate(shown) == "visible"
    visitor.press("reckoning")
    visitor.wait(f"{shown} === 'hidden'")


def test_the_menu_changes_the_model_and_the_frames(visitor):
    change = "Object.assign(document.getElementById('{}'), {{value: '{}'}}).dispatchEvent(new Event('change'))"
    for budget in MENU:
        visitor.evaluate(change.format("model", budget))
        assert visitor.text("count") == f"{count_parameters(load_model(budget)):,}"
    visitor.evaluate(change.format("frames", "float"))
    assert 0 < visitor.ask("frame().layout[260]") < 1
    visitor.key("ArrowRight", hold=1.5)
    assert visitor.ask("now.error") < 0.1 < visitor.ask("now.missed")


def test_a_finger_does_what_the_mouse_does_and_a_phone_shows_it_all(path):
    with Visitor(width=360, height=780, scale=2, touch=True, dark=True) as visitor:
        visitor.open(path, "#empty")
        visitor.drive((15, 20), (27, 20), hold=1.0)
        visitor.arrive(27, 20)
        visitor.drive((45, 30))
        visitor.walk()
        visitor.press("draw")
        visitor.drive((40, 45), (50, 45))
        assert visitor.evaluate(DRAWN.format(45, 45)) and not visitor.evaluate(DRAWN.format(31, 40))
        assert visitor.evaluate("document.documentElement.scrollWidth") <= 360
        assert visitor.evaluate("document.getElementById('room').getBoundingClientRect().bottom") < 780
        assert visitor.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 21, 26)"
        assert visitor.complaints == []
