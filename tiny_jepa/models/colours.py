"""Colour frames, taken apart into walls and agent, whatever their colours: nothing here is learned.

Most pixels are floor, so that most rows and columns have its colour for their median; those that a wall fills have the
wall's. The agent is the small thing that these explain least. Each pixel is then a mixture of floor, wall and agent; on
edges and under a blurred agent, too.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

FAINT = 0.05
"""Of the strongest wall's contrast: what differs less from the floor is floor."""
SAME = 1e-3
"""Of the strongest wall's contrast: colours that differ by less are the same."""
FLAT = 1e-3
"""What a pixel of a neighbour's colour counts as the agent's: a drawn door is flat, a blurred dot is not."""
APART = 0.01
"""A squared sine: walls and agents whose colours lie in directions more alike than that cannot be told apart."""


def unmixed(frames: Tensor) -> tuple[Tensor, Tensor]:
    """frames [N, C, S, S] -> how much of each pixel is wall, from 0 to 1, and how likely it is the agent's, from 0;
    both [N, S, S]."""
    frames = frames.float()
    columns, rows = frames.median(dim=2, keepdim=True).values, frames.median(dim=3, keepdim=True).values
    floor = columns.median(dim=3, keepdim=True).values
    off, columns, rows = frames - floor, columns - floor, rows - floor
    wall = torch.where(dot(columns, columns)[:, None] >= dot(rows, rows)[:, None], columns, rows)  # [N, C, S, S]
    size = dot(wall, wall)
    most = size.amax((1, 2), keepdim=True).clamp_min(1e-12)
    drawn = size > FAINT**2 * most
    size = torch.where(drawn, size, torch.inf)
    along = dot(off, wall)
    counts = torch.where(least_step(off) < SAME * most.sqrt(), FLAT, 1.0)
    own = agent_colour(off, counts * (dot(off, off) - along.square() / size))
    # off = a wall + b own, by least squares
    across, own_size, own_along = dot(own, wall), dot(own, own).clamp_min(1e-12), dot(own, off)
    apart = 1 - across.square() / size / own_size
    told = apart > APART
    apart = torch.where(told, apart, 1.0)
    a = (along - torch.where(told, across * own_along / own_size, 0.0)) / size / apart
    b = torch.where(told, own_along - across * along / size, 0.0) / own_size / apart
    return (a * torch.where(drawn, size / most, 0.0).sqrt()).clamp(0, 1), counts * b.clamp_min(0).square()


def dot(one: Tensor, other: Tensor) -> Tensor:
    """Products of colours [N, C, ...], which broadcast -> [N, ...]."""
    return (one * other).sum(1)


def least_step(off: Tensor) -> Tensor:
    """How far each pixel's colour [N, C, S, S] is from that of the nearest of its neighbours -> [N, S, S]."""
    x, y = pad(off.diff(dim=3).abs().amax(1), (1, 1)), pad(off.diff(dim=2).abs().amax(1), (0, 0, 1, 1))
    return torch.stack([x[..., 1:], x[..., :-1], y[:, 1:], y[:, :-1]]).amin(0)


def agent_colour(off: Tensor, unexplained: Tensor) -> Tensor:
    """The colour [N, C, 1, 1] of frames [N, C, S, S] where most about it is unexplained [N, S, S]."""
    place = avg_pool2d(unexplained, 5, 1, 2).flatten(1).argmax(1)
    return off.flatten(2)[torch.arange(len(off), device=off.device), :, place][..., None, None]


def colour_map(frames: Tensor) -> Tensor:
    """frames [N, C, S, S] -> maps [N, S, S] uint8."""
    return (255 * unmixed(frames)[0]).round().to(torch.uint8)
