"""Cost-to-go: how many steps it is to the goal, from everywhere, by the model's own one-step predictions.

Nodes lie on a lattice over the range of the model's codes, halfway between pixel centres, where moves are decided. A
move to one of the eight neighbours counts if the model predicts that it ends there; a knight's move if both ways to its
end do. It is a bet if the same move would fail from a node beside, or the move back would: then it costs `RISK` times
its length. Value iteration from the goal's code (Bellman 1957) gives each node its cost. Every step takes the action
whose predicted code costs least.
"""

import math
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import pad

from tiny_jepa.errors import UserError
from tiny_jepa.planning.agents import Agent, action_per_code
from tiny_jepa.worlds.contract import Actions, WorldModel

OFFSETS = [(x, y) for x in range(-2, 3) for y in range(-2, 3) if abs(x * y) in (1, 2) or abs(x) + abs(y) == 1]
"""Where the moves lead, in nodes: to the eight neighbours, and as a knight moves in chess."""
NEIGHBOURS = [offset for offset in OFFSETS if max(map(abs, offset)) == 1]
BESIDE = [(1, 0), (-1, 0), (0, 1), (0, -1)]
PART = 200  # nodes tried at once: what the model computes of them stays in cache
RISK = 300.0  # more than any way round takes; at the goal, what the model calls closed costs as many times more
WINDING = 17  # nodes for each step of the longest way round: on large maps a risk costs more than `RISK`
NOWHERE = 1e9  # steps: the cost where no way leads to the goal
MOST_NODES = 1_000  # along an axis: where an action moves a code by less, the model is untrained
ARRIVED = 0.25  # nodes: this near to where it should end, a move has ended there
AHEAD = 8.0  # steps
DIRECTIONS, SIZES = 24, 2  # of the actions that each step compares
MEMORY = 64  # steps for which a move that did not happen is remembered


class CostToGo:
    """Steps to E goals from the nodes of a lattice: `costs` [E, rows, columns], up to NOWHERE; `first`, the first
    node's coordinates, and the `spacing` between nodes, both in code units."""

    def __init__(
        self, model: WorldModel, frames: np.ndarray, context: Tensor, goal: Tensor, actions: Actions, risk: float = RISK
    ) -> None:
        """frames [E, C, H, W]: only their form matters; context [E, S, S]; goal codes [E, 2]; `risk`, at least, is what
        a bet costs: 1 for a model that never errs."""
        low, high = model.code_range(frames)
        to_action = action_per_code(model, frames, context, actions)
        neighbours = torch.tensor(NEIGHBOURS).to(goal)
        pixel = (high - low) / (context.shape[-1] - 1)
        longest = float(actions.size(pixel * neighbours @ to_action).max())
        if not 0 < longest < MOST_NODES / context.shape[-1]:
            raise UserError(
                f"the model predicts no moves for actions of up to {actions.limit:g}; train it, or give others"
            )
        times = math.ceil(longest - 0.001)  # so that no move to a neighbour is longer than an action
        spacing = pixel / times
        self.goal, self.actions, self.to_action = goal, actions, to_action
        self.spacing, self.first = spacing, low + spacing / 2
        index = torch.arange(times * (context.shape[-1] - 1)).to(goal)
        self.risk = max(risk, len(index) ** 2 / WINDING) if risk > 1 else 1.0
        nodes = self.first + spacing * torch.stack(
            torch.meshgrid(index, index, indexing="xy"), dim=-1
        )  # [rows, columns, 2]

        def arrives(codes: Tensor, moves: Tensor, context: Tensor) -> Tensor:
            """Whether moves [..., 2] from codes [..., 2] end where they should -> [...] bool."""
            missed = model.step(codes, moves @ to_action, context) - codes - moves
            return missed.norm(dim=-1) < ARRIVED * spacing

        def judged(context: Tensor) -> Tensor:
            """Which nodes' moves to the neighbours are made [nodes, 8] bool: of nodes that look alike, one is tried."""
            places = nodes.flatten(0, 1)[:, None]
            kinds, whose = torch.unique(looks(context, getattr(model, "sees", None), times), return_inverse=True)
            tried = torch.zeros_like(kinds).scatter_reduce_(0, whose, torch.arange(len(whose)).to(whose), "amax")
            parts = places[tried].split(PART)
            return torch.cat([arrives(part, spacing * neighbours, context) for part in parts])[whose]

        made = rearrange(torch.stack([judged(one) for one in context]), "e (y x) k -> k e y x", x=len(index))
        moves = dict(zip(NEIGHBOURS, made, strict=True))
        moves |= {(x, y): by_both_ways(moves, x, y) for x, y in OFFSETS if (x, y) not in moves}
        steps = actions.size(spacing * torch.tensor(OFFSETS).to(goal) @ to_action)
        edges = [
            cost(moves[x, y], s, seen_from(moves[-x, -y], x, y), self.risk)
            for (x, y), s in zip(OFFSETS, steps, strict=True)
        ]

        straight = goal[:, None, None] - nodes
        steps = actions.size(straight @ to_action)
        near = episode, row, column = torch.nonzero(steps < 1.001, as_tuple=True)
        last = torch.zeros_like(steps, dtype=torch.bool)
        last[near] = arrives(nodes[row, column], straight[near], context[episode])
        closed = torch.where(steps < 1, RISK * self.risk * steps, NOWHERE)
        self.costs = sweep(torch.minimum(cost(last, steps, last, self.risk), closed), edges, self.risk)

    def near(self, codes: Tensor) -> Tensor:
        """codes [E, 2] -> the 16 nodes around each [E, 16, 2]: in a narrow way, only they may be safe to step on."""
        corner = self.first + self.spacing * ((codes - self.first) / self.spacing).floor()
        return corner[:, None] + self.spacing * torch.cartesian_prod(*[torch.arange(-1, 3)] * 2).to(corner)

    def at(self, codes: Tensor) -> Tensor:
        """codes [E, K, 2] -> steps to the goal [E, K], between the nodes that a way leads from, none of which counts
        for more than a risk above the cheapest; straight to the goal where it is nearer than the next node."""
        place = ((codes - self.first) / self.spacing).clamp(0, self.costs.shape[-1] - 1.001)
        corner, columns = place.long(), self.costs.shape[-1]
        share, first = place - corner, corner[..., 1] * columns + corner[..., 0]
        total, weights = torch.zeros_like(share[..., 0]), torch.full_like(share[..., 0], 1e-9)
        corners = {(x, y): self.costs.flatten(1).gather(1, first + y * columns + x) for x in (0, 1) for y in (0, 1)}
        most = torch.stack([*corners.values()]).amin(0) + self.risk
        for (x, y), cost in corners.items():
            weight = (share[..., 0] - (1 - x)).abs() * (share[..., 1] - (1 - y)).abs() * (cost < NOWHERE)
            total, weights = total + weight * torch.minimum(cost, most), weights + weight
        straight = self.goal[:, None] - codes
        between = torch.where(weights > 1e-6, total / weights, NOWHERE)
        near = straight.norm(dim=-1) < self.spacing
        return torch.where(near, self.actions.size(straight @ self.to_action), between)


