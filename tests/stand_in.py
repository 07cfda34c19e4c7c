"""A small stand-in for stable-worldmodel's TwoRoom: 32 px of RGB, a wall with a door in a room, a dot that slides along
what blocks it."""

import gymnasium
import numpy as np

SIZE, STEP = 32, 1.0


class StandIn(gymnasium.Env):
    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
    action_space = gymnasium.spaces.Box(-1, 1, (2,))
    observation_space = gymnasium.spaces.Box(0, SIZE, (2,))

    def __init__(self, render_mode="rgb_array", vary=False):
        self.render_mode, self.vary, self.door, self.half = render_mode, vary, 10, 2

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.uniform([4, 4], [11, 28])
        if self.vary:
            self.door, self.half = self.np_random.integers([4, 2], [28, 5])
        return self.place.astype(np.float32), {"state": self.place}

    def step(self, action):
        end = np.clip(self.place + STEP * np.clip(action, -1, 1), 4, SIZE - 5)
        near = 13.5 if self.place[0] < 15.5 else 17.5
        if (end[0] - near) * (15.5 - self.place[0]) > 0 and abs(end[1] - self.door) > self.half + 1:
            end[0] = near
        self.place = end
        return end.astype(np.float32), 0.0, False, False, {"state": end}

    def render(self):
        return draw(self.place, self.door, self.half)


def drawn(door=10, half=2):
    """Which pixels [32, 32] are wall, about a door of 2 `half` + 1 px at the row `door`."""
    walls = np.zeros((SIZE, SIZE), bool)
    walls[:, 15:17] = True
    walls[max(door - half, 0) : door + half + 1, 15:17] = False
    walls[[2, -3]], walls[:, [2, -3]] = True, True
    return walls


def draw(place, door=10, half=2, room=(255, 255, 255), wall=(0, 0, 0), dot=(255, 0, 0), solid=False):
    """A frame [32, 32, 3] uint8 with the dot at `place`, a blurred one or a disc."""
    frame = np.where(drawn(door, half)[..., None], wall, room)
    x, y = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    away = np.hypot(x - place[0], y - place[1])[..., None]
    blob = np.clip(2.5 - away, 0, 1) if solid else np.exp(-(away**2) / 4.5)
    return (frame * (1 - blob) + np.array(dot) * blob).astype(np.uint8)


class Expert:
    """Walks to the right."""

    def set_env(self, env):
        pass

    def get_action(self, info):
        return np.array([1.0, 0.0])


gymnasium.register("StandIn-v0", StandIn)
gymnasium.register("StandInDoors-v0", StandIn, kwargs={"vary": True})
