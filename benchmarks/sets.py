"""The procedural sets' statistics beside the field's, as results/sets.md has them: mean ± one standard error."""

from dataclasses import replace

import numpy as np

from benchmarks.shared import run
from tiny_jepa.course import SETS
from tiny_jepa.tables import markdown
from tiny_jepa.worlds.two_rooms import Geometry, Trajectories
from tiny_jepa.worlds.two_rooms.sets import RECIPES, generate
from tiny_jepa.worlds.two_rooms.walls import layouts_of

SIZES = (64, 65)
FIELD = {
    "normal, px²": "2.52",
    "wall, px²": "8.1",
    "wall_other, px²": "8.1",
    "expert, px²": "0.0",
    "normal, blocked %": "13",
    "wall, blocked %": "37",
    "long, blocked %": "28",
    "normal, starts in wall %": "1.5",
    "the same at door rate 0.6": "2.2",
    "wall, 0-2 px off %": "25",
    "wall, 2-4 px off %": "8",
    "wall, farther off %": "67",
}
"""Measured by others, on the course's data or on data of the public generator."""


def dead_reckoning(trajectories: Trajectories) -> np.ndarray:
    """Squared error [N] px² of adding up the actions, averaged over frames (the first included) and coordinates."""
    start = trajectories.locations[:, :1].astype(np.float64)
    reckoned = np.concatenate([start, start + np.cumsum(trajectories.actions, axis=1, dtype=np.float64)], axis=1)
    return ((reckoned - trajectories.locations) ** 2).mean((1, 2))


def blocked(trajectories: Trajectories) -> np.ndarray:
    """Which moves [N, T-1] left the agent in place although there was an action."""
    still = (np.diff(trajectories.locations, axis=1) == 0).all(-1)
    return still & (trajectories.actions != 0).any(-1)


def statistics(size: int, count: int) -> dict[str, np.ndarray]:
    """One number a trajectory, for each row of the table."""

    def draw(path: str, door_rate: float = 0.35) -> Trajectories:
        return generate(Geometry(size=size), replace(RECIPES[path], count=count, door_rate=door_rate), path, seed=0)

    sets = {name: draw(f"probe_{name}/val") for name in SETS}
    rows = {f"{name}, px²": dead_reckoning(drawn) for name, drawn in sets.items()}
    rows |= {f"{name}, blocked %": 100 * blocked(drawn).mean(1) for name, drawn in sets.items()}
    more = draw("probe_normal/val", 0.6)
    (x, y), (x_more, y_more), (_, off) = (
        np.abs(drawn.locations[:, 0] - layouts_of(drawn.walls)).T for drawn in (sets["normal"], more, sets["wall"])
    )
    rows["normal, starts in door %"] = 100 * ((x <= 1) & (y <= 4))
    rows["normal, starts in wall %"] = 100 * ((x <= 1) & (y > 4))
    rows["the same at door rate 0.6"] = 100 * ((x_more <= 1) & (y_more > 4))
    for span, share in (("0-2 px", off < 2), ("2-4 px", (off >= 2) & (off < 4)), ("farther", off >= 4)):
        rows[f"wall, {span} off %"] = 100 * share
    rows["expert, moves"] = (sets["expert"].actions != 0).any(-1).sum(1)
    return rows


def main(count: int = 20_000) -> None:
    found = [statistics(size, count) for size in SIZES]
    cells = {row: [f"{v[row].mean():.2f}±{v[row].std() / len(v[row]) ** 0.5:.2f}" for v in found] for row in found[0]}
    rows = [[row, *both, FIELD.get(row, "–")] for row, both in cells.items()]
    print(markdown(["set", *(f"{size} px" for size in SIZES), "field"], rows))


if __name__ == "__main__":
    run(main)
