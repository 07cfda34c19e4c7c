"""The agent's encoder: frame channels in, a code in units of a world's `unit` px out.

A channel is summed over its rows and over its columns (axis pooling, as in coordinate attention, Hou et al. 2021,
arXiv:2103.02907): one dot is fully described by these two marginals, and 1-D convolutions on them cost 1/64 of
2-D ones. A spatial centroid (Finn et al. 2016, arXiv:1509.06113) turns the profile of each axis into a coordinate,
anchored at pixel 0 whatever the image size. Kernels are symmetric, so that a code lies where its object lies, not
beside it.
"""

import torch
from einops import rearrange, reduce
from torch import Tensor, nn

from tiny_jepa.models.precision import in_float32
from tiny_jepa.worlds.contract import Frame


def marginals(channel: Tensor) -> Tensor:
    """Axis pooling without parameters.

    Args:
        channel: [N, S, S], uint8 or float of any scale; each frame is normalised by its own maximum, and its minimum
            where it is float.

    Returns:
        [N, 2, S] float32: the sums over rows (a profile along x) and over columns (along y).
    """
    may_be_negative, channel = channel.is_floating_point(), channel.float()
    peak = channel.amax(dim=(1, 2))
    along_x, along_y = reduce(channel, "n h w -> n w", "sum"), reduce(channel, "n h w -> n h", "sum")
    profiles = torch.stack([along_x, along_y], dim=1)
    if may_be_negative:  # standardised, say: what is below every pixel is black
        black = channel.amin(dim=(1, 2))
        profiles, peak = profiles - channel.shape[-1] * black[:, None, None], peak - black
    return profiles / peak.clamp_min(1e-12)[:, None, None]


def centroid(mass: Tensor, unit: float) -> Tensor:
    """Mass-weighted mean coordinate [..., S] -> [...] of a non-negative map, in units of `unit` px."""
    index = torch.arange(mass.shape[-1], device=mass.device, dtype=mass.dtype) / unit
    return (mass * index).sum(-1) / mass.sum(-1).clamp_min(1e-12)


class SymmetricConv(nn.Module):
    """1-D convolution of a profile by a palindrome: [N, S] -> [N, S].

    Of `kernel` taps, an odd number, the middle one and those on one side of it are free. Without a bias the filter is
    covariant to shifts and mirrors: it has nothing to prefer the image's centre, or a side, with.
    """

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.taps = nn.Parameter(torch.empty(kernel // 2 + 1))  # from the middle outwards
        nn.init.uniform_(self.taps, -(kernel**-0.5), kernel**-0.5)

    @in_float32
    def forward(self, profile: Tensor) -> Tensor:
        palindrome = torch.cat([self.taps.flip(0), self.taps[1:]])
        weight = rearrange(palindrome, "k -> 1 1 k")
        mapped = nn.functional.conv1d(rearrange(profile, "n s -> n 1 s"), weight, padding=len(self.taps) - 1)
        return rearrange(mapped, "n 1 s -> n s")


class AgentEncoder(nn.Module):
    """Agent profiles -> agent code [N, 2], (x, y). One set of weights serves both axes.

    The map's square is the mass of the centroid: never negative, never dead, blind to the frame's brightness.
    """

    def __init__(self, kernel: int, frame: Frame) -> None:
        super().__init__()
        self.unit, self.conv = frame.unit, SymmetricConv(kernel)

    def forward(self, profiles: Tensor) -> Tensor:
        """profiles: [N, 2, S] from `marginals` -> code [N, 2]."""
        mass = self.conv(rearrange(profiles, "n k s -> (n k) s")).square()
        return rearrange(centroid(mass, self.unit), "(n k) -> n k", k=2)
