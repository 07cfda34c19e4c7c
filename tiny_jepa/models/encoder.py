"""The agent's encoder: frame channels in, a code in units of a world's `unit` px out.

A channel is summed over its rows and over its columns (axis pooling, Hou et al. 2021, arXiv:2103.02907): these two
marginals fully describe one dot, and 1-D convolutions on them cost 1/64 of 2-D ones. A spatial centroid (Finn et al.
2016, arXiv:1509.06113) turns the profile of each axis into a coordinate, anchored at pixel 0 whatever the image size.
"""

import torch
from einops import rearrange, reduce
from torch import Tensor, nn
from torch.nn.functional import conv1d

from tiny_jepa.device import in_float32
from tiny_jepa.worlds.contract import Frame


def marginals(channel: Tensor) -> Tensor:
    """Axis pooling: a channel [N, S, S], uint8 or float of any scale -> [N, 2, S] float32, the sums over rows (a
    profile along x) and over columns (along y), in units of each frame's brightest pixel."""
    may_be_negative, channel = channel.is_floating_point(), channel.float()
    peak = channel.amax(dim=(1, 2))[:, None, None]
    profiles = torch.stack([reduce(channel, "n h w -> n w", "sum"), reduce(channel, "n h w -> n h", "sum")], dim=1)
    if may_be_negative:  # standardised, say: the darkest pixel is black
        black = channel.amin(dim=(1, 2))[:, None, None]
        profiles, peak = profiles - channel.shape[-1] * black, peak - black
    return profiles / peak.clamp_min(1e-12)


def centroid(mass: Tensor, unit: float) -> Tensor:
    """Mass-weighted mean coordinate [..., S] -> [...] of a non-negative map, in units of `unit` px."""
    index = torch.arange(mass.shape[-1], device=mass.device, dtype=mass.dtype) / unit
    return (mass * index).sum(-1) / mass.sum(-1).clamp_min(1e-12)


class AgentEncoder(nn.Module):
    """Agent profiles [N, 2, S] from `marginals` -> agent code [N, 2], (x, y). One set of weights serves both axes.

    A profile is filtered by a palindrome of `kernel` taps, an odd number, without a bias: a code lies where its object
    lies, wherever that is. The filtered profile's square is the mass of the centroid: never negative, never dead, blind
    to brightness.
    """

    def __init__(self, kernel: int, frame: Frame) -> None:
        super().__init__()
        self.unit = frame.unit
        taps = torch.empty(kernel // 2 + 1).uniform_(-(kernel**-0.5), kernel**-0.5)  # from the middle outwards
        self.conv = nn.ParameterDict({"taps": taps})
        self.colour = nn.Parameter(torch.zeros(frame.channels)) if frame.agent is None else None

    @in_float32
    def forward(self, profiles: Tensor) -> Tensor:
        taps = self.conv["taps"]
        palindrome = rearrange(torch.cat([taps.flip(0), taps[1:]]), "k -> 1 1 k")
        filtered = conv1d(rearrange(profiles, "n k s -> (n k) 1 s"), palindrome, padding=len(taps) - 1)
        return rearrange(centroid(filtered.square(), self.unit), "(n k) 1 -> n k", k=2)
