"""The dynamics, for any number of agents at once: the one implementation under generators and environment.

A move ends at location + action, unless its segment touches a border, touches a wall's upright face between its level
ones or crosses a level face inwards; then the agent stays exactly where it was: no sliding, no noise.
"""

import numpy as np

from tiny_jepa.worlds.two_rooms.geometry import Geometry
from tiny_jepa.worlds.two_rooms.walls import REACH


def step(
    world: Geometry, locations: np.ndarray, actions: np.ndarray, walls: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Moves agents by one action each. What comes before the last axes broadcasts.

    Args:
        locations: [..., 2] px. actions: [..., 2] px. walls: boxes [..., K, 4].

    Returns:
        The new locations [..., 2] and which moves were blocked [...] bool.
    """
    target = locations + actions
    blocked = ((target <= world.border) | (target >= world.far_border)).any(-1)
    low, high = (bound(locations, target)[..., None, :] for bound in (np.minimum, np.maximum))
    # only a move that comes near a box can meet it
    near = (walls[..., 0] <= high[..., 0]) & (walls[..., 1] >= low[..., 0]) & ~blocked[..., None]
    near &= (walls[..., 2] <= high[..., 1] + 1) & (walls[..., 3] >= low[..., 1] - 1)
    each = np.nonzero(near)
    start, end = (np.broadcast_to(points[..., None, :], (*near.shape, 2))[each] for points in (locations, target))
    near[each] = _meets(start, end, np.broadcast_to(walls, (*near.shape, 4))[each])
    blocked = blocked | near.any(-1)
    return np.where(blocked[..., None], locations, target), blocked


def _meets(start: np.ndarray, end: np.ndarray, walls: np.ndarray) -> np.ndarray:
    """Whether the segments start -> end [N, 2] are stopped by the boxes [N, 4], one each -> [N] bool."""
    (x0, y0), (x1, y1), (dx, dy) = start.T, end.T, (end - start).T
    left, right, top, bottom = (walls + REACH).T

    def between(x0, dx, face, y0, dy, low, high):
        """Whether the segment's line is strictly between low and high where it crosses the face."""
        # products, not quotients: exact wherever the coordinates are
        shift = (face - x0) * dy
        return np.sign((y0 - low) * dx + shift) * np.sign((y0 - high) * dx + shift) < 0

    blocked = np.zeros(len(start), bool)
    for face in (left, right):
        touches = (np.minimum(x0, x1) <= face) & (face <= np.maximum(x0, x1))
        blocked |= touches & between(x0, dx, face, y0, dy, top, bottom)
    for face, inwards in ((top, (y0 <= top) & (top < y1)), (bottom, (y1 < bottom) & (bottom <= y0))):
        blocked |= inwards & between(y0, dy, face, x0, dx, left, right)
    return blocked
