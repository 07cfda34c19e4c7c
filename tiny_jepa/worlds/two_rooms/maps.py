"""`tiny_jepa/Map-v0`: the same dot in any drawing, an array or a picture. Import this to register it:

import gymnasium, tiny_jepa.worlds.two_rooms.maps
env = gymnasium.make("tiny_jepa/Map-v0", map=array)  # [H, W]: what is not 0 stops a move
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import gymnasium
import numpy as np
from PIL import Image

from tiny_jepa.errors import UserError
from tiny_jepa.files import require_file
from tiny_jepa.options import read, settings
from tiny_jepa.worlds.contract import as_finite
from tiny_jepa.worlds.two_rooms.env import MAX_STEPS, Pair, Scene, TwoRooms
from tiny_jepa.worlds.two_rooms.render import render_agents
from tiny_jepa.worlds.two_rooms.sets import Length
from tiny_jepa.worlds.two_rooms.walls import Cells, Geometry

LARGEST, SMALLEST = 512, 31  # px: what is smaller has wall around it
MARGIN = Geometry.border + 1  # px from a frame's edge to the map


def framed(given: Any) -> np.ndarray:
    """A map [H, W], drawn where it is not 0 -> the layout [S, S] bool: a square with borders, what is missing wall."""
    drawn = as_finite(given, "a map").detach().cpu().numpy()
    if drawn.ndim != 2 or not 0 < min(drawn.shape) <= max(drawn.shape) <= LARGEST:
        raise UserError(f"a map must be an array [H, W] of 1 to {LARGEST} px a side, not {list(drawn.shape)}")
    side = max(*drawn.shape, SMALLEST)
    layout = np.zeros((side + 2 * MARGIN,) * 2, bool)
    layout[MARGIN - 1 : 1 - MARGIN, MARGIN - 1 : 1 - MARGIN] = True
    layout[MARGIN:-MARGIN, MARGIN:-MARGIN][tuple(map(slice, drawn.shape))] = drawn != 0
    for lines in (layout, layout.T):
        lines[MARGIN - 1] = lines[-MARGIN] = True
    if Cells.of(layout).wall.all():
        raise UserError("the map is all wall, and has no room for an agent; dark pixels are walls, or --invert them")
    return layout


def read_picture(path: Path, invert: bool = False) -> np.ndarray:
    """A PNG of any kind -> a map [H, W] bool, drawn where it is dark or, `invert`, light; what is more than half
    transparent is free."""
    require_file(path, "give the PNG of a map")
    with path.open("rb") as file:
        try:
            image = Image.open(file, formats=["PNG"])
            if max(image.size) > LARGEST:
                raise ValueError
            image.load()
        except Exception:  # of a broken file pillow raises whatever it likes
            raise UserError(f"{path} is no PNG of up to {LARGEST} px a side; save the drawing as one") from None
    if image.mode.startswith("I"):  # 16 bits
        return (np.asarray(image) < 2**15) != invert
    shown = np.asarray(image.convert("RGBA"))
    return ((shown[..., :3] @ [0.299, 0.587, 0.114] < 127.5) != invert) & (shown[..., 3] > 127)


@settings
class MapOptions:
    """Of the environment of any map; start and goal are drawn at random unless given."""

    map: Any  # [H, W], up to 512 px a side; what is not 0 is drawn
    start: Pair | None = None  # px of the map
    goal: Pair | None = None  # px of the map
    noise: Length = 0.0  # px; as in `Rooms`
    render_mode: Literal["rgb_array"] | None = None
    max_norm: Length | None = None  # px; as in `Options`


class Map(TwoRooms):
    """Any drawing. The map's pixel (0, 0) is the frame's (`MARGIN`, `MARGIN`); places that are given are those of the
    map. Start and goal lie anywhere that a way leads between. In `info`, `walls` are what is drawn [S, S] bool."""

    origin = MARGIN

    def __init__(self, **options: Any) -> None:
        self.options, self.plan = MapOptions(**options), True  # `info` has no layout of two rooms
        drawn = framed(self.options.map)
        self._open(len(drawn))
        self.layout, self.walls, self.cells = 255 * drawn[None].astype(np.uint8), drawn[None], Cells.of(drawn)
        self.regions = self.cells.regions()

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """`options`: the fields of `Scene`, without a layout."""
        gymnasium.Env.reset(self, seed=seed)
        scene = read(Scene, options or {}, "options of reset")
        if scene.layout is not None:
            raise UserError("the option layout is for two rooms, and this is a map")
        self.radius, free = scene.radius, self.regions[self.regions >= 0]
        given = [scene.location if scene.location is not None else self.options.start]
        given.append(scene.goal if scene.goal is not None else self.options.goal)
        fixed = [self._place(place + MARGIN, place) for place in given if place is not None]
        region = self._region(fixed[0]) if fixed else np.bincount(free).argmax()
        cells = np.argwhere(self.regions == region)[:, ::-1]
        drawn = cells[self.np_random.integers(len(cells), size=2)] + self.np_random.uniform(0.01, 0.99, (2, 2))
        self.location, self.goal = (
            at[None] if place is None else place + MARGIN for at, place in zip(drawn, given, strict=True)
        )
        if self._region(self.goal) != region:
            start, goal = (tuple((place[0] - MARGIN).tolist()) for place in (self.location, self.goal))
            share = f"{100 * len(cells) / len(free):.2g} % of the map's free area"
            raise UserError(f"no way leads from {start} to {goal}; from there, {share} can be reached")
        self.goal_frame = np.concatenate([render_agents(self.world, self.goal), self.layout])[None]
        return self._observe(blocked=False)

    def _move(self, move: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.cells.step(self.location, move)

    def _in_wall(self, place: np.ndarray) -> bool:
        return self._region(place) < 0

    def _region(self, place: np.ndarray) -> int:
        """The region of a place [1, 2]; -1 in walls. Between cells, where whole px lie, it is in any."""
        column, row = (place + 1e-6 * np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]])).astype(int).T
        return self.regions[row, column].max()


gymnasium.register(
    "tiny_jepa/Map-v0", entry_point="tiny_jepa.worlds.two_rooms.maps:Map", max_episode_steps=10 * MAX_STEPS
)
