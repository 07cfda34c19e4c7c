"""What a world is like, said by codes and actions alone, and whether it is one for this kit. No label."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from tiny_jepa.models.map import widened
from tiny_jepa.training.examples import Codes

FAR = 8  # px: no agent is stopped farther from what is drawn
COLLAPSED = 0.1  # code units: what spreads less says nothing
STILL = 0.02  # px: what moves by less stands still
IDLE, UNSURE, UNEVEN, PUSHED = 0.15, 0.15, 1.25, 0.25  # limits of `follows`, `off`, `uneven` and `drift`


class Verdict(NamedTuple):
    """Figures of a trained encoder. A move's length is what dead reckoning says."""

    spread: float  # standard deviation of codes, code units; of x and y the smaller
    px_per_action: float  # how far an action of size 1 moves the agent
    largest: float  # px along an axis, of all moves
    follows: float  # how much of all moves that actions ask for is made: least squares
    off: float  # how far moves that are made end from where dead reckoning does, as a share of their length: the median
    uneven: float  # px per action in one half of the frame by that in the other, at least 1; of x and y the worse
    drift: float  # how far the agent moves by itself, as a share of a move's median length
    blocked: float  # share of moves that are not made
    radius: int  # px: how near the agent comes to what stops it

    def line(self) -> str:
        """What a user should know."""
        return (
            f"its world: an action of 1 moves the agent {self.px_per_action:.3g} px, the largest {self.largest:.3g}; "
            f"{self.blocked:.0%} of all moves are blocked"
        )

    def misfit(self, colours: bool) -> str | None:
        """Why nothing can be learned from these codes, if so; `colours`: in which the agent had to be found."""
        if not math.isfinite(self.spread):
            return "codes are not finite; smaller rates may help, or --data has faults"
        if self.spread < COLLAPSED:
            return f"collapsed: codes spread by {self.spread:.3f} units, so they follow nothing that moves"
        if not self.largest > STILL or self.follows == 0:
            return "nothing moves in the frames, or nothing that actions lead"
        if not colours:
            return None
        if self.follows < IDLE:
            return (
                f"actions do not move what the encoder follows: {max(self.follows, 0):.0%} of what they ask for is made"
            )
        if self.drift > PUSHED:
            return f"what moves also moves by itself, by {self.drift:.0%} of a move, without an action"
        if self.off > UNSURE:
            return f"moves that are made end {self.off:.0%} of their length away from where actions lead: {OTHERS}"
        if self.uneven > UNEVEN:
            return (
                f"equal actions move the agent {self.uneven:.2f} times as far in one half of the frame as in the other"
            )
        return None


OTHERS = "more than one thing moves, actions do not add to the place, or another colour is taken for the agent"


@torch.no_grad()
def judge(codes: Codes, scale: float, unit: float) -> Verdict:
    """codes of N trajectories, `scale` code units per px of action and `unit` px per code unit -> what they say."""
    places, actions = unit * codes.agent, codes.actions  # [N, T, 2] px
    moved, meant = places.diff(dim=1), unit * scale * actions
    size = meant.norm(dim=-1)
    typical = size.median().clamp_min(1e-9)
    off = (moved - meant).norm(dim=-1)
    blocked = off > 0.5 * size
    free = ~blocked & (size > 0.5 * typical)
    return Verdict(
        spread=float(codes.agent.flatten(0, 1).std(dim=0).min()),
        px_per_action=max(scale * unit, 0.0),
        largest=float(meant.abs().max()),
        follows=float((moved * meant).sum() / meant.square().sum().clamp_min(1e-9)),
        off=float((off / size)[free].median()) if free.any() else 1.0,
        uneven=max(unevenness(places[:, :-1][free], moved[free], actions[free], axis) for axis in (0, 1)),
        drift=float((moved - meant).flatten(0, 1).median(dim=0).values.norm() / typical),
        blocked=float(blocked.float().mean()),
        radius=radius_of(codes, places[:, :-1] + meant, blocked & (size > 0.5 * typical), free),
    )


def unevenness(places: Tensor, moved: Tensor, actions: Tensor, axis: int) -> float:
    """Px per action of moves [M, 2] in one half of their places, low or high along an axis, by the other half's."""
    if len(places) < 100:
        return 1.0
    low = places[:, axis] < places[:, axis].median()
    ratios = [float((moved * actions)[half].sum() / actions[half].square().sum()) for half in (low, ~low)]
    return max(ratios) / max(min(ratios), 1e-9)


def radius_of(codes: Codes, ends: Tensor, blocked: Tensor, free: Tensor) -> int:
    """How many px something drawn may lie from the end [N, T-1, 2] of a move, for that to tell blocked moves [N, T-1]
    from free ones best."""
    pixels, whose = codes.maps.pixels, codes.maps.whose[:, None].expand(blocked.shape)
    x, y = ends.round().long().clamp(0, pixels.shape[-1] - 1).unbind(-1)
    told = []
    for radius in range(FAR + 1):
        near = (widened(pixels, radius) > 127)[whose, y, x].float()
        told.append(float(near[blocked].mean() - near[free].mean()) if blocked.any() and free.any() else 0.0)
    return told.index(max(told))
