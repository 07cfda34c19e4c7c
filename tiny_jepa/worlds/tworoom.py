"""stable-worldmodel's TwoRoom (`swm/TwoRoom-v1`): a dot, walls and doors in 224 px of RGB, a quarter of that to us.

Nothing of its walls is written here: only what its frames look like, and that an agent slides along what blocks it.
"""

from dataclasses import replace

from tiny_jepa.worlds.pixels import pixel_world

TWOROOM = replace(pixel_world(56), presets="tworoom")
