"""Eight worlds that nobody tuned for: do they train with every seed, all settings as they are by default?

Of each world: trajectories of random actions, trainings of several seeds, each by one command, and then how far the
codes of 500 frames are from where the agent is, and how many of 100 random goals are reached: the agent within a
sixteenth of the frame's side, at the last step. What is done is kept, and not done again.
"""

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import gymnasium
import numpy as np
import torch

from benchmarks.shared import run, stored, write_table
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
PAGE, RUNS, GOALS = Path("results/own_worlds.md"), Path("runs/own_worlds"), 100


class OwnWorld(gymnasium.Env):
    """A dot in a room with walls. It is stopped where it touches one: it stays, or slides along."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    action_space = gymnasium.spaces.Box(-1, 1, (2,))

    def __init__(self, side, speed, palette, slides, plan, render_mode="rgb_array"):
        self.side, self.speed, self.slides, self.render_mode = side, speed, slides, render_mode
        self.palette = [np.array(colour, float) for colour in PALETTES[palette]]
        self.observation_space = gymnasium.spaces.Box(0, side, (2,))
        self.radius = max(1.5, side / 32)
        borders = [(-9, 1, -9, 999), (side - 2, 999, -9, 999), (-9, 999, -9, 1), (-9, 999, side - 2, 999)]
        self.boxes = np.array([*borders, *PLANS[plan](side)], float)  # [K, 4] x_low, x_high, y_low, y_high
        self.x, self.y = np.meshgrid(np.arange(side), np.arange(side))
        x_low, x_high, y_low, y_high = self.boxes[..., None, None].swapaxes(0, 1)
        wall = (x_low <= self.x) & (self.x <= x_high) & (y_low <= self.y) & (self.y <= y_high)  # [K, S, S]
        self.background = np.where(wall.any(0)[..., None], self.palette[1], self.palette[0])  # [S, S, 3]

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
        square = ((self.x - self.place[0]) ** 2 + (self.y - self.place[1]) ** 2) / (2 * (0.65 * self.radius) ** 2)
        dot = np.exp(-square)[..., None]
        return (self.background * (1 - dot) + self.palette[2] * dot).astype(np.uint8)


def across(side, middle):
    """From where to where a wall about a line is thick, px."""
    thick = max(1, side // 24)
    return middle - thick // 2, middle - thick // 2 + thick - 1


def upright(side, column, *doors):
    """A wall with doors (centre, half), shares of the side."""
    edges = [-9, *(side * centre + side * half for centre, each in doors for half in (-each, each)), 999]
    return [(*across(side, column), *piece) for piece in np.reshape(edges, (-1, 2))]


def maze(side):
    """A spiral-like maze of 4 x 4 cells."""
    lines = np.array([(1, 0, 3), (3, 1, 3), (2, 1, 2), (3, 1, 3), (1, 2, 3), (2, 2, 2.5)])  # at, from, to: cells
    at, start, end = np.round(lines.T * side / 4)
    boxes = np.stack([*across(side, at), start, end], axis=1)
    boxes[3:] = boxes[3:, [2, 3, 0, 1]]  # these are level
    return boxes


BLOCKS = np.array([(7, 12, 8, 11), (18, 24, 6, 12), (9, 11, 18, 26), (17, 25, 19, 22)])  # px of 32
PLANS = {
    "wall": lambda side: upright(side, side // 2, (0.3, 0.14)),
    "doors": lambda side: upright(side, round(side * 0.45), (0.28, 0.12), (0.75, 0.12)),
    "blocks": lambda side: np.round(BLOCKS * (side / 32)),
    "maze": maze,
}
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


def score(weights, scene, val):
    """Distances of codes from where agents are, px: their mean and 95th percentile; and the share of goals reached."""
    model, side, speed = read_weights(weights)[0], *scene[:2]
    frames, locations = (np.load(val / f"{name}.npy", mmap_mode="r") for name in ("states", "locations"))
    some = 500 // frames.shape[1] + 1
    with torch.no_grad():
        codes = model.frame.unit * model.encode_agent(np.array(frames[:some])).numpy()
    apart = np.linalg.norm(codes - locations[:some], axis=-1)

    envs, pictures, places = [OwnWorld(*scene) for _ in range(GOALS)], [], []
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
    before = sum(os.times()[2:4])  # of children
    done = subprocess.run([sys.executable, *map(str, words)], text=True, capture_output=True)
    said = (done.stderr if done.returncode else done.stdout).strip().splitlines()[-1]
    return sum(os.times()[2:4]) - before, said if done.returncode else None


def measure(name, seed, path):
    """Stores the CPU minutes of a training, and its score or why it was refused."""
    data, place = RUNS / name, RUNS / "runs" / f"{name}-{seed}"
    if not (val := data / "probe_normal/val").is_dir():
        command("-m", "tiny_jepa", "data", "collect", "--env", f"{__spec__.name}:Own-{name}-v0", "--out", data)
    shutil.rmtree(place, ignore_errors=True)  # of a run that was killed
    words = ["--world", f"{__spec__.name}:{name}", "--data", data, "--seed", seed, "--name", place.name]
    seconds, says = command("train.py", *words, "--runs", place.parent, "--no-install")
    figures = {"refused": says} if says else score(place / "weights.pth", SCENES[name], val)
    write_text(path, json.dumps({"minutes": seconds / 60} | figures) + "\n")


def main(worlds: tuple[str, ...] = tuple(SCENES), seeds: int = 5) -> None:
    torch.set_num_threads(1)
    rows = []
    for name, (side, speed, palette, slides, plan_name) in SCENES.items():
        paths = {seed: PAGE.with_suffix("") / f"{name}-{seed}.json" for seed in range(seeds)}
        each = [stored(path, partial(measure, name, seed), name in worlds) for seed, path in paths.items()]
        if not (found := [result for result in each if result]):
            continue
        whole = [result for result in found if "px" in result]
        good = sum(result["px"] < 0.3 and result["reached"] >= 0.95 for result in whole)
        mean, most = (f"{max((result[key] for result in whole), default=np.nan):.3f}" for key in ("px", "px95"))
        reached = f"{min((result['reached'] for result in whole), default=np.nan):.0%}"
        minutes = f"{np.mean([result['minutes'] for result in found]):.1f}"
        like = [f"{side}", f"{speed}", f"{palette}, {plan_name}", "slides" if slides else "stays"]
        rows.append([name, *like, f"{good} of {len(found)}", f"{mean} / {most}", reached, minutes])
    like = ["world", "px", "px an action", "colours, plan", "agent"]
    write_table(PAGE, markdown([*like, "right", "worst code, px", "least reached", "CPU min"], rows), "own worlds")


if __name__ == "__main__":
    run(main)
