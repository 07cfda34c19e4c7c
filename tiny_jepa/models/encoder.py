"""Encoders: one frame channel in, a code in units of `UNIT` px out.

A channel is summed over its rows and over its columns (axis pooling, as in coordinate attention, Hou et al. 2021,
arXiv:2103.02907): one dot, or one wall with one door, is fully described by these two marginals, and depthwise-
separable convolutions on them cost 1/64 of 2-D ones. A spatial centroid (Finn et al. 2016, arXiv:1509.06113) turns
the feature map of each axis into a coordinate, anchored at pixel 0 whatever the image size.
"""

import torch
from einops import rearrange, reduce
from torch import Tensor, nn

UNIT = 16.0
"""Codes are in units of this many px, so that they are of order one."""
GRID_CELL = 4
GRID_CELLS = 18
"""Grid pooling: cells of 4 px from pixel 0 on; 18 of them cover any image up to 72 px."""


def marginals(channel: Tensor) -> Tensor:
    """Axis pooling without parameters.

    Args:
        channel: [N, H, W], uint8 or float of any scale; it is normalised by each frame's own maximum.

    Returns:
        [N, 2, S] float32: the sums over rows (a profile along x) and over columns (along y).
    """
    channel = channel.float()
    peak = channel.amax(dim=(1, 2)).clamp_min(1e-12)
    along_x, along_y = reduce(channel, "n h w -> n w", "sum"), reduce(channel, "n h w -> n h", "sum")
    return torch.stack([along_x, along_y], dim=1) / peak[:, None, None]


def centroid(mass: Tensor) -> Tensor:
    """Mass-weighted mean coordinate [..., S] -> [...] of a non-negative map, in units of `UNIT` px."""
    index = torch.arange(mass.shape[-1], device=mass.device, dtype=mass.dtype) / UNIT
    return (mass * index).sum(-1) / mass.sum(-1).clamp_min(1e-12)


class SeparableConv(nn.Module):
    """Depthwise-separable 1-D convolution of one marginal: `channels` filters of `kernel` taps, a rectifier,
    a pointwise mix to one map. [N, S] -> [N, S]. Without biases it is covariant to shifts and homogeneous: it has
    nothing to prefer the image's centre with."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(1, channels, kernel, padding=kernel // 2, bias=False)
        # one channel has nothing to be mixed with: its filter is the map
        self.pointwise = nn.Conv1d(channels, 1, 1, bias=False) if channels > 1 else None

    def forward(self, profile: Tensor) -> Tensor:
        features = self.depthwise(rearrange(profile, "n s -> n 1 s"))
        if self.pointwise is not None:
            features = self.pointwise(torch.relu(features))
        return rearrange(features, "n 1 s -> n s")


class AgentEncoder(nn.Module):
    """Agent channel -> agent code [N, 2], (x, y). One set of weights serves both axes.

    The map's square is the mass of the centroid: never negative, never dead, blind to the frame's brightness.
    With `pool="grid"` the map is averaged into cells of 4 px and read by a linear layer instead.
    """

    def __init__(self, channels: int, kernel: int, pool: str = "centroid") -> None:
        super().__init__()
        self.conv = SeparableConv(channels, kernel)
        self.readout = nn.Linear(GRID_CELLS, 1) if pool == "grid" else None

    def forward(self, profiles: Tensor) -> Tensor:
        """profiles: [N, 2, S] from `marginals` -> code [N, 2]."""
        heat = self.conv(rearrange(profiles, "n k s -> (n k) s")).square()
        if self.readout is None:
            code = centroid(heat)
        else:
            code = self.readout(grid_pool(heat / heat.sum(-1, keepdim=True).clamp_min(1e-12))).squeeze(-1)
        return rearrange(code, "(n k) -> n k", k=2)


def grid_pool(heat: Tensor) -> Tensor:
    """Sums of [N, S] over cells of `GRID_CELL` px from pixel 0 on -> [N, GRID_CELLS]."""
    if heat.shape[-1] > GRID_CELL * GRID_CELLS:
        raise ValueError(f"grid pooling covers {GRID_CELL * GRID_CELLS} px, this image has {heat.shape[-1]}")
    padded = nn.functional.pad(heat, (0, GRID_CELL * GRID_CELLS - heat.shape[-1]))
    return reduce(padded, "n (cells px) -> n cells", "sum", px=GRID_CELL)


class LayoutEncoder(nn.Module):
    """Layout channel -> layout code [N, 2]: a key point (x, y), each coordinate a soft arg-max over a map of its own
    axis. Training makes it (wall, door)."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.axes = nn.ModuleList(SeparableConv(channels, kernel) for _ in range(2))

    def maps(self, profiles: Tensor) -> Tensor:
        """profiles [N, 2, S] from `marginals` -> maps [N, 2, S], each summing to 1 over S."""
        profiles = torch.log1p(profiles)  # so that a door's dip is seen beside a border's peak
        return torch.stack([conv(profiles[:, k]).softmax(-1) for k, conv in enumerate(self.axes)], dim=1)

    def forward(self, profiles: Tensor) -> Tensor:
        """profiles [N, 2, S] from `marginals` -> code [N, 2]."""
        return centroid(self.maps(profiles))
