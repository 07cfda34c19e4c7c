"""Worlds seen in pixels: an environment of anyone's, its frames in any colours, its data in a folder that
`data collect` wrote."""

import numpy as np

from tiny_jepa.worlds.contract import Frame, Group, Read, World

SETS = ("train", "probe_normal/train", "probe_normal/val")


def pixel_world(
    size: int, *, read: Read = "", widths: bool = False, gates: int = 2, channels: int = 3, beyond: float = 0.0
) -> World:
    """The world of one dot in square frames of `size` px.

    Args:
        read: the coordinates ("", "x", "y", "xy") of the layout's key point that differ between episodes; the others
            are learned once for all.
        widths: whether what lies there is of different widths, too.
        gates: 1 where a blocked move leaves the agent where it was, 2 where it slides along.
        channels: of a frame.
        beyond: px from the centre of the last pixel to the frame's far edge: 0 where an agent is as far from both
            borders when it touches them; 1 where coordinates run from 0 to `size`.
    """
    unit = size / 3.5  # so that what spreads over a whole frame spreads less than the objective wants: it stays awake
    frame = Frame(channels, None, None, 1, unit, read, widths, gates, window=1.0, beyond=beyond)
    middle, spread = (size / 2, size / 2), (size / 4, size / 4)
    groups = (Group("probe_normal/train", {"normal": "probe_normal/val"}),)
    return World(frame, 2, middle, spread, SETS, 1, range(size, size + 1), size, groups, None)


def sums_of(frame: np.ndarray) -> np.ndarray:
    """A square frame [S, S, C] uint8 -> its sums over rows and over columns [C, 2, S] uint16, up to 257 px exactly."""
    return np.stack([np.einsum("hwc->cw", frame, dtype=np.uint16), np.einsum("hwc->ch", frame, dtype=np.uint16)], 1)