def looks(context: Tensor, sees: Any, times: int) -> Tensor:
    """A map [S, S] -> numbers [nodes], equal where nodes lie alike among pixels, and these look alike as far as a model
    `sees`, in px around a node; where that is not known, no two are equal. There are `times` nodes a pixel."""
    cells = len(context) - 1
    if not (isinstance(sees, int) and 0 < sees <= cells):
        return torch.arange((times * cells) ** 2, device=context.device)
    around = pad(context[None].float(), (sees - 1,) * 4, mode="replicate")[0].long()
    keys = torch.randint(2**62, (2 * sees, 2 * sees), generator=torch.Generator().manual_seed(0)).tolist()
    seen = sum(  # whatever overflows: a hash
        key * around[y : y + cells, x : x + cells] for y, row in enumerate(keys) for x, key in enumerate(row)
    )
    phases = torch.arange(times**2, device=context.device).view(1, times, 1, times)
    return (seen[:, None, :, None] * times**2 + phases).flatten()  # type: ignore[index]


def seen_from(values: Tensor, x: int, y: int, beyond: float = False) -> Tensor:
    """values [E, rows, columns] -> those (x, y) nodes away; `beyond` the lattice."""
    rows, columns = values.shape[1:]
    return pad(values, (2, 2, 2, 2), value=beyond)[:, 2 + y : 2 + y + rows, 2 + x : 2 + x + columns]


def by_both_ways(made: dict[tuple[int, int], Tensor], x: int, y: int) -> Tensor:
    """Whether both ways to a knight's place, each of two moves to neighbours, are made -> [E, rows, columns] bool."""
    diagonal = (x > 0) - (x < 0), (y > 0) - (y < 0)
    straight = x - diagonal[0], y - diagonal[1]
    first, last = made[diagonal], made[straight]
    return first & seen_from(last, *diagonal) & last & seen_from(first, *straight)


