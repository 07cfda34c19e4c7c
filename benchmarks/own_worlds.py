"""Eight worlds that nobody tuned for: do they train with every seed, all settings as they are by default?

Of each world: trajectories of random actions, trainings of several seeds, each by one command, and then how far the
codes of 500 frames are from where the agent is, and how many of 100 random goals are reached: the agent within a
sixteenth of the frame's side, at the last step. What is done is kept, and not done again.
"""

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import torch

from benchmarks.shared import run, write_table
from tiny_jepa.files import write_text
from tiny_jepa.planning import plan
from tiny_jepa.tables import markdown
from tiny_jepa.weights import read_weights
from tiny_jepa.worlds.contract import Actions
from tiny_jepa.worlds.pixels import pixel_world

PALETTES = {  # room, wall, agent
    "white": ((255, 255, 255), (0, 0, 0), (255, 0, 0)),
    "dark": ((15, 15, 40), (90, 90, 110), (255, 230, 80)),
    "park": ((120, 180, 90), (90, 60, 40), (40, 60, 220)),
}
DOTS = 2.0
"""Of the dot: how many standard deviations fit into the distance at which it is stopped by a wall."""


class OwnWorld(gymnasium.Env):
    """A dot in a room with walls. It is stopped where it touches one: it stays, or slides along."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    action_space = gymnasium.spaces.Box(-1, 1, (2,))

    def __init__(self, side, speed, palette, slides, plan, render_mode="rgb_array"):
        self.side, self.speed, self.slides, self.render_mode = side, speed, slides, render_mode
        self.palette = [np.array(colour, float) for colour in PALETTES[palette]]
        self.observation_space = gymnasium.spaces.Box(0, side, (2,))
        self.radius = max(1.5, side / 32)
        self.boxes = np.array([*borders(side), *PLANS[plan](side)], float)  # [K, 4] x_low, x_high, y_low, y_high
        self.background = self.draw()

    def draw(self):
        """Walls in the room [S, S, 3], edges on whole pixels."""
        centres = np.arange(self.side)
        frame = np.tile(self.palette[0], (self.side, self.side, 1))
        for x_low, x_high, y_low, y_high in self.boxes:
            rows, columns = ((low <= centres) & (centres <= high) for low, high in ((y_low, y_high), (x_low, x_high)))
            frame[np.ix_(rows, columns)] = self.palette[1]
        return frame

    def free(self, places):
        """places [..., 2] px -> whether all are clear of walls."""
        low, high = self.boxes[:, ::2] - self.radius, self.boxes[:, 1::2] + self.radius
        at = np.asarray(places)[..., None, :]
        return not ((low < at) & (at < high)).all(-1).any()

    def passes(self, start, end):
        parts = max(2, int(np.ceil(np.abs(end - start).max() / 0.1)) + 1)
        return self.free(start + np.linspace(0, 1, parts)[:, None] * (end - start))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = None
        while self.place is None or not self.free(self.place):
            self.place = self.np_random.uniform(0, self.side - 1, 2)
        return self.place.astype(np.float32), {"state": self.place}

    def step(self, action):
        move = self.speed * np.clip(np.asarray(action, float), -1, 1)
        for each in [move * (1, 0), move * (0, 1)] if self.slides else [move]:
            if self.passes(self.place, self.place + each):
                self.place = self.place + each
        return self.place.astype(np.float32), 0.0, False, False, {"state": self.place}

    def render(self):
        x, y = np.meshgrid(np.arange(self.side), np.arange(self.side))
        square = ((x - self.place[0]) ** 2 + (y - self.place[1]) ** 2) / (2 * (self.radius / DOTS * 1.3) ** 2)
        dot = np.exp(-square)[..., None]
        return (self.background * (1 - dot) + self.palette[2] * dot).astype(np.uint8)


def borders(side):
    last = side - 1
    return [(-9, 1, -9, 999), (last - 1, 999, -9, 999), (-9, 999, -9, 1), (-9, 999, last - 1, 999)]


def thick(side):
    return max(1, side // 24)


def upright(side, x, doors):
    """A wall at column x with doors (centre, half) px."""
    edges = [-9, *(edge for centre, half in doors for edge in (centre - half, centre + half)), 999]
    return [
        (x - thick(side) // 2, x - thick(side) // 2 + thick(side) - 1, edges[i], edges[i + 1])
        for i in range(0, len(edges), 2)
    ]


def one_wall(side):
    return upright(side, side // 2, [(side * 0.3, side * 0.14)])


def two_doors(side):
    return upright(side, round(side * 0.45), [(side * 0.28, side * 0.12), (side * 0.75, side * 0.12)])


def blocks(side):
    s = side / 32
    return [
        tuple(np.round(np.array(b) * s)) for b in ((7, 12, 8, 11), (18, 24, 6, 12), (9, 11, 18, 26), (17, 25, 19, 22))
    ]


def maze(side):
    """A spiral-like maze of 4 x 4 cells."""
    t, q = thick(side), side / 4

    def h(row, a, b):
        return (round(a * q), round(b * q), round(row * q) - t // 2, round(row * q) - t // 2 + t - 1)

    def v(col, a, b):
        return (round(col * q) - t // 2, round(col * q) - t // 2 + t - 1, round(a * q), round(b * q))

    return [v(1, 0, 3), h(3, 1, 3), v(3, 1, 3), h(1, 2, 3), v(2, 1, 2), h(2, 2, 2.5)]


PLANS = {"wall": one_wall, "doors": two_doors, "blocks": blocks, "maze": maze}
SCENES = {
    "wall32": (32, 0.7, "white", True, "wall"),
    "doors32": (32, 1.0, "dark", False, "doors"),
    "blocks48": (48, 3.0, "park", True, "blocks"),
    "maze64": (64, 1.0, "white", False, "maze"),
    "blocks64": (64, 3.0, "dark", False, "blocks"),
    "wall96": (96, 3.0, "park", False, "wall"),
    "doors128": (128, 5.0, "dark", True, "doors"),
    "maze128": (128, 3.0, "white", True, "maze"),
}
for name, scene in SCENES.items():
    gymnasium.register(f"Own-{name}-v0", lambda scene=scene, **given: OwnWorld(*scene, **given))
    globals()[name] = pixel_world(scene[0], gates=2 if scene[3] else 1)


def score(weights, scene, val, goals):
    """Distances of codes from where agents are, px: their mean and 95th percentile; and the share of goals reached."""
    model, side, speed = read_weights(weights)[0], *scene[:2]
    frames, locations = (np.load(val / f"{name}.npy", mmap_mode="r") for name in ("states", "locations"))
    some = 500 // frames.shape[1] + 1
    with torch.no_grad():
        codes = model.frame.unit * model.encode_agent(np.array(frames[:some])).numpy()
    apart = np.linalg.norm(codes - locations[:some], axis=-1)

    envs, pictures, places = [OwnWorld(*scene) for _ in range(goals)], [], []
    for first in (10_000, 20_000):  # seeds of goals, and of starts
        for number, env in enumerate(envs):
            env.reset(seed=first + number)
        pictures.append(see(envs))
        places.append([env.place for env in envs])
    agent = plan(model, pictures[1], pictures[0], Actions(1.0, box=True))
    for _ in range(int(6 * side / speed)):
        for env, action in zip(envs, agent.act(see(envs)), strict=True):
            env.step(action)
    there = [np.linalg.norm(env.place - end) < side / 16 for env, end in zip(envs, places[0], strict=True)]
    return {"px": float(apart.mean()), "px95": float(np.quantile(apart, 0.95)), "reached": float(np.mean(there))}


def see(envs):
    return np.stack([env.render().transpose(2, 0, 1) for env in envs])


def command(*words):
    """Runs a script of the root -> CPU seconds, and the last line of what it said."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *map(str, words)], text=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = (done.stderr if done.returncode else done.stdout).strip().splitlines()[-1]
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, said if done.returncode else None


