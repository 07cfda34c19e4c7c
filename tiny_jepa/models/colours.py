"""Colour frames, taken apart into walls and agent, whatever their colours: nothing here is learned.

Most pixels are floor, and most of the others wall. Two small things may be left that these do not explain: the agent,
which is blurred, and a door or a mark that is drawn, which is flat. Each pixel is then a mixture of floor, wall, door
and agent, by least squares; on edges and under a blurred agent, too. Far from walls it is one of floor and agent alone,
if that explains it.
"""

import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d, pad

CHUNK = 32
"""Frames taken apart at once: what is computed of them stays in cache."""
FAINT = 0.05
"""Of the wall's contrast: what differs less from a colour is of that colour."""
COLOURED = 0.2
"""The same: what differs more from all mixtures of floor and wall is of another colour."""
SAME = 1e-3
"""The same, of neighbours."""
FLAT = 1e-3
"""What a pixel of a neighbour's colour counts as the agent's."""
OFTEN = 0.25
"""Of a frame's side: pixels of one colour that are frequent."""
BESIDE = 0.05
"""What a pixel in a wall, or in line with one, counts when the agent's colour is looked for."""
APART = 0.01
"""A squared sine: colours whose directions from the floor's are more alike than that cannot be told apart."""
HASH = 257
"""Makes one number of a pixel's channels."""


def unmixed(frames: Tensor) -> tuple[Tensor, Tensor]:
    """frames [N, C, S, S] -> how much of each pixel is wall, from 0 to 1, and how likely it is the agent's, from 0;
    both [N, S, S]."""
    walls, agents = zip(*(unmix(part.float()) for part in frames.split(CHUNK)), strict=True)
    return torch.cat(walls), torch.cat(agents)


def unmix(frames: Tensor) -> tuple[Tensor, Tensor]:
    """`unmixed`, of some frames. Colours [N, C, 1] are differences from the floor's."""
    side = frames.shape[-1]
    floor, wall = palette(frames)
    off = rearrange(frames, "n c h w -> n c (h w)") - floor
    seen, contrast = off.square().sum(1), wall.norm(dim=1)  # [N, P], [N, 1]
    faint = (FAINT * contrast) ** 2
    other = rearrange((seen > faint).float(), "n (h w) -> n h w", h=side)
    lines = (other.mean(1, keepdim=True) > 0.5) | (other.mean(2, keepdim=True) > 0.5)
    apart = (off - wall).square().sum(1)
    is_wall = rearrange(apart < (SAME * contrast) ** 2, "n (h w) -> n h w", h=side)
    solid = is_wall & (avg_pool2d(is_wall.float(), 3, 1, 1) > 2.5 / 9)  # a dot of the wall's colour is smaller
    alike, flat = (step < SAME * contrast[..., None] for step in steps(frames))
    edge = alike & (max_pool2d(solid.float(), 3, 1, 1) > 0)  # averaged walls have edges, straight ones
    tint = (off - shares(off, wall) * wall).square().sum(1)  # what no mixture of floor and wall has
    spot = max_pool2d(rearrange(tint, "n (h w) -> n h w", h=side) * flat, 5, 1, 2)  # about a thing of one colour
    near, flat, spot = (rearrange(each, "n h w -> n (h w)") for each in (lines | solid | edge, flat, spot))
    counts, spot = torch.where(flat, FLAT, 1.0), torch.where(flat | (tint.clamp_min(faint) < 1.01 * spot), FLAT, 1.0)
    # where there is another colour, what mixes those of floor and wall is wall, and its corners
    coloured = tint * counts > (COLOURED * contrast) ** 2
    near = near | ((tint < APART * seen) & coloured.any(1, keepdim=True))

    wall_alone = torch.where(near, shares(off, wall)[:, 0].clamp(0, 1), (apart < seen).float())
    left = (off - wall_alone[:, None] * wall).square().sum(1)
    agent = colour_at(off, left * spot * torch.where(near & ~coloured, BESIDE, 1.0), side)
    alone = shares(off, agent)[:, 0]
    over = shares(off - wall, agent - wall)[:, 0].clamp(0, 1)  # of an agent over a wall
    past = (off - alone[:, None] * agent).square().sum(1)
    on_wall = (off - wall - over[:, None] * (agent - wall)).square().sum(1) + faint
    near = near | (torch.minimum(past, on_wall) > 2 * faint + APART * seen)
    of_wall, of_agent = shares(off, wall, agent).unbind(1)
    left = near * (off - of_wall[:, None] * wall - of_agent[:, None] * agent).square().sum(1)
    left = left * (left > torch.maximum(APART * seen, faint))
    door = colour_at(off * (left > 0)[:, None], left, side)
    mixed, on_wall = shares(off, wall, agent, door), on_wall < past
    agents = torch.where(near, mixed[:, 1], torch.where(on_wall, over, alone)).clamp_min(0).square() * counts
    walls = torch.where(near, mixed[:, 0].clamp(0, 1), torch.where(on_wall, 1 - over, 0.0))
    return tuple(rearrange(each, "n (h w) -> n h w", h=side) for each in (walls, agents))  # type: ignore[return-value]


