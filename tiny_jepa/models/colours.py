"""Colour frames, taken apart into walls and agent, whatever their colours. The agent's is learned from what moves;
a frame that has nothing of it is read all the same.

Most pixels are floor, and most of the others wall. Two small things may be left that these do not explain: the agent, a
blurred dot or a disc, and a door or a mark that is drawn, which is flat. Each pixel is then a mixture of floor, wall,
door and agent, by least squares; on edges and under a blurred agent, too. Far from walls it is one of floor and agent
alone, if that explains it. Where the agent's colour is in line with those of floor and wall, as greys are, what is
neither of them nor an edge is the agent's.
"""

from collections.abc import Callable, Iterable
from functools import partial

import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import one_hot, pad

from tiny_jepa.models.map import around

CHUNK = 32
"""Frames taken apart at once: what is computed of them stays in cache."""
FAINT = 0.05
"""Of the wall's contrast: what differs less from a colour is of that colour."""
COLOURED = 0.2
"""The same: what differs more from all mixtures of floor and wall is of another colour."""
SAME = 1e-3
"""The same, of neighbours."""
FLAT = 1e-3
"""What a pixel of its neighbours' colour counts when the agent's is looked for."""
OFTEN = 0.25
"""Of a frame's side: pixels of one colour that are frequent."""
KNOWN = 0.95
"""A cosine: what differs from the floor as the agent's known colour does."""
ALIKE = 0.5
"""Of the contrast to what is behind: colours that differ by less are one."""
BESIDE = 0.05
"""What a pixel in a wall, or in line with one, counts when the agent's colour is looked for."""
APART = 0.01
"""A squared sine: colours whose directions from the floor's are more alike than that cannot be told apart."""
IN_LINE = 0.001
"""The same, of colours that are mixed: those more alike than that are in line, as greys are."""
SIMILAR = 0.75, 1.05
"""Of the wall's contrast: an agent between these may be one of the wall's colour whose centre lies between pixels."""
HASH = 257
"""Makes one number of a pixel's channels."""


def moving_colour(trajectories: Iterable[Tensor]) -> Tensor:
    """Frames [T, C, S, S] of trajectories -> the colour [C] of what moves; black where that is not one colour."""
    found, contrasts = list[Tensor](), list[Tensor]()
    for frames in trajectories:
        off = rearrange(frames - frames.median(dim=0).values, "t c h w -> t c (h w)").norm(dim=1)
        contrast, place = off.max(dim=1)  # [T]
        found.append(rearrange(frames, "t c h w -> t (h w) c")[torch.arange(len(place)), place])
        contrasts.append(contrast)
    colours = torch.cat(found)
    colour = colours.median(dim=0).values
    return colour * ((colours - colour).norm(dim=1) < ALIKE * torch.cat(contrasts)).float().median()


