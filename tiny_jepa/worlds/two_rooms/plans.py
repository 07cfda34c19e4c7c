"""Floor plans that nothing is trained on: rooms in a row, several doors in a wall, mazes. Boxes of N scenes each."""

import numpy as np

from tiny_jepa.worlds.two_rooms.walls import FAR, Geometry, upright

WALLS_APART, DOORS_APART = 9, 11  # px, at least, between the centres of two walls, of two doors
CELLS = 4  # of a maze, along each side


def rooms(world: Geometry, count: int, rng: np.random.Generator) -> np.ndarray:
    """Three and four rooms in a row, in turn: upright walls with a door each."""
    return upright(world, two_or_three(world, count, WALLS_APART, rng), rng.choice(world.door_rows, (count, 3, 1)))


def doors(world: Geometry, count: int, rng: np.random.Generator) -> np.ndarray:
    """Two rooms with two and with three doors, in turn."""
    columns = rng.choice(world.wall_columns, (count, 1))
    return upright(world, columns, two_or_three(world, count, DOORS_APART, rng)[:, None])


def two_or_three(world: Geometry, count: int, apart: int, rng: np.random.Generator) -> np.ndarray:
    """Centres [count, 3], sorted, uniform over the door rows at least `apart` px apart; the third of every other scene
    is outside the frame."""
    centres = np.full((count, 3), FAR - 2 * world.size)
    turn = rng.integers(2)
    for number, scenes in ((2, range(turn, count, 2)), (3, range(1 - turn, count, 2))):
        spare = len(world.door_rows) - (number - 1) * (apart - 1)
        chosen = rng.random((len(scenes), spare)).argsort(axis=1)[:, :number]
        centres[scenes, :number] = world.door_rows[0] + np.sort(chosen, axis=1) + (apart - 1) * np.arange(number)
    return centres


def maze(world: Geometry, count: int, rng: np.random.Generator, cells: int = CELLS) -> np.ndarray:
    """`cells` x `cells` of them with one way between any two."""
    line = cell_lines(world, cells)
    low, high = line[:-1] - world.wall_half, line[1:] + world.wall_half  # of a wall along each cell
    low[0], high[-1] = -FAR, FAR
    walls: dict[frozenset, tuple[np.ndarray, ...]] = {}  # by the two cells that each parts
    for at, along in np.ndindex(cells - 1, cells):
        thick, long = (high[at] - 2 * world.wall_half, high[at]), (low[along], high[along])
        walls[frozenset([(at, along), (at + 1, along)])] = (*thick, *long)
        walls[frozenset([(along, at), (along, at + 1)])] = (*long, *thick)
    turns = rng.permuted(np.tile(np.arange(4), (count, cells, cells, 1)), axis=-1).tolist()
    stands = [[pair not in opened for pair in walls] for opened in map(spanning_tree, turns)]
    return np.where(np.array(stands)[..., None], np.array(list(walls.values())), -FAR).astype(np.int16)


def spanning_tree(turns: list[list[list[int]]]) -> set[frozenset]:
    """Pairs of cells (x, y) that a depth-first search steps through. `turns` [x][y]: the order in which it looks right,
    left, down and up from there."""
    opened, seen, stack = set[frozenset](), set(), [((0, 0), (0, 0))]
    while stack:
        before, (x, y) = stack.pop()
        if (x, y) not in seen and min(x, y) >= 0 and max(x, y) < len(turns):
            seen.add((x, y))
            opened.add(frozenset([before, (x, y)]))
            ways = ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1))
            stack += [((x, y), ways[turn]) for turn in reversed(turns[x][y])]
    return opened


def cell_lines(world: Geometry, cells: int = CELLS) -> np.ndarray:
    """Coordinates [cells + 1] px of the lines between a maze's cells, borders included."""
    return np.rint(np.linspace(world.border, world.far_border, cells + 1)).astype(np.int64)


PLANS = {"rooms": rooms, "doors": doors, "maze": maze}


def far_ends(world: Geometry, walls: np.ndarray, in_cells: bool, rng: np.random.Generator) -> np.ndarray:
    """Two places [2, (low, high), (x, y)] px of a scene [K, 4]: its outermost rooms, or opposite corner cells."""
    low, high, lines, face = world.border, world.far_border, cell_lines(world), world.wall_half + 1
    if in_cells:
        spans = np.array([(low, lines[1] - face), (lines[-2] + face, high)])
        return np.stack([spans, spans if rng.integers(2) else spans[::-1]], axis=-1)
    x = walls[walls[:, 0] < world.size, :2]
    return np.array([[(low, low), (x.min(), high)], [(x.max(), low), (high, high)]])