def palette(frames: Tensor) -> tuple[Tensor, Tensor]:
    """frames [N, C, S, S] -> the colours of floor and wall [N, C, 1]: the most frequent one, and of those in the
    direction that most other pixels have from it, the farthest that is frequent."""
    found = [floor_and_wall(rearrange(frame, "c h w -> (h w) c")) for frame in frames]
    floor, wall = (torch.stack(each)[..., None] for each in zip(*found, strict=True))
    return floor, wall


def floor_and_wall(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """`palette`, of one frame's pixels [P, C]."""
    places = HASH ** torch.arange(min(pixels.shape[1], 7), device=pixels.device)
    _, whose, counts = torch.unique((pixels[:, :7].long() * places).sum(1), return_inverse=True, return_counts=True)
    colours = pixels.new_zeros(len(counts), pixels.shape[1])
    colours[whose] = pixels
    floor = colours[counts.argmax()]
    often = counts >= min(OFTEN * len(pixels) ** 0.5, float(counts.topk(min(2, len(counts))).values[-1]))
    off, counts = colours[often] - floor, counts[often]
    sizes = off.norm(dim=1)
    ways = off / sizes.clamp_min(1e-9)[:, None]
    alike = (ways @ ways.T > 1 - APART) & (sizes > FAINT * sizes.max())
    most = (alike * counts).sum(1).argmax()
    return floor, off[torch.where(alike[most], sizes, -1.0).argmax()]


def shares(off: Tensor, *colours: Tensor) -> Tensor:
    """How much of each colour [N, C, 1] is in pixels [N, C, P], by least squares -> [N, K, P]. Of one that is too like
    those before it, nothing."""
    own, known = list[Tensor](), list[Tensor]()
    for colour in colours:  # Gram and Schmidt
        rest = colour
        for one in own:
            rest = rest - (rest * one).sum(1, keepdim=True) * one
        size = rest.square().sum(1, keepdim=True)
        apart = size > APART * colour.square().sum(1, keepdim=True)
        own.append(torch.where(apart, rest * size.clamp_min(1e-12).rsqrt(), 0.0))
        known.append(torch.where(apart, colour, 0.0))
    basis = torch.cat(own, 2)  # [N, C, K]
    return torch.linalg.pinv(torch.triu(basis.mT @ torch.cat(known, 2))) @ (basis.mT @ off)


def steps(frames: Tensor) -> tuple[Tensor, Tensor]:
    """How far each pixel's colour [N, C, S, S] is from that of the nearest of its four neighbours, and of the second
    nearest -> [N, S, S] each."""
    x, y = (
        pad(frames.diff(dim=dim).abs().amax(1), sides, value=torch.inf)
        for dim, sides in ((3, (1, 1)), (2, (0, 0, 1, 1)))
    )
    both = (x[..., 1:], x[..., :-1]), (y[..., 1:, :], y[..., :-1, :])
    near, far = ([function(*each) for each in both] for function in (torch.minimum, torch.maximum))
    return torch.minimum(*near), torch.minimum(torch.maximum(*near), torch.minimum(*far))


def colour_at(off: Tensor, much: Tensor, side: int) -> Tensor:
    """The colour of pixels [N, C, P] of S rows, where there is most of [N, P] about -> [N, C, 1]."""
    about = avg_pool2d(rearrange(much, "n (h w) -> n 1 h w", h=side), 5, 1, 2).flatten(1)
    place = (about * much).argmax(1)  # there, not beside it
    return off.gather(2, place[:, None, None].expand(-1, off.shape[1], 1))