def unmixed(frames: Tensor, colour: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """frames [N, C, S, S], and the agent's colour [C] if it is known, and not black -> how much of each pixel is wall,
    from 0 to 1, and how likely it is the agent's, from 0; both [N, S, S]."""
    walls, agents = zip(*(unmix(part.float(), colour) for part in frames.split(CHUNK)), strict=True)
    return torch.cat(walls), torch.cat(agents)


def unmix(frames: Tensor, colour: Tensor | None) -> tuple[Tensor, Tensor]:
    """`unmixed`, of some frames. Colours [N, C, 1] are differences from the floor's."""
    side = frames.shape[-1]
    floor, wall = palette(frames)
    off = rearrange(frames, "n c h w -> n c (h w)") - floor
    seen, contrast = off.square().sum(1), wall.norm(dim=1)  # [N, P], [N, 1]
    faint = (FAINT * contrast) ** 2
    square = partial(rearrange, pattern="n (h w) -> n h w", h=side)
    other = square((seen > faint).float())
    lines = (other.mean(1, keepdim=True) > 0.5) | (other.mean(2, keepdim=True) > 0.5)
    apart = (off - wall).square().sum(1)
    is_wall = square(apart < (SAME * contrast) ** 2)
    solid = is_wall & (around(is_wall.float(), 3) > 2.5)  # a dot of the wall's colour is smaller
    alike, flat = (step < SAME * contrast[..., None] for step in steps(frames))
    beside = around(solid.float(), 3) > 0
    edge = alike & beside  # averaged walls have edges, straight ones
    along = shares(off, wall)[:, 0]  # where pixels are on the line from floor, 0, to wall, 1
    tint = (off - along[:, None] * wall).square().sum(1)  # what no mixture of floor and wall has
    spot = around(square(tint) * flat, 5, torch.maximum)  # about a thing of one colour
    near, flat, spot, beside, alike = (
        rearrange(each, "n h w -> n (h w)") for each in (lines | solid | edge, flat, spot, beside, alike)
    )
    counts, spot = torch.where(flat, FLAT, 1.0), torch.where(flat | (tint.clamp_min(faint) < 1.01 * spot), FLAT, 1.0)
    # where there is another colour, what mixes those of floor and wall is wall, and its corners
    coloured = tint * counts > (COLOURED * contrast) ** 2
    near = near | ((tint < APART * seen) & coloured.any(1, keepdim=True))

    wall_alone = torch.where(near, along.clamp(0, 1), (apart < seen).float())
    left = (off - wall_alone[:, None] * wall).square().sum(1)
    much = left * spot * torch.where(near & ~coloured, BESIDE, 1.0)
    if colour is not None and colour.any():
        known = colour[:, None] - floor
        of_it = (off * known).sum(1) > KNOWN * (seen * known.square().sum(1)).sqrt()
        much = torch.where(of_it & (left > faint), much / FLAT**2, much)
    agent = colour_at(off, much, left, square)
    alone = shares(off, agent)[:, 0]
    over = shares(off - wall, agent - wall)[:, 0].clamp(0, 1)  # of an agent over a wall
    past = (off - alone[:, None] * agent).square().sum(1)
    on_wall = (off - wall - over[:, None] * (agent - wall)).square().sum(1) + faint
    near = near | (torch.minimum(past, on_wall) > 2 * faint + APART * seen)
    of_wall, of_agent = shares(off, wall, agent).clamp_min(0).unbind(1)
    left = near * (off - of_wall[:, None] * wall - of_agent[:, None] * agent).square().sum(1)
    left = left * (left > torch.maximum(APART * seen, faint))
    door = colour_at(off * (left > 0)[:, None], left, left, square)
    mixed, on_wall = shares(off, wall, agent, door), on_wall < past
    agents = torch.where(near, mixed[:, 1], torch.where(on_wall, over, alone)).clamp_min(0)
    walls = torch.where(near, mixed[:, 0].clamp(0, 1), torch.where(on_wall, 1 - over, 0.0))
    dropped = door.any(1) & ~mixed[:, 2].any(1, keepdim=True)  # its colour is in the plane of wall's and agent's
    if dropped.any():  # what door and wall explain, as a mixture, has no agent
        drawn = shares(off, wall, door)
        rest = (off - drawn[:, :1] * wall - drawn[:, 1:] * door).square().sum(1)
        plain = dropped & (rest < faint) & (drawn > -FAINT).all(1) & (drawn.sum(1) < 1 + FAINT)
        agents, walls = torch.where(plain, 0.0, agents), torch.where(plain, drawn[:, 0].clamp(0, 1), walls)

    ahead = shares(agent, wall)[:, 0]  # where the agent's colour is on that line
    in_line = (agent - ahead[:, None] * wall).square().sum(1) < IN_LINE * agent.square().sum(1)
    in_line = in_line & ((ahead < SIMILAR[0]) | (ahead > SIMILAR[1]))
    if in_line.any():
        greys = in_greys(along, ahead, near | beside, alike)
        walls, agents = (torch.where(in_line, *each) for each in zip(greys, (walls, agents), strict=True))
    return square(walls), square(agents.square())


def in_greys(along: Tensor, ahead: Tensor, near: Tensor, flat: Tensor) -> tuple[Tensor, Tensor]:
    """`unmix` where the agent's colour is in line with those of floor, 0, and wall, 1: where on it pixels [N, P] are,
    and the agent [N, 1]; which pixels are near walls, or like a neighbour -> how much is wall, how much agent."""
    inside = along.clamp(0, 1)
    beyond = (along - inside).abs()
    other = (along - ahead).abs() > FAINT
    plain = flat & (near | (inside < FAINT)) & (beyond < FAINT) & other  # floor, wall, or an edge
    blended = torch.minimum(inside, 1 - inside) * ~plain
    touching = (near & ~plain & (along > FAINT)).any(1, keepdim=True)  # what of it is over a wall, none can tell
    farther = torch.where((ahead > 1) & touching, beyond, torch.where(plain, 0.0, (along / ahead).clamp_min(0)))
    over_wall = (along > ahead.clamp(0, 1)) & (near | (ahead < 1)) & other
    return inside * (plain | over_wall), torch.where((ahead - 0.5).abs() < 0.5, blended, farther)


def palette(frames: Tensor) -> tuple[Tensor, Tensor]:
    """frames [N, C, S, S] -> the colours of floor and wall [N, C, 1]: the most frequent one, and of those in the
    direction that most other pixels have from it, one that is both frequent and far."""
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
    return floor, off[torch.where(alike[most], counts * sizes**1.5, -1.0).argmax()]


def shares(off: Tensor, *colours: Tensor) -> Tensor:
    """How much of each colour [N, C, 1] is in pixels [N, C, P], by least squares -> [N, K, P]. Of one that is too like
    those before it, nothing."""
    own, known = list[Tensor](), list[Tensor]()
    for colour in colours:  # Gram and Schmidt
        rest = colour
        for one in own:
            rest = rest - (rest * one).sum(1, keepdim=True) * one
        size = rest.square().sum(1, keepdim=True)
        apart = size > IN_LINE * colour.square().sum(1, keepdim=True)
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


def colour_at(off: Tensor, much: Tensor, left: Tensor, square: Callable[[Tensor], Tensor]) -> Tensor:
    """The colour of pixels [N, C, P], `square` of which makes rows, where there is most of `much` [N, P] -> [N, C, 1].
    If the same colour is stronger in the middle of what there is about, or at the pixel near by that has most of `left`
    [N, P], it is taken from there."""
    about = around(square(much), 5).flatten(1)
    place = (about * much).argmax(1)  # there, not beside it
    near_by = around(square(one_hot(place, much.shape[1])), 5).flatten(1)
    places = torch.stack([place, about.argmax(1), (left * near_by).argmax(1)], dim=1)
    found, *others = off.gather(2, places[:, None].expand(-1, off.shape[1], -1)).split(1, dim=2)
    for other in others:
        size, along = found.square().sum(1, keepdim=True), (found * other).sum(1, keepdim=True)
        same = (along > size) & (along**2 > (1 - APART) * size * other.square().sum(1, keepdim=True))
        found = torch.where(same, other, found)
    return found
