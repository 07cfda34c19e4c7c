"""Looks at trajectories as a sceptic: are the arrays what the course's format says, and do they tell one story?"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from einops import reduce

from tiny_jepa.worlds.two_rooms.dynamics import step
from tiny_jepa.worlds.two_rooms.geometry import UNSEEN_WALLS, Geometry
from tiny_jepa.worlds.two_rooms.plans import PLANS
from tiny_jepa.worlds.two_rooms.render import render_layouts
from tiny_jepa.worlds.two_rooms.scene import read_agents
from tiny_jepa.worlds.two_rooms.sets import RECIPES
from tiny_jepa.worlds.two_rooms.walls import boxes_of, inside, layouts_of, walls_of

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
    walls: set[int] = field(default_factory=set)
    read: int = 0  # trajectories
    moves: int = 0
    still: int = 0  # moves that left the agent in place
    broken: int = 0  # moves that the world would not have made
    in_wall: int = 0  # trajectories that start there
    in_door: int = 0  # likewise
    faults: Counter[str] = field(default_factory=Counter)
    harmless: tuple[str, ...] = HARMLESS

    def __post_init__(self) -> None:
        """
        Raises:
            ValueError: no wall has a place in frames of this size.
        """
        self.world, self.kind = Geometry(size=self.image_size), RECIPES[self.name].kind

    def figures(self) -> dict[str, str]:
        """What a table says of the set."""

        def share(count: int) -> str:
            return f"{count:,} ({count / max(self.read, 1):.1%})"

        return {
            "wall columns": spans(self.walls),
            "blocked": f"{self.still / self.moves:.1%}" if self.moves else "-",
            "starts in wall": share(self.in_wall),
            "starts in door": share(self.in_door) if self.walls else "-",
        }

    def lines(self) -> list[str]:
        """What is wrong, a sentence each."""
        found = [f"{text} ({count:,} of {self.read:,} trajectories read)" for text, count in self.faults.items()]
        if self.broken > RULE_TOLERANCE * self.moves:
            found.append(f"moves that the walls would have stopped, or stops without a wall ({self.broken:,})")
        return found

    def notes(self) -> list[str]:
        """What is no fault, but unusual."""
        if self.name == "train" and self.walls & set(UNSEEN_WALLS):
            return ["it has the columns 37 to 41, which the unseen-layout set wants unseen"]
        return []

    def add(self, states: np.ndarray, actions: np.ndarray, locations: np.ndarray | None) -> None:
        """Looks at states [N, T, 2, H, W], actions [N, T-1, 2] px and, where a set has them, locations [N, T, 2] px."""
        world = self.world
        self.read += len(states)

        def fault(text: str, bad: np.ndarray) -> None:
            if bad.any():
                self.faults[text] += int(bad.reshape(len(states), -1).any(1).sum())

        agent, drawn = states[:, :, 0], states[:, :, 1]
        value = reduce(drawn[:, 0], "n h w -> n 1 1", "max")
        fault("the layout changes from frame to frame", reduce(drawn != drawn[:, :1], "n t h w -> n", "max"))
        fault("the layout has other values than 0 and one more", (drawn[:, 0] != 0) & (drawn[:, 0] != value))
        shown, two_rooms = drawn[:, 0] != 0, self.kind not in PLANS
        walls = walls_of(shown)
        layouts = layouts_of(walls)
        redrawn = render_layouts(world, boxes_of(world, layouts) if two_rooms else walls) > 0
        readable = (redrawn == shown).all((1, 2))
        between = "a wall with a door" if two_rooms else "what is between them"
        fault(f"the layout is not two pairs of border lines and {between}", ~readable)

        peak, mass = reduce(agent, "n t h w -> n t", "max"), reduce(agent.astype(np.float32), "n t h w -> n t", "sum")
        if states.dtype == np.uint8:
            fault("the agent's peak is not 200 to 255", peak < 200)
        else:
            fault("the agent does not sum to 1", ~(np.abs(mass - 1) < 0.01))
            fault("the agent has negative values", agent < 0)
        seen = read_agents(agent, mass)
        tolerance = DRAWN_TOLERANCE if locations is None else MOVE_TOLERANCE
        if locations is not None:
            compare(fault, "locations.npy", seen, locations, DRAWN_TOLERANCE)
        where = seen if locations is None else locations

        within, near = (inside(walls[:, None], where, margin) for margin in (-tolerance, tolerance))  # [N, T]
        fault("the agent gets inside a wall", within[:, 1:] & ~near[:, :-1] & readable[:, None])
        if self.kind != "explore":  # an ordinary trajectory may start there, and stay for a while
            fault("the agent starts inside a wall", within[:, 0] & readable)
        self.in_wall += int((within[:, 0] & readable).sum())
        if two_rooms:
            self.walls.update(layouts[readable, 0].tolist())
            in_door = (np.abs(where[:, 0] - layouts) <= (world.wall_half, world.door_half)).all(1)
            self.in_door += int((in_door & readable).sum())
        outside = (where < world.border - tolerance) | (where > world.far_border + tolerance)
        fault("the agent is outside the borders", outside)

        move = np.diff(where.astype(np.float64), axis=1)
        still = np.abs(move).max(-1) < tolerance
        compare(fault, "actions.npy", np.where(still[..., None], actions, move), actions, 2 * tolerance)
        self.moves, self.still = self.moves + still.size, self.still + int((still & (actions != 0).any(-1)).sum())
        if locations is not None and readable.any():
            ends, _ = step(
                world,
                where[readable, :-1].astype(np.float64),
                actions[readable],
                walls[readable, None],
            )
            self.broken += int((np.abs(ends - where[readable, 1:]).max(-1) > tolerance).sum())


def compare(
    fault: Callable[[str, np.ndarray], None], file: str, seen: np.ndarray, recorded: np.ndarray, tolerance: float
) -> None:
    """Faults of `recorded` [N, T, 2] against what the frames show, with the likely reason."""

    def differs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return ~(np.abs(a - b).max((1, 2), initial=0) < tolerance)  # [N]; NaN differs

    bad = differs(seen, recorded)
    swapped = bad & ~differs(seen, recorded[..., ::-1])
    late, early = ~differs(seen[:, 1:], recorded[:, :-1]), ~differs(seen[:, :-1], recorded[:, 1:])
    shifted = bad & ~swapped & (late | early)
    fault(f"{file}: x and y are swapped", swapped)
    fault(f"{file}: shifted by a frame against states.npy", shifted)
    fault(f"{file} does not agree with the agent in states.npy", bad & ~swapped & ~shifted)


def spans(numbers: Iterable[int]) -> str:
    """{20, 21, 22, 40} -> "20-22, 40" """
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs) or "-"
