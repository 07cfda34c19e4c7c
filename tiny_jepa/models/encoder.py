"""Encoders: frame channels in, a code in units of a world's `unit` px out.

A channel is summed over its rows and over its columns (axis pooling, as in coordinate attention, Hou et al. 2021,
arXiv:2103.02907): one dot, or one wall with one door, is fully described by these two marginals, and 1-D convolutions
on them cost 1/64 of 2-D ones. A spatial centroid (Finn et al. 2016, arXiv:1509.06113) turns the map of each axis into
a coordinate, anchored at pixel 0 whatever the image size. Kernels are symmetric, so that a code lies where its object
lies, not beside it.
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


def deviations(frames: Tensor) -> Tensor:
    """Axis pooling of all channels, whose background may have any colour.

    Args:
        frames: [N, C, S, S], uint8 or float of any scale, or their sums over rows and columns [N, C, 2, S].

    Returns:
        [N, C, 2, S] float32: sums over rows (along x) and over columns (along y), less their medians; the largest
        deviation of a frame is 1.
    """
    sums = frames.float()
    if sums.shape[-2] != 2:
        sums = torch.stack([reduce(sums, "n c h w -> n c w", "sum"), reduce(sums, "n c h w -> n c h", "sum")], dim=2)
    sums = sums - sums.median(dim=-1, keepdim=True).values
    return sums / sums.abs().amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)


def centroid(mass: Tensor, unit: float) -> Tensor:
    """Mass-weighted mean coordinate [..., S] -> [...] of a non-negative map, in units of `unit` px."""
    index = torch.arange(mass.shape[-1], device=mass.device, dtype=mass.dtype) / unit
    return (mass * index).sum(-1) / mass.sum(-1).clamp_min(1e-12)


def half_width(maps: Tensor, unit: float) -> Tensor:
    """Half of what maps [..., S] that each sum to 1 cover, in units of `unit` px -> [...]: the inverse participation
    ratio, which is the width of an even map, and hardly minds a little mass elsewhere."""
    return 0.5 / (unit * maps.square().sum(-1))


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


class Mix(nn.Module):
    """A learned mix of C channels: profiles [N, C, 2, S] -> [N, 2, S]. Pooling is linear, so that mixing may follow."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.empty(channels).uniform_(-1, 1))

    @in_float32
    def forward(self, profiles: Tensor) -> Tensor:
        return torch.einsum("c, n c k s -> n k s", self.weights, profiles)


def mix(frame: Frame, channel: int | None) -> nn.Module:
    """What makes profiles [N, 2, S] of those of `channel`, or of all channels."""
    return nn.Identity() if channel is not None else Mix(frame.channels)


class AgentEncoder(nn.Module):
    """Agent profiles -> agent code [N, 2], (x, y). One set of weights serves both axes.

    The map's square is the mass of the centroid: never negative, never dead, blind to the frame's brightness.
    """

    def __init__(self, kernel: int, frame: Frame) -> None:
        super().__init__()
        self.unit, self.mix, self.conv = frame.unit, mix(frame, frame.agent), SymmetricConv(kernel)

    def forward(self, profiles: Tensor) -> Tensor:
        """profiles: [N, 2, S] from `marginals`, or [N, C, 2, S] from `deviations` -> code [N, 2]."""
        mass = self.conv(rearrange(self.mix(profiles), "n k s -> (n k) s")).square()
        return rearrange(centroid(mass, self.unit), "(n k) -> n k", k=2)


class LayoutEncoder(nn.Module):
    """Layout profiles -> layout code [N, L]: of each key point the coordinates that are read, each a soft arg-max over
    a map of its own axis, and the half-widths of those maps where a world asks for them."""

    def __init__(self, kernel: int, frame: Frame) -> None:
        super().__init__()
        self.unit, self.read = frame.unit, ["xy".index(axis) for axis in frame.read * frame.key_points]
        self.widths = frame.widths
        self.mix = mix(frame, frame.layout) if self.read else nn.Identity()
        self.axes = nn.ModuleList(SymmetricConv(kernel) for _ in self.read)

    def maps(self, profiles: Tensor) -> Tensor:
        """profiles [N, 2, S] from `marginals`, or [N, C, 2, S] from `deviations` -> maps of the coordinates
        [N, coordinates, S], each summing to 1 over S."""
        if not self.read:
            return profiles.new_empty(len(profiles), 0, profiles.shape[-1])
        profiles = self.mix(profiles)
        profiles = profiles.sign() * torch.log1p(profiles.abs())  # so that a small dip is seen beside a high peak
        return torch.stack([conv(profiles[:, k]).softmax(-1) for k, conv in zip(self.read, self.axes, strict=True)], 1)

    def forward(self, profiles: Tensor) -> Tensor:
        """profiles as `maps` takes them -> code [N, L]."""
        return self.read_off(self.maps(profiles))

    def read_off(self, maps: Tensor) -> Tensor:
        """maps [N, coordinates, S] -> code [N, L]."""
        places = centroid(maps, self.unit)
        return torch.cat([places, half_width(maps, self.unit)], dim=-1) if self.widths else places


def with_edges(layout: Tensor, size: float, unit: float) -> Tensor:
    """layout code [..., L] -> context [..., L + 2]: layout code, and far edge (x, y) of a square frame of `size` px."""
    edges = layout.new_full((*layout.shape[:-1], 2), (size - 1) / unit)  # so that an exported graph takes any size
    return torch.cat([layout, edges], dim=-1)
