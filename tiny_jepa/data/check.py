"""Reads a folder as a sceptic: are the arrays what the course's format says, and do they tell one story?"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from einops import reduce

from tiny_jepa.data.folder import CourseSet
from tiny_jepa.data.source import open_source, split_set
from tiny_jepa.errors import UserError
from tiny_jepa.progress import bar
from tiny_jepa.worlds.two_rooms import UNSEEN_WALLS, Geometry, step
from tiny_jepa.worlds.two_rooms.scene import read_agents, read_layouts
from tiny_jepa.worlds.two_rooms.sets import RECIPES

DRAWN_TOLERANCE = 0.03  # px: an agent read off uint8 pixels is within 0.01 of its location
MOVE_TOLERANCE = 0.005  # px, between recorded locations
RULE_TOLERANCE = 0.001  # share of moves: rounding decides those that end within a hair of a wall
HEADER = ["set", "trajectories", "frames", "px", "dtype", "read", "wall columns", "blocked"]
HEADER += ["starts in wall", "starts in door", "faults"]
BATCH_BYTES = 4 * 2**20  # read at a time


@dataclass
class Report:
    """What was found in one set; `faults` counts trajectories, by kind of fault."""

    name: str
    shape: tuple[int, ...] = ()
    dtype: str = ""
    walls: set[int] = field(default_factory=set)
    read: int = 0  # trajectories
    moves: int = 0
    still: int = 0  # moves that left the agent in place
    broken: int = 0  # moves that the world would not have made
    in_wall: int = 0  # trajectories that start there
    in_door: int = 0  # likewise
    faults: Counter[str] = field(default_factory=Counter)
    error: str = ""

    def lines(self) -> list[str]:
        found = [f"{text} ({count:,} of {self.read:,} trajectories read)" for text, count in self.faults.items()]
        if self.broken > RULE_TOLERANCE * self.moves:
            found.append(f"moves that the walls would have stopped, or stops without a wall ({self.broken:,})")
        return found + ([self.error] if self.error else [])


def check_folder(folder: Path, limit: int = 2000) -> int:
    """Checks every set of a folder, or the one that it is, up to `limit` trajectories of each (0: all), and prints a
    table; 1 where there are faults, else 0.

    Raises:
        UserError: no such folder, or none with a set.
    """
    root, only = split_set(folder)
    open_source(str(root))
    reports = [
        check_set(root / name, name, limit) for name in RECIPES if only in (None, name) and (root / name).is_dir()
    ]
    rows = []
    for r in reports:
        n, t, _, px, _ = r.shape or ("-",) * 5
        blocked = f"{r.still / r.moves:.1%}" if r.moves else "-"
        starts = [f"{count:,} ({count / r.read:.1%})" if r.read else "-" for count in (r.in_wall, r.in_door)]
        found = len(r.lines()) or "none"
        cells = (r.name, n, t, px, r.dtype or "-", r.read, spans(r.walls), blocked, *starts, found)
        rows.append([str(cell) for cell in cells])
    rows.insert(0, HEADER)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for r in reports:
        for line in r.lines():
            print(f"fault in {r.name}: {line}")
        if r.name == "train" and r.walls & set(UNSEEN_WALLS):
            print("note on train: it has the columns 37 to 41, which the unseen-layout set wants unseen")
    return int(any(r.lines() for r in reports))


def check_set(folder: Path, name: str, limit: int) -> Report:
    """Opens and reads one set; whatever stops the reading is a fault too."""
    report = Report(name)
    try:
        dataset = CourseSet(folder, name, labelled=name != "train")
        report.shape, report.dtype = dataset.states_file.shape, str(dataset.states_file.dtype)
        read_some(report, dataset, limit or len(dataset))
    except UserError as error:
        report.error = str(error)
    return report


def read_some(report: Report, dataset: CourseSet, limit: int) -> None:
    """Checks up to `limit` trajectories from first to last: files end badly."""
    try:
        world = Geometry(size=dataset.image_size)
    except ValueError as error:
        raise UserError(f"{dataset.folder}: {error}") from None
    count = min(limit, len(dataset))
    chosen = np.linspace(0, len(dataset) - 1, count).astype(np.int64)
    size = max(1, BATCH_BYTES // dataset.states_file.row_bytes)
    starts = range(0, count, size)
    for i in starts if len(starts) < 8 else bar(starts, desc=report.name, unit="batch", leave=False):
        indices = chosen[i : i + size]
        states, actions = dataset.frames(indices).numpy(), dataset.actions(indices).numpy()
        locations = dataset.locations(indices).numpy() if dataset.locations_file else None
        _check_batch(report, world, states, actions, locations)


def _check_batch(
    report: Report, world: Geometry, states: np.ndarray, actions: np.ndarray, locations: np.ndarray | None
) -> None:
    report.read += len(states)

    def fault(text: str, bad: np.ndarray) -> None:
        if bad.any():
            report.faults[text] += int(bad.reshape(len(states), -1).any(1).sum())

    agent, drawn = states[:, :, 0], states[:, :, 1]
    value = reduce(drawn[:, 0], "n h w -> n 1 1", "max")
    fault("the layout changes from frame to frame", reduce(drawn != drawn[:, :1], "n t h w -> n", "max"))
    fault("the layout has other values than 0 and one more", (drawn[:, 0] != 0) & (drawn[:, 0] != value))
    layouts, readable = read_layouts(world, drawn[:, 0] != 0)
    fault("the layout is not two pairs of border lines and a wall with a door", ~readable)
    report.walls.update(np.unique(layouts[readable, 0]).tolist())

    peak, mass = reduce(agent, "n t h w -> n t", "max"), reduce(agent.astype(np.float32), "n t h w -> n t", "sum")
    if states.dtype == np.uint8:
        fault("the agent's peak is not 200 to 255", peak < 200)
    else:
        fault("the agent does not sum to 1", ~(np.abs(mass - 1) < 0.01))
        fault("the agent has negative values", agent < 0)
    seen = read_agents(agent, mass)
    tolerance = DRAWN_TOLERANCE if locations is None else MOVE_TOLERANCE
    if locations is not None:
        _compare(fault, "locations.npy", seen, locations, DRAWN_TOLERANCE)
    where = seen if locations is None else locations

    from_door = np.abs(where - layouts[:, None])
    across, along = from_door[..., 0] - world.wall_half, from_door[..., 1] - world.door_half  # px beyond face and jamb
    inside = (across < -tolerance) & (along > tolerance) & readable[:, None]
    inside_or_touching = (across < tolerance) & (along > -tolerance)
    fault("the agent gets inside the wall", inside[:, 1:] & ~inside_or_touching[:, :-1])
    if RECIPES[report.name].kind != "explore":  # an ordinary trajectory may start there, and stay for a while
        fault("the agent starts inside the wall", inside[:, 0])
    report.in_wall += int(inside[:, 0].sum())
    report.in_door += int(((across[:, 0] <= 0) & (along[:, 0] <= 0) & readable).sum())
    outside = (where < world.border - tolerance) | (where > world.far_border + tolerance)
    fault("the agent is outside the borders", outside)

    move = np.diff(where.astype(np.float64), axis=1)
    still = np.abs(move).max(-1) < tolerance
    _compare(fault, "actions.npy", np.where(still[..., None], actions, move), actions, 2 * tolerance)
    report.moves, report.still = report.moves + still.size, report.still + int((still & (actions != 0).any(-1)).sum())
    if locations is not None and readable.any():
        ends, _ = step(
            world,
            where[readable, :-1].reshape(-1, 2).astype(np.float64),
            actions[readable].reshape(-1, 2),
            layouts[readable].repeat(actions.shape[1], axis=0),
        )
        off = np.abs(ends - where[readable, 1:].reshape(-1, 2)).max(-1) > tolerance
        report.broken += int(off.sum())


def _compare(fault, file: str, seen: np.ndarray, recorded: np.ndarray, tolerance: float) -> None:
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
