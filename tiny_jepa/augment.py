"""Wall/door-aware augmentation of whole trajectories, from frames and actions alone.

Where the agent is comes from the mass of its channel's pixels, where wall and door are from the layout's pixels.
A transformed trajectory is kept only where its own motion proves it consistent, with half a pixel to spare; else
the trajectory stays as it was. Moved and mirrored walls may reach columns that the training set never shows.
"""

from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange, reduce
from torch import Tensor

MARGIN = 0.5  # px
SHIFT = 8  # px: the farthest that a scene is shifted


@dataclass
class Scene:
    """What the pixels say: agent [B, T, 2] px, border [B, 2, 2] px (low, high of x and y), wall [B, 2] px (first and
    last column), door [B, 2] px (first and last open row)."""

    agent: Tensor
    border: Tensor
    wall: Tensor
    door: Tensor


def augment(states: Tensor, actions: Tensor, rng: np.random.Generator, kind: str) -> tuple[Tensor, Tensor]:
    """states [B, T, 2, H, W] and actions [B, T-1, 2] px -> the same, transformed. `kind`: full, mirrors or none.

    One draw of mirrors serves the whole batch. In `full`, its first quarter is tried for a shift, its second for a
    moved layout.
    """
    if kind == "none":
        return states, actions
    states, actions = mirror(states, actions, *(rng.random(2) < 0.5))
    if kind == "full":
        first, second = slice(len(states) // 4), slice(len(states) // 4, len(states) // 2)
        states[first] = shift_scene(states[first], actions[first], rng)
        states[second] = move_layout(states[second], actions[second], rng)
    return states, actions


def mirror(states: Tensor, actions: Tensor, left_right: bool, top_bottom: bool) -> tuple[Tensor, Tensor]:
    """Mirrors the frames [B, T, 2, H, W], the actions' signs [B, T-1, 2] with them; copies."""
    axes = [axis for axis, flipped in ((-1, left_right), (-2, top_bottom)) if flipped]
    sign = torch.tensor([-1.0 if left_right else 1.0, -1.0 if top_bottom else 1.0], device=actions.device)
    return states.flip(axes), actions * sign


def shift_scene(states: Tensor, actions: Tensor, rng: np.random.Generator) -> Tensor:
    """Shifts agent, wall and door together by whole pixels, inside the same borders, where no step of the trajectory
    meets a border, neither before nor after. -> states [B, T, 2, H, W]."""
    scene = read_scene(states)
    shift = torch.from_numpy(rng.integers(-SHIFT, SHIFT + 1, (len(states), 2)))
    ends = proposed_ends(scene, actions)
    moved = torch.cat([scene.agent, ends, ends + shift[:, None], scene.agent + shift[:, None]], dim=1)
    low, high = scene.border[:, None, :, 0] + MARGIN, scene.border[:, None, :, 1] - MARGIN
    inside = ((moved > low) & (moved < high)).flatten(1).all(dim=1)
    wall, door = scene.wall + shift[:, :1], scene.door + shift[:, 1:]
    keep = inside & fits(scene, wall, door)
    states = states.clone()
    for i in keep.nonzero().flatten().tolist():
        dx, dy = shift[i].tolist()
        states[i, :, 0] = torch.roll(states[i, :, 0], (dy, dx), dims=(-2, -1))
    states[keep, :, 1] = redraw(states[keep, 0, 1], scene.border[keep], wall[keep], door[keep])[:, None]
    return states


def move_layout(states: Tensor, actions: Tensor, rng: np.random.Generator) -> Tensor:
    """Moves wall and door, the agent staying, to where the trajectory's own motion allows them: every blocked step is
    the border's doing, no location and no move comes near the new wall but through its door.
    -> states [B, T, 2, H, W]."""
    scene = read_scene(states)
    span = scene.border[:, :, 1] - scene.border[:, :, 0]  # [B, 2]
    place = scene.border[:, :, 0] + span * torch.from_numpy(rng.random((len(states), 2))).float()
    wall = scene.wall + (place[:, :1] - scene.wall.float().mean(1, keepdim=True)).round().long()
    door = scene.door + (place[:, 1:] - scene.door.float().mean(1, keepdim=True)).round().long()
    ends = proposed_ends(scene, actions)
    starts = scene.agent[:, :-1]
    travelled = (scene.agent[:, 1:] - starts).norm(dim=-1)
    blocked = travelled < 0.5 * actions.norm(dim=-1)
    low, high = scene.border[:, None, :, 0], scene.border[:, None, :, 1]
    by_border = ((ends < low - MARGIN / 8) | (ends > high + MARGIN / 8)).any(-1)
    arrivals = torch.where(blocked[..., None], starts, ends)
    left, right = wall[:, None, :1] - MARGIN, wall[:, None, 1:] + MARGIN
    x0, x1 = starts[..., :1], arrivals[..., :1]
    clear = (((x0 < left) & (x1 < left)) | ((x0 > right) & (x1 > right)))[..., 0]
    top, bottom = door[:, None, 0] + MARGIN, door[:, None, 1] - MARGIN
    y0, y1 = starts[..., 1], arrivals[..., 1]
    through = (y0 > top) & (y0 < bottom) & (y1 > top) & (y1 < bottom)
    keep = ((clear | through) & (by_border | ~blocked)).all(dim=1) & fits(scene, wall, door)
    states = states.clone()
    states[keep, :, 1] = redraw(states[keep, 0, 1], scene.border[keep], wall[keep], door[keep])[:, None]
    return states


def proposed_ends(scene: Scene, actions: Tensor) -> Tensor:
    """Where every move would end if nothing stopped it [B, T-1, 2] px."""
    return scene.agent[:, :-1] + actions


def fits(scene: Scene, wall: Tensor, door: Tensor) -> Tensor:
    """Whether wall columns and door rows [B, 2] px leave a room on both sides and wall above and below -> [B]."""
    x, y = scene.border[:, 0], scene.border[:, 1]
    rooms = (wall[:, 0] > x[:, 0] + 4) & (wall[:, 1] < x[:, 1] - 4)
    return rooms & (door[:, 0] > y[:, 0] + 1) & (door[:, 1] < y[:, 1] - 1)


def read_scene(states: Tensor) -> Scene:
    """Reads agent, borders, wall and door off the pixels of states [B, T, 2, H, W]."""
    agent = states[:, :, 0].float()
    index = torch.arange(agent.shape[-1], device=agent.device, dtype=torch.float32)
    columns, rows = reduce(agent, "b t h w -> b t w", "sum"), reduce(agent, "b t h w -> b t h", "sum")
    mass = rows.sum(-1).clamp_min(1e-12)
    location = torch.stack([(columns * index).sum(-1) / mass, (rows * index).sum(-1) / mass], dim=-1)
    drawn = states[:, 0, 1] > 0
    full_columns, full_rows = drawn.all(dim=1), drawn.all(dim=2)  # border lines run edge to edge, walls have a door
    border = torch.stack([_extent(full_columns), _extent(full_rows)], dim=1)
    wall_columns = (drawn.float().mean(dim=1) > 0.5) & ~full_columns
    wall = _extent(wall_columns)
    at_wall = drawn.gather(2, rearrange(wall[:, 0], "b -> b 1 1").expand(-1, drawn.shape[1], 1)).squeeze(2)
    return Scene(location, border, wall, _extent(~at_wall))


def redraw(layout: Tensor, border: Tensor, wall: Tensor, door: Tensor) -> Tensor:
    """Layout channels [B, H, W] as bright as `layout`, with border, wall and door where a `Scene` has them."""
    index = torch.arange(layout.shape[-1], device=layout.device)
    in_wall = (index >= wall[:, :1]) & (index <= wall[:, 1:])  # [B, W]
    closed = (index < door[:, :1]) | (index > door[:, 1:])  # [B, H]
    columns, rows = (((index == line[:, :1]) | (index == line[:, 1:])) for line in border.unbind(1))
    drawn = rearrange(in_wall, "b w -> b 1 w") & rearrange(closed, "b h -> b h 1")
    drawn = drawn | rearrange(columns, "b w -> b 1 w") | rearrange(rows, "b h -> b h 1")
    return drawn.to(layout.dtype) * layout.amax(dim=(1, 2), keepdim=True)


def _extent(mask: Tensor) -> Tensor:
    """First and last index of the true entries of [B, S] -> [B, 2] int64."""
    number = mask.to(torch.uint8)
    return torch.stack([number.argmax(1), mask.shape[1] - 1 - number.flip(1).argmax(1)], dim=1)
