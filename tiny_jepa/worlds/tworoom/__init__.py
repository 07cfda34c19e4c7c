"""stable-worldmodel's TwoRoom (`swm/TwoRoom-v1`): a red dot, a wall and a door in 224 px of RGB.

Nothing of its walls is written here: only what its frames look like, that coordinates run from 0 to 224, and that an
agent slides along what blocks it.
"""

from tiny_jepa.worlds.pixels import pixel_world

TWOROOM = pixel_world(224, beyond=1)
"""One wall, one door, always at the same place."""
TWOROOM_DOORS = pixel_world(224, read="y", widths=True, beyond=1)
"""The same wall, with a door whose height and width are drawn for each episode."""
