"""The map: what a frame shows of all that does not move. It is not encoded but read, where a move goes.

In frames with a channel of its own the map is that channel; in colours, how much of each pixel is wall (`colours.py`).
"""

from collections.abc import Callable
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad


class Maps(NamedTuple):
    """pixels [M, S, S] uint8, 0 to 255: the maps that there are; whose [...]: which of them it is."""

    pixels: Tensor
    whose: Tensor

    @classmethod
    def of(cls, pixels: Tensor) -> "Maps":
        """Maps [..., S, S], each of which is its own."""
        flat = pixels.reshape(-1, *pixels.shape[-2:])
        return cls(flat, torch.arange(len(flat), device=flat.device).reshape(pixels.shape[:-2]))

    def read(self, places: Tensor) -> Tensor:
        """The pixels at places [..., C, P, 2], whole px (x, y), for each of `whose` [...] -> [..., C, P] from 0 to 1.
        Beyond the frame, its last pixel goes on."""
        side = self.pixels.shape[-1]
        column, row = places.long().clamp(0, side - 1).unbind(-1)
        return self.pixels.flatten()[(self.whose[..., None, None] * side + row) * side + column].to(places.dtype) / 255


def widened(pixels: Tensor, radius: int) -> Tensor:
    """Maps [N, S, S] uint8 in which all that is drawn reaches `radius` px farther, corners too: where an agent of that
    radius is stopped, its centre meets something."""
    return around(pixels, 2 * radius + 1, torch.maximum)


def around(pixels: Tensor, size: int, join: Callable[[Tensor, Tensor], Tensor] = torch.add) -> Tensor:
    """[N, S, S], none negative -> of each pixel all in the `size` x `size` about it, joined. Windows by shifts: many
    times as fast as torch's pooling on a CPU."""
    for axis, edge in ((1, (0, 0, size // 2, size // 2)), (2, (size // 2, size // 2))):
        padded = pad(pixels, edge)
        pixels = reduce(join, (padded.narrow(axis, first, pixels.shape[axis]) for first in range(size)))
    return pixels
