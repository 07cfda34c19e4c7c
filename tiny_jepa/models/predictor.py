"""The predictor: one gated residual cell, shared by every step of the unroll.

    next code = code + sigmoid(gate) * s * action

`s`, a learned scale, starts at zero, and the gate starts open: the cell cannot drift. Where a blocked move leaves the
agent in place, one gate for both coordinates is the true form; where the agent slides along a wall, one for each.

The gate reads the map where the move goes. Between four neighbouring pixel centres lies a cell. Of every cell that the
move passes (grid traversal, Amanatides & Woo 1987), the gate sees the pixels at and beside the corners, and how many
pixel centres the move has passed by then along x and y; all in the direction of the move, so that every mirror image
and every place look the same. One small MLP judges each cell, and the move is made as far as the least favourable cell
allows. Which drawings stop a move has to be learned: nothing here says what a wall, a door or a border is.
"""

from itertools import pairwise

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import pad

from tiny_jepa.device import in_float32
from tiny_jepa.errors import UserError
from tiny_jepa.models.map import Maps
from tiny_jepa.settings import Architecture
from tiny_jepa.worlds.contract import Frame

OPEN = 2.0  # the gate's bias at first
CORNERS = ((0, 0), (1, 0), (0, 1), (1, 1))  # of a cell, from where the move comes to where it goes


class GatedCell(nn.Module):
    """Predicts the next agent code from this one, the action and the map."""

    def __init__(self, architecture: Architecture, frame: Frame) -> None:
        super().__init__()
        if architecture.gate_widths is None:
            raise UserError("gate_widths are not given; build_model finds those of a budget")
        widths, self.frame, self.crossings = architecture.gate_widths, frame, architecture.crossings or 2
        self.up = architecture.up
        beside = [at for k in range(1, architecture.reach + 1) for at in ((-k, 0), (0, -k), (1 + k, 0), (0, 1 + k))]
        self.patch, self.corners = (*CORNERS, *beside), CORNERS[: architecture.corners]
        self.parts = frame.gates > 1 or frame.agent is None  # walls may lie between pixel centres
        self.cell = nn.Linear(len(self.patch) + 2 + 2 * self.parts, widths[0])
        self.start = nn.Linear(len(self.corners) + 4 * self.parts, widths[0], bias=False)
        self.hidden = nn.ModuleList(nn.Linear(*both) for both in pairwise(widths))
        self.out = nn.Linear(widths[-1], frame.gates)
        self.log_gain = nn.Parameter(torch.zeros(()))
        self.action = nn.Parameter(torch.zeros(()))
        nn.init.constant_(self.out.bias, OPEN)

    @property
    def cells(self) -> int:
        """That a move passes, at most."""
        return 2 * self.crossings + 1

    @property
    def inputs(self) -> list[int]:
        """Numbers that the gate sees: of all cells, and of the start."""
        return [self.cells * self.cell.in_features, self.start.in_features]

    def gate_parameters(self) -> list[nn.Parameter]:
        """All but the action's scale."""
        return [parameter for name, parameter in self.named_parameters() if name != "action"]

    def forward(self, code: Tensor, action: Tensor, maps: Maps) -> Tensor:
        """code [..., 2], action [..., 2] px, maps for [...], which broadcast -> next code [..., 2]."""
        move = self.move(action)
        return code + torch.sigmoid(self.gate_logit(self.view(code, move, maps))) * move

    def move(self, action: Tensor) -> Tensor:
        """How far an action [..., 2] px takes a code where nothing is in the way [..., 2]."""
        return self.action * self.turned(action)

    def turned(self, action: Tensor) -> Tensor:
        """Actions [..., 2] of the world's as the frame counts, and back."""
        return action * action.new_tensor([1, -1]) if self.up else action

    def view(self, code: Tensor, move: Tensor, maps: Maps) -> Tensor:
        """What the gate sees of moves [..., 2] from codes [..., 2], in code units -> [..., sum of `inputs`]: cell by
        cell, the last one again where there are fewer, and then what is said of the start."""
        code, move = torch.broadcast_tensors(self.frame.unit * code, self.frame.unit * move)  # px from here on
        forward = torch.where(move >= 0, 1.0, -1.0).to(move)  # [..., 2]
        start, way = forward * code, move.abs()  # [..., 2], mirrored where the move is: it goes up both axes
        first = start.floor()  # [..., 2], the cell of the start, by its low corner

        # when the move passes the next pixel centres, as shares of the move: there a cell begins
        ahead = (first - start)[..., None] + torch.arange(1, self.crossings + 1).to(start)  # [..., 2, crossings]
        passed = ahead / way[..., None].clamp_min(1e-12)
        times = rearrange(passed.clamp(max=1), "... k c -> ... (k c)").sort(dim=-1).values
        begin, end = pad(times, (1, 0))[..., None], pad(times, (0, 1), value=1.0)[..., None]  # [..., cells, 1]
        cells = (start[..., None, :] + way[..., None, :] * (begin + end) / 2).floor()  # [..., cells, 2]

        def read(cells: Tensor, places: tuple[tuple[int, int], ...]) -> Tensor:
            """cells [..., c, 2], p places in each -> the map's pixels there [..., c, p], from -1 to 1."""
            offsets = cells.new_tensor(places).reshape(-1, 2)
            return 2 * maps.read(forward[..., None, None, :] * (cells[..., None, :] + offsets)) - 1

        of_cells = [read(cells, self.patch), cells - first[..., None, :]]
        of_start = [read(first[..., None, :], self.corners)[..., 0, :]]
        if self.parts:
            of_cells.append(start[..., None, :] + way[..., None, :] * end - cells)
            of_start += [start - first, way]
        return torch.cat([torch.cat(of_cells, dim=-1).flatten(-2), *of_start], dim=-1)

    @in_float32
    def gate_logit(self, seen: Tensor) -> Tensor:
        """What the gate sees [..., sum of `inputs`] -> logits [..., gates]."""
        cells, start = seen.split(self.inputs, dim=-1)
        cells = rearrange(cells, "... (c n) -> ... c n", c=self.cells)
        judged = torch.relu(self.cell(cells) + self.start(start)[..., None, :])  # [..., cells, widths[0]]
        for layer in self.hidden:
            judged = torch.relu(layer(judged))
        return self.out(judged).amin(dim=-2) * self.log_gain.exp()


def was_made(before: Tensor, after: Tensor, moves: Tensor) -> Tensor:
    """Which moves [N, 2] took codes [N, 2] along, rather than leaving them where they were -> [N] bool."""
    return (after - before).norm(dim=-1) > 0.5 * moves.norm(dim=-1)
