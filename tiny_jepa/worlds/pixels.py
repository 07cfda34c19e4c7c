"""Worlds seen in pixels: an environment of anyone's, its frames in any colours, its data in a folder that
`data collect` wrote."""

from dataclasses import replace

from tiny_jepa.worlds.contract import Frame, Group, World

SETS = ("train", "probe_normal/train", "probe_normal/val")


def pixel_world(size: int, *, gates: int = 2, channels: int = 3) -> World:
    """The world of one dot in square frames of `size` px; larger frames are averaged down to it. Where a move is
    blocked, the agent stays where it was (`gates` 1), or slides along (2)."""
    unit = size / 3.5  # so that what spreads over a whole frame spreads less than the objective wants: it stays awake
    frame = Frame(channels, None, None, unit, gates, side=size)
    middle, spread = (size / 2, size / 2), (size / 4, size / 4)
    groups = (Group("probe_normal/train", {"normal": "probe_normal/val"}),)
    return World(frame, middle, spread, SETS, 1, range(size, size + 1), size, groups, None, presets="pixels")


POINTMAZE = replace(pixel_world(50), presets="pointmaze")
"""Its SimplePointMaze (`swm/SimplePointMaze-v0`): a dot among rectangles in 500 px of RGB, a tenth of that to us."""
TWOROOM = replace(pixel_world(56), presets="tworoom")
"""stable-worldmodel's TwoRoom (`swm/TwoRoom-v1`): a dot, walls and doors in 224 px of RGB, a quarter of that to us."""
