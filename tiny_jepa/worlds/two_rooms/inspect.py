"""Looks at trajectories as a sceptic: are the arrays what the course's format says, and do they tell one story?"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from tiny_jepa.options import read
from tiny_jepa.worlds.contract import read_agents
from tiny_jepa.worlds.two_rooms.geometry import UNSEEN_WALLS, Geometry
from tiny_jepa.worlds.two_rooms.plans import PLANS
from tiny_jepa.worlds.two_rooms.render import render_layouts
from tiny_jepa.worlds.two_rooms.sets import RECIPES
from tiny_jepa.worlds.two_rooms.walls import boxes_of, inside, layouts_of, step, walls_of

DRAWN_TOLERANCE = 0.03  # px: an agent read off uint8 pixels is within 0.01 of its location
MOVE_TOLERANCE = 0.005  # px, between recorded locations
HARMLESS = ("the agent's peak", "the agent does not sum", "the layout has other values", "the agent starts inside")
"""Faults that a model does not mind: each frame is taken by its own scale."""
RULE_TOLERANCE = 0.001  # share of moves: rounding decides those that end within a hair of a wall


@dataclass
class Inspection:
    """What is found in the trajectories of a set; `faults` counts those that have one, by kind."""

    name: str
    image_size: int
    walls: set[int] = field(default_factory=set)  # columns
    read: int = 0  # trajectories
    seen: Counter[str] = field(default_factory=Counter)  # moves, and starts of trajectories
    faults: Counter[str] = field(default_factory=Counter)
    harmless: tuple[str, ...] = HARMLESS

    def figures(self) -> dict[str, str]:
        starts = (self.seen["starts in wall"], self.seen["starts in door"])
        in_wall, in_door = (f"{count:,} ({count / max(self.read, 1):.1%})" for count in starts)
        return {
            "wall columns": spans(self.walls),
            "blocked": f"{self.seen['blocked'] / self.seen['moves']:.1%}" if self.seen["moves"] else "-",
            "starts in wall": in_wall,
            "starts in door": in_door if self.walls else "-",
        }

    def lines(self) -> list[str]:
        found = [f"{text} ({count:,} of {self.read:,} trajectories read)" for text, count in self.faults.items()]
        if (broken := self.seen["broken"]) > RULE_TOLERANCE * self.seen["moves"]:
            found.append(f"moves that the walls would have stopped, or stops without a wall ({broken:,})")
        return found

    def notes(self) -> list[str]:
        unseen = self.name == "train" and self.walls & set(UNSEEN_WALLS)
        return ["it has the columns 37 to 41, which the unseen-layout set wants unseen"] if unseen else []

    def add(self, states: np.ndarray, actions: np.ndarray, locations: np.ndarray | None) -> None:
        """Looks at states [N, T, 2, H, W], actions [N, T-1, 2] px and, where a set has them, locations [N, T, 2] px."""
        world = read(Geometry, {"size": self.image_size}, f"frames of {self.name}")
        kind = RECIPES[self.name].kind
        self.read += len(states)
        agent, drawn = states[:, :, 0], states[:, :, 1]
        shown = drawn[:, 0] != 0
        self.count("the layout changes from frame to frame", drawn != drawn[:, :1])
        strange = shown & (drawn[:, 0] != drawn[:, 0].max((1, 2), keepdims=True))
        self.count("the layout has other values than 0 and one more", strange)
        walls = walls_of(shown)
        layouts = layouts_of(walls)
        redrawn = render_layouts(world, walls if kind in PLANS else boxes_of(world, layouts))
        readable = ((redrawn > 0) == shown).all((1, 2))
        between = "what is between them" if kind in PLANS else "a wall with a door"
        self.count(f"the layout is not two pairs of border lines and {between}", ~readable)

        if states.dtype == np.uint8:
            self.count("the agent's peak is not 200 to 255", agent.max((2, 3)) < 200)
        else:
            self.count("the agent does not sum to 1", ~(np.abs(agent.sum((2, 3)) - 1) < 0.01))
            self.count("the agent has negative values", agent < 0)
        where, tolerance = read_agents(agent), DRAWN_TOLERANCE
        if locations is not None:
            self.compare("locations.npy", where, locations, DRAWN_TOLERANCE)
            where, tolerance = locations, MOVE_TOLERANCE

        within, near = (inside(walls[:, None], where, margin) for margin in (-tolerance, tolerance))  # [N, T]
        self.count("the agent gets inside a wall", within[:, 1:] & ~near[:, :-1] & readable[:, None])
        if kind != "explore":  # an ordinary trajectory may start there, and stay for a while
            self.count("the agent starts inside a wall", within[:, 0] & readable)
        self.seen["starts in wall"] += int((within[:, 0] & readable).sum())
        if kind not in PLANS:
            self.walls.update(layouts[readable, 0].tolist())
            in_door = (np.abs(where[:, 0] - layouts) <= (world.wall_half, world.door_half)).all(1)
            self.seen["starts in door"] += int((in_door & readable).sum())
        beyond = (where < world.border - tolerance) | (where > world.far_border + tolerance)
        self.count("the agent is outside the borders", beyond)

        move = np.diff(where.astype(np.float64), axis=1)
        still = np.abs(move).max(-1) < tolerance
        self.compare("actions.npy", np.where(still[..., None], actions, move), actions, 2 * tolerance)
        self.seen += Counter({"moves": still.size, "blocked": int((still & (actions != 0).any(-1)).sum())})
        if locations is not None:
            start, end = (part[readable].astype(np.float64) for part in (locations[:, :-1], locations[:, 1:]))
            expected, _ = step(world, start, actions[readable], walls[readable, None])
            self.seen["broken"] += int((np.abs(expected - end).max(-1) > tolerance).sum())

    def count(self, fault: str, bad: np.ndarray) -> None:
        """Counts trajectories of which something is bad [N, ...]."""
        self.faults += Counter({fault: int(bad.reshape(len(bad), -1).any(1).sum())})  # no key where there are none

    def compare(self, file: str, seen: np.ndarray, recorded: np.ndarray, tolerance: float) -> None:
        """Counts where `recorded` [N, T, 2] is not what the frames show, with the likely reason."""

        def agree(one: np.ndarray, other: np.ndarray) -> np.ndarray:
            return (np.abs(one - other) < tolerance).all((1, 2))  # [N]; NaN never agrees

        bad = ~agree(seen, recorded)
        swapped = bad & agree(seen, recorded[..., ::-1])
        shifted = bad & ~swapped & (agree(seen[:, 1:], recorded[:, :-1]) | agree(seen[:, :-1], recorded[:, 1:]))
        self.count(f"{file}: x and y are swapped", swapped)
        self.count(f"{file}: shifted by a frame against states.npy", shifted)
        self.count(f"{file} does not agree with the agent in states.npy", bad & ~swapped & ~shifted)


def spans(numbers: Iterable[int]) -> str:
    """{20, 21, 22, 40} -> "20-22, 40" """
    runs = [list(run) for _, run in groupby(enumerate(sorted(numbers)), lambda each: each[1] - each[0])]
    return ", ".join(f"{run[0][1]}" + (f"-{run[-1][1]}" if len(run) > 1 else "") for run in runs) or "-"
