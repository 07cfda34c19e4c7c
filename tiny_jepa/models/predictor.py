"""The predictor: one gated residual cell, shared by every step of the unroll.

`z' = z + gate * s a`, with `s` a learned scale of the action that starts at zero, and a gate that starts open: it
cannot drift. Where a blocked move leaves the agent in place, one gate for both coordinates is the true form; where the
agent slides along a wall, one for each.

The gate reads the map where the move goes. Between four neighbouring pixel centres lies a cell; the gate looks at every
cell that the move passes (grid traversal, Amanatides & Woo 1987), and of each it is told the pixels at and beside its
corners, and how many pixel centres the move has passed by then along x and y. All is told in the direction of the move,
so that it is the same in every mirror image and at every place; along an axis without a move, that is up the axis.
One small MLP judges each cell; a move is made as far
as the cell allows that it likes least. Which drawings stop a move it has to learn: nothing here says what a wall, a
door or a border is.
"""

import torch
from einops import rearrange
from torch import Tensor, nn

from tiny_jepa.models.architecture import Architecture
from tiny_jepa.models.map import Maps
from tiny_jepa.models.precision import in_float32
from tiny_jepa.worlds.contract import Frame

OPEN_BIAS = 2.0
CORNERS = ((0, 0), (1, 0), (0, 1), (1, 1))
"""Of a cell, from where the move comes to where it goes."""


class GatedCell(nn.Module):
    """Predicts the next agent code from this one, the action and the map."""

    def __init__(self, architecture: Architecture, frame: Frame) -> None:
        super().__init__()
        self.frame, self.crossings, self.corners = frame, architecture.crossings, architecture.corners
        self.cells = 2 * self.crossings + 1
        far = range(1, architecture.reach + 1)
        beside = [place for k in far for place in ((-k, 0), (0, -k), (1 + k, 0), (0, 1 + k))]
        self.patch = (*CORNERS, *beside)
        self.parts = frame.gates > 1  # where a move is made in part, where in its cell it ends matters
        first, *others = architecture.widths
        self.cell = nn.Linear(len(self.patch) + 2 + 2 * self.parts, first)
        self.start = nn.Linear(self.corners + 4 * self.parts, first, bias=False)
        self.hidden = nn.ModuleList(
            nn.Linear(fan_in, fan_out) for fan_in, fan_out in zip((first, *others), others, strict=False)
        )
        self.out = nn.Linear(architecture.widths[-1], frame.gates)
        self.log_gain = nn.Parameter(torch.zeros(()))
        self.action = nn.Parameter(torch.zeros(()))
        nn.init.constant_(self.out.bias, OPEN_BIAS)

    def gate_parameters(self) -> list[nn.Parameter]:
        """All but the action's scale."""
        return [parameter for name, parameter in self.named_parameters() if name != "action"]

    @property
    def inputs(self) -> int:
        """Numbers that a gate sees of a move."""
        return self.cells * self.cell.in_features + self.start.in_features

    def view(self, code: Tensor, move: Tensor, maps: Maps) -> Tensor:
        """What the gate sees of moves [..., 2] from codes [..., 2], in code units -> [..., inputs]: cell by cell, the
        last one again where there are fewer, and then what is said of the start."""
        code, move = torch.broadcast_tensors(self.frame.unit * code, self.frame.unit * move)
        forward = torch.where(move >= 0, 1.0, -1.0).to(move)
        start, way = forward * code, move.abs()  # px, growing in the direction of the move
        first = start.floor()
        centres = torch.arange(1, self.crossings + 1).to(start)
        # when the move passes the next pixel centres on each axis, as shares of the move: there a cell begins
        passed = ((first - start)[..., None] + centres) / way[..., None].clamp_min(1e-12)
        times = rearrange(passed.clamp(max=1), "... k c -> ... (k c)").sort(dim=-1).values
        begin, end = nn.functional.pad(times, (1, 0)), nn.functional.pad(times, (0, 1), value=1.0)
        cells = (start[..., None, :] + way[..., None, :] * (begin + end)[..., None] / 2).floor()  # [..., cells, 2]

        def read(cells: Tensor, places: tuple[tuple[int, int], ...]) -> Tensor:
            pixels = forward[..., None, None, :] * (cells[..., None, :] + cells.new_tensor(places))
            pixels = rearrange(pixels, "... c p k -> ... (c p) k")
            drawn = rearrange(maps.read(pixels), "... (c p) -> ... c p", p=len(places))
            return 2 * drawn - 1

        told = [read(cells, self.patch), cells - first[..., None, :]]
        said = [read(first[..., None, :], CORNERS[: self.corners])[..., 0, :]] if self.corners else []
        if self.parts:
            told.append(start[..., None, :] + way[..., None, :] * end[..., None] - cells)
            said += [start - first, way]
        return torch.cat([rearrange(torch.cat(told, dim=-1), "... c n -> ... (c n)"), *said], dim=-1)

    @in_float32
    def gate_logit(self, seen: Tensor) -> Tensor:
        """What the gate sees [..., inputs] -> logits [..., gates]."""
        cells, start = seen.split([self.cells * self.cell.in_features, self.start.in_features], dim=-1)
        told = self.cell(rearrange(cells, "... (c n) -> ... c n", c=self.cells))
        told = torch.relu(told + self.start(start)[..., None, :])
        for layer in self.hidden:
            told = torch.relu(layer(told))
        return self.out(told).amin(dim=-2) * self.log_gain.exp()

    def forward(self, code: Tensor, action: Tensor, maps: Maps) -> Tensor:
        """code [..., 2], action [..., 2] px, maps for [...], which broadcast -> next code [..., 2]."""
        move = self.action * action
        return code + torch.sigmoid(self.gate_logit(self.view(code, move, maps))) * move


def was_made(before: Tensor, after: Tensor, moves: Tensor) -> Tensor:
    """Which moves [N, 2] took codes [N, 2] along, rather than leaving them where they were -> [N] bool."""
    return (after - before).norm(dim=-1) > 0.5 * moves.norm(dim=-1)
