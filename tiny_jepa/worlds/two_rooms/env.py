"""`TwoRooms-v0`, a gymnasium environment over the one implementation of the dynamics. Import this to register it:

    import gymnasium, tiny_jepa.worlds.two_rooms.env
    env = gymnasium.make("TwoRooms-v0", image_size=65, layouts="unseen", render_mode="rgb_array")

Start and goal lie in different rooms, or at opposite ends of another floor plan. Reward 1 and the episode's end within
`GOAL_RADIUS` px of the goal, else 0. Thousands of agents at once need no environment: that is
`tiny_jepa.worlds.two_rooms.step`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

try:
    import gymnasium
except ImportError:
    raise ImportError("the environment needs gymnasium; install it with: pip install gymnasium") from None

from tiny_jepa.worlds.two_rooms.dynamics import step
from tiny_jepa.worlds.two_rooms.geometry import UNSEEN_WALLS, Geometry, sample_layouts
from tiny_jepa.worlds.two_rooms.plans import PLANS, far_ends
from tiny_jepa.worlds.two_rooms.render import render_states
from tiny_jepa.worlds.two_rooms.requests import read_layout, read_length, read_options, read_pair, read_place, read_side
from tiny_jepa.worlds.two_rooms.scene import COLOURS, paint
from tiny_jepa.worlds.two_rooms.walls import boxes_of, layouts_of

GOAL_RADIUS = 4.5  # px: this near is there
MAX_STEPS = 200
STARTS = ("room", "door")
LAYOUTS: dict[str, dict[str, Any]] = {"all": {}, "seen": {"exclude": UNSEEN_WALLS}, "unseen": {"only": UNSEEN_WALLS}}


class TwoRooms(gymnasium.Env):
    """Observation: the 2-channel uint8 frame [2, H, W]. Action: the move (x, y) in px, up to 1.8 an axis.

    `info` has the goal as a frame, `goal_frame`; location and goal (x, y) in px; `walls`, boxes [K, 4] of drawn pixels
    (x_low, x_high, y_low, y_high); for two rooms `layout` (wall column, door row); and whether the last move was
    `blocked`. `reset` takes the options `layout`, `location` and `goal` to set the scene by hand, and `radius`, px: how
    near to the goal an episode ends (0: never).
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - gymnasium's own form

    def __init__(
        self,
        image_size: int = 64,
        layouts: str = "seen",
        render_mode: str | None = None,
        max_norm: float | None = None,
        noise: float = 0.0,
        goal_size: int | None = None,
        start: str = "room",
    ) -> None:
        """
        Args:
            layouts: "seen" in training, "unseen" or "all"; or another floor plan: "rooms" (three or four in a row),
                "doors" (two or three in the wall), "maze".
            max_norm: px; longer actions are cut to this norm, instead of 1.8 an axis.
            noise: px; the standard deviation of what disturbs each move along each axis.
            goal_size: px; the side of `goal_frame`, if it is not that of the frames.
            start: where episodes begin: in a "room", or in the "door" between the wall's faces.

        Raises:
            ValueError: an unknown layout set, start or render mode, or an image in which a wall has no place.
        """
        if layouts not in (*LAYOUTS, *PLANS):
            raise ValueError(f"layouts must be one of {', '.join((*LAYOUTS, *PLANS))}, not '{layouts}'")
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode must be None or 'rgb_array', not '{render_mode}'")
        if start not in STARTS:
            raise ValueError(f"start must be one of {', '.join(STARTS)}, not '{start}'")
        if layouts == "maze" and start == "door":
            raise ValueError("a maze has no door to start in")
        self.world, self.layouts, self.render_mode = Geometry(read_side("image_size", image_size)), layouts, render_mode
        self.max_norm = None if max_norm is None else read_length("max_norm", max_norm)
        self.noise, self.start = read_length("noise", noise), start
        self.goal_world = Geometry(image_size if goal_size is None else read_side("goal_size", goal_size))
        self.observation_space = gymnasium.spaces.Box(0, 255, (2, image_size, image_size), np.uint8)
        self.action_space = gymnasium.spaces.Box(-1.8, 1.8, (2,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """
        Raises:
            ValueError: an unknown option, or a scene that cannot be.
        """
        super().reset(seed=seed)
        options = read_options(options)
        rng = self.np_random
        if self.layouts in PLANS and "layout" in options:
            raise ValueError(f"the option layout is for two rooms, not for layouts='{self.layouts}'")
        if self.layouts in PLANS:
            self.walls = PLANS[self.layouts](self.world, 1, rng)  # [1, K, 4]
        elif "layout" in options:
            self.walls = boxes_of(self.world, read_layout(self.world, options["layout"]))
        else:
            self.walls = boxes_of(self.world, sample_layouts(self.world, 1, rng, **LAYOUTS[self.layouts]))
        here, there = rng.permutation(far_ends(self.world, self.walls[0], self.layouts == "maze", rng))
        self.location = rng.uniform(here[0], here[1], (1, 2))
        if self.start == "door":
            half = np.array([self.world.wall_half, self.world.door_half])
            self.location = layouts_of(self.walls) + rng.uniform(-half, half, (1, 2))
        if "location" in options:
            self.location = read_place(self.world, self.walls, "location", options["location"])
            if (there[0] <= self.location).all() and (self.location <= there[1]).all():
                there = here
        self.goal = rng.uniform(there[0], there[1], (1, 2))
        if "goal" in options:
            self.goal = read_place(self.world, self.walls, "goal", options["goal"])
        self.radius = read_length("radius", options.get("radius", GOAL_RADIUS))
        self.goal_frame = render_states(self.goal_world, self.goal[None], self.walls)[0, 0]
        return self._observe(), self._info(blocked=False)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self._require_reset()
        move = read_pair("an action", action)
        if self.max_norm is None:
            move = np.clip(move, -1.8, 1.8)
        else:
            move = move * min(1.0, self.max_norm / max(float(np.linalg.norm(move)), 1e-9))
        if self.noise:
            move = move + self.np_random.normal(0.0, self.noise, (1, 2))
        self.location, blocked = step(self.world, self.location, move, self.walls)
        there = bool(np.linalg.norm(self.location - self.goal) < self.radius)
        return self._observe(), float(there), there, False, self._info(blocked=bool(blocked[0]))

    def render(self) -> np.ndarray | None:
        """The scene in colour [H, W, 3] uint8, the goal as a dot of its own."""
        if self.render_mode is None:
            return None
        self._require_reset()
        picture = paint(self._observe()[1]).astype(np.float64)
        for name, where in (("goal", self.goal), ("agent", self.location)):
            weight = render_states(self.world, where[None], self.walls)[0, 0, 0][..., None] / 255
            picture += weight * (np.asarray(COLOURS[name]) - picture)
        return np.rint(picture).astype(np.uint8)

    def _require_reset(self) -> None:
        if not hasattr(self, "goal"):
            raise gymnasium.error.ResetNeeded("call reset() before step() and render()")

    def _observe(self) -> np.ndarray:
        return render_states(self.world, self.location[None], self.walls)[0, 0]

    def _info(self, blocked: bool) -> dict[str, Any]:
        scene = {"location": self.location, "goal": self.goal, "walls": self.walls, "goal_frame": self.goal_frame[None]}
        if self.layouts in LAYOUTS:
            scene["layout"] = layouts_of(self.walls)
        return {"blocked": blocked} | {name: array[0].copy() for name, array in scene.items()}


gymnasium.register("TwoRooms-v0", entry_point="tiny_jepa.worlds.two_rooms.env:TwoRooms", max_episode_steps=MAX_STEPS)
