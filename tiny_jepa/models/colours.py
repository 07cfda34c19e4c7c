"""Colour frames, taken apart into walls and agent, whatever their colours: nothing here is learned.

Most pixels are floor, so that most rows and columns have its colour for their median; those that a wall fills have the
wall's. Two small things may be left that these do not explain: the agent, which is blurred, and a door that is drawn,
which is flat. Each pixel is then a mixture of floor, wall, door and agent; on edges and under a blurred agent, too.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

CHUNK = 32  # frames taken apart at once: what is computed of them stays in cache
FAINT = 0.05  # of the strongest wall's contrast: what differs less from the floor is floor
SAME = 1e-3  # of the strongest wall's contrast: colours that differ by less are the same
FLAT = 1e-3  # what a pixel of a neighbour's colour counts as the agent's
INSIDE = 0.05  # what a pixel in a wall's row or column counts when the agent's colour is looked for
APART = 0.01  # a squared sine: colours whose directions from the floor's are more alike than that cannot be told apart


def unmixed(frames: Tensor) -> tuple[Tensor, Tensor]:
    """frames [N, C, S, S] -> how much of each pixel is wall, from 0 to 1, and how likely it is the agent's, from 0;
    both [N, S, S]."""
    walls, agents = zip(*(unmix(part.float()) for part in frames.split(CHUNK)), strict=True)
    return torch.cat(walls), torch.cat(agents)


def unmix(frames: Tensor) -> tuple[Tensor, Tensor]:
    """`unmixed`, of some frames."""
    columns, rows = frames.median(dim=2, keepdim=True).values, frames.median(dim=3, keepdim=True).values
    floor = columns.median(dim=3, keepdim=True).values
    off, columns, rows = frames - floor, columns - floor, rows - floor
    wall = torch.where(dot(columns, columns) >= dot(rows, rows), columns, rows)  # [N, C, S, S]
    contrast = dot(wall, wall).sqrt()
    most = contrast.amax((2, 3), keepdim=True)
    drawn = contrast > FAINT * most
    wall = wall * drawn
    flat = least_step(off) < SAME * most
    counts = torch.where(flat, FLAT, 1.0)
    left = off - share_of(wall, off) * wall
    agent = colour_at(off, dot(left, left) * counts * torch.where(drawn, INSIDE, 1.0))
    other = agent * told(agent, wall)[1].isfinite()  # where both are alike, it is wall
    left = drawn * (off - share_of(wall, off, other) * wall - share_of(agent, off, wall) * agent)
    left = left * (dot(left, left) > torch.maximum(APART * dot(off, off), (FAINT * most) ** 2))
    door = colour_at(off * (left != 0), dot(left, left)) * drawn
    walls = share_of(wall, off, other, door) * contrast / most.clamp_min(1e-12)
    agents = counts * share_of(agent, off, wall, door).clamp_min(0).square()
    return walls.clamp(0, 1)[:, 0], agents[:, 0]


def dot(one: Tensor, other: Tensor) -> Tensor:
    """Products of colours [N, C, ...], which broadcast -> [N, 1, ...]."""
    return (one * other).sum(1, keepdim=True)


def told(colour: Tensor, *others: Tensor) -> tuple[Tensor, Tensor]:
    """What is in a colour and not in others [N, C, ...], from the floor's, and its square [N, 1, ...]: infinite where
    the colour is too like the others."""
    known = list[Tensor]()
    for each in (*others, colour):
        own = each
        for other in known:
            own = own - dot(own, other) * other
        size = dot(own, own)
        size = torch.where(size > APART * dot(each, each), size, torch.inf)
        known.append(own * size.rsqrt())
    return own, size


def share_of(colour: Tensor, off: Tensor, *others: Tensor) -> Tensor:
    """How much of a colour is in pixels `off` beside others, by least squares; all [N, C, ...], from the floor's
    -> [N, 1, ...]. Where it is too like the others, they have it all."""
    own, size = told(colour, *others)
    return dot(off, own) / size


def least_step(off: Tensor) -> Tensor:
    """How far each pixel's colour [N, C, S, S] is from that of the nearest of its neighbours -> [N, 1, S, S]."""
    x, y = pad(off.diff(dim=3).abs().amax(1, True), (1, 1)), pad(off.diff(dim=2).abs().amax(1, True), (0, 0, 1, 1))
    return torch.stack([x[..., 1:], x[..., :-1], y[..., 1:, :], y[..., :-1, :]]).amin(0)


def colour_at(off: Tensor, much: Tensor) -> Tensor:
    """The colour of pixels [N, C, S, S] where there is most of [N, 1, S, S] about -> [N, C, 1, 1]."""
    place = avg_pool2d(much, 5, 1, 2).flatten(1).argmax(1)
    return off.flatten(2)[torch.arange(len(off), device=off.device), :, place][..., None, None]