def main(
    worlds: tuple[str, ...] = tuple(SCENES), seeds: int = 5, goals: int = 100, out: Path = Path("runs/own_worlds")
) -> None:
    torch.set_num_threads(1)
    page, rows = Path("results/own_worlds.md"), []
    for name in SCENES:
        data, found = out / name, []
        for seed in range(seeds):
            stored = page.with_suffix("") / f"{name}-{seed}.json"
            if name in worlds and not stored.is_file():
                val, run_name = data / "probe_normal/val", f"{name}-{seed}"
                if not val.is_dir():
                    env = f"{__spec__.name}:Own-{name}-v0"
                    command("-m", "tiny_jepa", "data", "collect", "--env", env, "--out", data)
                words = ["--world", f"{__spec__.name}:{name}", "--data", data, "--seed", seed, "--name", run_name]
                shutil.rmtree(out / "runs" / run_name, ignore_errors=True)  # of a run that was killed
                seconds, says = command("train.py", *words, "--runs", out / "runs", "--no-install")
                weights = out / "runs" / run_name / "weights.pth"
                figures = {"refused": says} if says else score(weights, SCENES[name], val, goals)
                write_text(stored, json.dumps({"minutes": seconds / 60} | figures) + "\n")
                print(name, seed, stored.read_text().strip(), flush=True)
            found += [json.loads(stored.read_text())] if stored.is_file() else []
        whole = [each for each in found if "px" in each]
        good = sum(each["px"] < 0.3 and each["reached"] >= 0.95 for each in whole)
        figures = [[each[key] for each in whole] or [np.nan] for key in ("px", "px95", "reached")]
        minutes = np.mean([each["minutes"] for each in found or [{"minutes": np.nan}]])
        side, speed, palette, slides, plan_name = SCENES[name]
        codes, reached = f"{max(figures[0]):.3f} / {max(figures[1]):.3f}", f"{min(figures[2]):.0%}"
        like = [f"{side}", f"{speed}", f"{palette}, {plan_name}", "slides" if slides else "stays"]
        rows.append([name, *like, f"{good} of {len(found)}", codes, reached, f"{minutes:.1f}"])
    head = [
        "world",
        "px",
        "px an action",
        "colours, plan",
        "agent",
        "right",
        "worst code, px",
        "least reached",
        "CPU min",
    ]
    write_table(page, markdown(head, rows), "own worlds")


if __name__ == "__main__":
    run(main)
