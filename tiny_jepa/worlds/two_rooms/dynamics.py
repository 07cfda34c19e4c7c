"""The dynamics, for any number of agents at once: the one implementation under generators and environment.

A move ends at location + action, unless its segment touches a border, crosses a wall face outside the door or
crosses a door jamb outwards; then the agent stays exactly where it was: no sliding, no noise.
"""

import numpy as np

from tiny_jepa.worlds.two_rooms.geometry import Geometry


def step(
    world: Geometry, locations: np.ndarray, actions: np.ndarray, layouts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Moves N agents by one action each.

    Args:
        locations: [N, 2] px. actions: [N, 2] px. layouts: [N, 2] (wall centre, door centre).

    Returns:
        The new locations [N, 2] and which moves were blocked [N] bool.
    """
    target = locations + actions
    blocked = (target <= world.border).any(axis=1) | (target >= world.far_border).any(axis=1)
    # only a move that comes near the wall can meet it: the rest is settled by the border alone
    reach = np.abs(locations[:, 0] - layouts[:, 0]) <= world.wall_half + np.abs(actions[:, 0])
    near = np.flatnonzero(reach & ~blocked)
    if near.size:
        blocked[near] = _meets_wall(world, locations[near], target[near], layouts[near])
    return np.where(blocked[:, None], locations, target), blocked


def _meets_wall(world: Geometry, start: np.ndarray, end: np.ndarray, layouts: np.ndarray) -> np.ndarray:
    """Whether the segments start -> end [N, 2] are stopped by a wall face or a door jamb -> [N] bool."""
    x0, y0 = (start - layouts).T  # relative to the door's centre
    x1, y1 = (end - layouts).T
    half, door = world.wall_half, world.door_half
    dx, dy = x1 - x0, y1 - y0
    blocked = np.zeros(len(x0), dtype=bool)
    # products, not quotients: exact wherever the coordinates are
    for face in (-half, half):
        crosses = (np.minimum(x0, x1) <= face) & (np.maximum(x0, x1) >= face) & (dx != 0)
        blocked |= crosses & (np.abs(y0 * dx + (face - x0) * dy) > door * np.abs(dx))
    for jamb in (-door, door):
        outwards = (y0 <= jamb) & (y1 > jamb) if jamb > 0 else (y0 >= jamb) & (y1 < jamb)
        blocked |= outwards & (np.abs(x0 * dy + (jamb - y0) * dx) < half * np.abs(dy))
    return blocked