def cost(made: Tensor, steps: Tensor, sure: Tensor, risk: float) -> Tensor:
    """[E, rows, columns]: of moves that take so many steps, where they are `made`; `risk` times as much for bets."""
    safe = torch.stack([sure & made, *(seen_from(made, x, y) for x, y in BESIDE)]).all(0)
    return torch.where(made, torch.where(safe, 1.0, risk) * steps, torch.inf)


def sweep(costs: Tensor, edges: list[Tensor], risk: float) -> Tensor:
    """Value iteration: costs straight to the goal and of edges along `OFFSETS`, all [E, rows, columns] -> the least. In
    the order of costs, as Dijkstra has it, but all nodes at once that are less than `AHEAD` from the cheapest; then,
    in no order, those that no way without a `risk` leads from."""
    around = (2, 2, 2, 2)
    known = pad(costs, around, value=NOWHERE)  # [E, rows + 4, columns + 4]
    leads = torch.stack([pad(edge, around, value=torch.inf).flatten() for edge in edges], dim=1)  # [nodes, moves]
    from_here = torch.tensor([x + known.shape[2] * y for x, y in OFFSETS], device=costs.device)
    wide, known, moves = known.shape[1:], known.flatten(), torch.arange(len(OFFSETS), device=costs.device)
    waiting = torch.where(known < NOWHERE, known, torch.inf)  # the costs of nodes that have changed since their turn
    while (least := float(waiting.amin())) < NOWHERE:
        now = torch.nonzero(waiting < (least + AHEAD if least < risk else NOWHERE))
        waiting[now] = torch.inf
        before = now - from_here  # [now, moves]
        offered = leads[before, moves] + known[now]
        better = offered < known[before]
        before, offered = before[better], offered[better]
        known.scatter_reduce_(0, before, offered, "amin")
        waiting[before] = known[before]
    return known.unflatten(0, (-1, *wide))[:, 2:-2, 2:-2]


class CostToGoAgent(Agent):
    """Takes the action whose predicted code costs least; where the model knows no way, the one that would lead nearest
    to the goal if nothing were in the way.

    A move that does not happen would be repeated for ever: the agent is where it was. So such moves are remembered, and
    none is chosen that begins within a node of one and should end within half a node of it. To stay short of the goal
    is no move either: costs between nodes have hollows beside walls.
    """

    def prepare(self) -> None:
        self.map = CostToGo(self.model, self.frames, self.context, self.goal, self.actions)
        self.candidates = self.actions.spread(DIRECTIONS, SIZES).to(self.goal)
        self.nodes = self.map.spacing * torch.tensor([1, 1, 0.5, 0.5]).to(self.goal)
        self.failed = torch.full((len(self.goal), MEMORY, 4), NOWHERE).to(self.goal)
        self.expected = torch.full_like(self.failed[:, 0], torch.nan)  # [E, 4]: last codes, those predicted to follow
        self.idle, self.steps = torch.zeros(len(self.goal), dtype=torch.bool, device=self.goal.device), 0

    def choose(self, code: Tensor) -> Tensor:
        before, after = self.expected.chunk(2, dim=-1)
        slack = ARRIVED * self.map.spacing  # so that noise is no failure
        missed = ((code - after).norm(dim=-1) > 0.5 * (after - before).norm(dim=-1) + slack) | self.idle
        self.failed[:, self.steps % MEMORY] = torch.where(missed[:, None], self.expected, NOWHERE)
        self.steps += 1
        aims = torch.cat([self.goal[:, None], self.map.near(code)], dim=1) - code[:, None]
        aimed = self.actions.clip(aims @ self.map.to_action)
        tried = torch.cat([self.candidates.expand(len(code), -1, -1), aimed], dim=1)  # [E, K, 2]
        ends = self.model.step(code[:, None], tried, self.context[:, None])
        costs, aims = self.map.at(ends), code[:, None] + tried @ torch.linalg.pinv(self.map.to_action)
        lost = costs.amin(dim=1) >= NOWHERE
        costs = torch.where(lost[:, None], (self.goal[:, None] - aims).norm(dim=-1), costs)
        ends = torch.where(lost[:, None, None], aims, ends)
        moves = torch.cat([code[:, None].expand_as(ends), ends], dim=-1)
        # no matrix product: small distances, far from the origin, would be lost in one
        apart = torch.cdist(moves / self.nodes, self.failed / self.nodes, compute_mode="donot_use_mm_for_euclid_dist")
        repeated = apart.amin(-1) < 1
        best = torch.where(repeated & ~repeated.all(1, keepdim=True), torch.inf, costs).argmin(dim=1)
        each = torch.arange(len(code))
        self.expected = moves[each, best]
        self.idle = ((ends[each, best] - code).norm(dim=-1) < slack) & (costs[each, best] > 1)
        return tried[each, best]
