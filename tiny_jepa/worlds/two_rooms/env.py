"""`TwoRooms-v0`, a gymnasium environment over the one implementation of the dynamics. Import this to register it:

    import gymnasium, tiny_jepa.worlds.two_rooms.env
    env = gymnasium.make("TwoRooms-v0", image_size=65, layouts="unseen", render_mode="rgb_array")

Thousands of agents at once need no environment: that is `tiny_jepa.worlds.two_rooms.step`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import gymnasium
import numpy as np
import torch
from pydantic import AfterValidator

from tiny_jepa.errors import UserError
from tiny_jepa.options import read, settings
from tiny_jepa.worlds.contract import as_finite
from tiny_jepa.worlds.two_rooms.plans import PLANS, far_ends
from tiny_jepa.worlds.two_rooms.render import render_agents, render_layouts
from tiny_jepa.worlds.two_rooms.sets import Length, Rooms
from tiny_jepa.worlds.two_rooms.walls import Geometry, boxes_of, inside, layouts_of, sample_layouts, step

COLOURS = {"floor": (247, 247, 244), "wall": (59, 66, 82), "goal": (46, 139, 87), "agent": (208, 72, 40)}
GOAL_RADIUS = 4.5  # px: this near is there
MAX_STEPS = 200
LONGEST = 1.8  # px along each axis, of an action


def pair(value: Any, what: str) -> np.ndarray:
    """Two finite numbers (x, y), in any form -> [1, 2]."""
    found = np.array(as_finite(value, what, torch.float64).tolist(), float)
    if found.size != 2:
        raise UserError(f"{what} must be two numbers (x, y), not {str(value)[:80]}")
    return found.reshape(1, 2)


Pair = Annotated[Any, AfterValidator(lambda value, info: pair(value, info.field_name))]


@settings
class Options(Rooms):
    render_mode: Literal["rgb_array"] | None = None
    max_norm: Length | None = None  # px: longer actions are cut to this norm, instead of `LONGEST` along each axis


@settings
class Scene:
    """Options of `reset`, to set the scene by hand."""

    layout: Pair | None = None  # wall column, door row
    location: Pair | None = None  # px
    goal: Pair | None = None  # px
    radius: Length = GOAL_RADIUS  # px: how near to the goal an episode ends; 0: never


class TwoRooms(gymnasium.Env):
    """Observation: the 2-channel uint8 frame [2, H, W]. Action: the move (x, y) in px. Start and goal lie in different
    rooms, or at opposite ends of another floor plan. Reward 1 and the episode's end near the goal, else 0.

    `info` has the goal as a frame, `goal_frame`; location and goal (x, y) in px; `walls`, boxes [K, 4] of drawn pixels
    (x_low, x_high, y_low, y_high); for two rooms `layout` (wall column, door row); and whether the last move was
    `blocked`. What cannot be is a `UserError`.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - gymnasium's own form
    origin = 0  # px: where in the frame the places lie that users give

    def __init__(self, **options: Any) -> None:
        self.options: Any = Options(**options)
        self.plan: Any = PLANS.get(self.options.layouts)
        if self.options.layouts == "maze" and self.options.start == "door":
            raise UserError("a maze has no door to start in")
        self.goal_world = Geometry(size=self.options.goal_size or self.options.image_size)
        self._open(self.options.image_size)

    def __getattr__(self, name: str) -> Any:
        if name in ("location", "goal", "layout"):
            raise UserError("the environment has to be reset first")
        raise AttributeError(name)

    def _open(self, side: int) -> None:
        self.render_mode, self.world = self.options.render_mode, Geometry(size=side)
        self.observation_space = gymnasium.spaces.Box(0, 255, (2, side, side), np.uint8)
        self.action_space = gymnasium.spaces.Box(-LONGEST, LONGEST, (2,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """`options`: the fields of `Scene`."""
        super().reset(seed=seed)
        scene, rng = read(Scene, options or {}, "options of reset"), self.np_random
        layout, columns, rows = scene.layout, self.world.wall_columns, self.world.door_rows
        if layout is not None and (self.plan or layout[0, 0] not in columns or layout[0, 1] not in rows):
            raise UserError(
                f"the option layout is for two rooms, a wall column from {columns[0]} to {columns[-1]} and a door row "
                f"from {rows[0]} to {rows[-1]}, not {tuple(layout[0].tolist())} for layouts={self.options.layouts!r}"
            )
        if layout is None and not self.plan:
            layout = sample_layouts(self.world, 1, rng, (self.world.columns(self.options.layouts), rows))
        self.radius = scene.radius
        self.walls = self.plan(self.world, 1, rng) if self.plan else boxes_of(self.world, np.asarray(layout, np.int64))
        here, there = rng.permutation(far_ends(self.world, self.walls[0], self.options.layouts == "maze", rng))
        location = rng.uniform(here[0], here[1], (1, 2))
        if self.options.start == "door":
            half = np.array([self.world.wall_half, self.world.door_half])
            location = layouts_of(self.walls) + rng.uniform(-half, half, (1, 2))
        self.location = self._place(scene.location, location)
        if ((there[0] <= self.location) & (self.location <= there[1])).all():
            there = here
        self.goal = self._place(scene.goal, rng.uniform(there[0], there[1], (1, 2)))
        self.layout, shown = (render_layouts(world, self.walls) for world in (self.world, self.goal_world))
        self.goal_frame = np.stack([render_agents(self.goal_world, self.goal), shown], axis=1)
        return self._observe(blocked=False)

    def _place(self, asked: np.ndarray | None, drawn: np.ndarray) -> np.ndarray:
        """A place [1, 2] px: the one asked for, where an agent can be there."""
        if asked is None:
            return drawn
        low, high = self.world.border, self.world.far_border
        if (asked <= low).any() or (asked >= high).any() or self._in_wall(asked):
            low, high, place = low - self.origin, high - self.origin, tuple((asked[0] - self.origin).tolist())
            raise UserError(f"the place {place} is inside a wall, or not between the borders, {low} and {high} px")
        return asked

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        move, longest = pair(action, "an action"), self.options.max_norm
        if longest is None:
            move = np.clip(move, -LONGEST, LONGEST)
        else:
            move = move * min(1.0, longest / max(float(np.linalg.norm(move)), 1e-9))
        if self.options.noise:
            move = move + self.np_random.normal(0.0, self.options.noise, (1, 2))
        self.location, blocked = self._move(move)
        there = bool(np.linalg.norm(self.location - self.goal) < self.radius)
        frame, info = self._observe(blocked=bool(blocked[0]))
        return frame, float(there), there, False, info

    def _in_wall(self, place: np.ndarray) -> bool:
        return inside(self.walls, place)[0]

    def _move(self, move: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return step(self.world, self.location, move, self.walls)

    def render(self) -> np.ndarray | None:
        """The scene in colour [H, W, 3] uint8, the goal as a dot of its own."""
        if self.render_mode is None:
            return None
        picture = np.where(self.layout[0, ..., None] > 0, COLOURS["wall"], COLOURS["floor"]).astype(np.float64)
        for name, at in (("goal", self.goal), ("agent", self.location)):
            picture += render_agents(self.world, at)[0, ..., None] / 255 * (np.asarray(COLOURS[name]) - picture)
        return np.rint(picture).astype(np.uint8)

    def _observe(self, blocked: bool) -> tuple[np.ndarray, dict[str, Any]]:
        scene = {"location": self.location, "goal": self.goal, "walls": self.walls, "goal_frame": self.goal_frame}
        if not self.plan:
            scene["layout"] = layouts_of(self.walls)
        info = {"blocked": blocked} | {name: array[0].copy() for name, array in scene.items()}
        return np.concatenate([render_agents(self.world, self.location), self.layout]), info


gymnasium.register("TwoRooms-v0", entry_point="tiny_jepa.worlds.two_rooms.env:TwoRooms", max_episode_steps=MAX_STEPS)
