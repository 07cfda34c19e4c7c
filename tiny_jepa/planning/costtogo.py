"""Cost-to-go: how many steps it is to the goal, from everywhere, by the model's own one-step predictions.

Nodes lie on a lattice over the range of the model's codes; from each, 16 moves lead to others. A move counts if the
model predicts that it ends there. It is a bet if the same move would fail from a node beside, or the move back would:
then it costs `RISK` times its length. Value iteration from the goal's code (Bellman 1957) gives each node its cost.
Every step takes the action whose predicted code costs least.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from tiny_jepa.errors import UserError
from tiny_jepa.planning.agents import Agent, action_per_code
from tiny_jepa.worlds.actions import Actions
from tiny_jepa.worlds.contract import WorldModel

OFFSETS = [(x, y) for x in range(-2, 3) for y in range(-2, 3) if abs(x * y) in (1, 2) or abs(x) + abs(y) == 1]
"""Where the moves lead, in nodes: to the eight neighbours, and as a knight moves in chess. The last is the first one's
way back, and so on."""
RISK = 300.0
"""More than any way round takes. What the model calls closed costs `RISK` times more still, and only at the goal."""
NOWHERE = 1e6
"""Steps: the cost where no way leads to the goal."""
MOST_NODES = 1_000
"""Along an axis: where an action moves a code by less, the model is untrained."""
ARRIVED = 0.25
"""Nodes: this near to where it should end, a move has ended there."""
DIRECTIONS, SIZES = 36, 4
"""Of the actions that each step compares."""
MEMORY = 64
"""Steps for which a move that did not happen is remembered."""
EXACT = "donot_use_mm_for_euclid_dist"
"""How distances are measured: small ones, far from the origin, would be lost in a matrix product."""


@dataclass(frozen=True)
class CostToGo:
    """Steps to E goals from the nodes of a lattice."""

    costs: Tensor  # [E, rows, columns], up to NOWHERE
    goal: Tensor  # codes [E, 2]
    low: float  # the first node's coordinates, in code units
    spacing: float  # between nodes, in code units
    to_action: Tensor  # [2, 2]: a free agent's move in code space, times this, is its action
    actions: Actions

    @classmethod
    def solve(
        cls, model: WorldModel, frames: np.ndarray, context: Tensor, goal: Tensor, actions: Actions
    ) -> "CostToGo":
        """frames [E, C, H, W]: only their form matters; context [E, K]; goal codes [E, 2].

        Raises:
            UserError: codes of another width, or a model that hardly moves.
        """
        if goal.shape[-1] != 2:
            raise UserError(f"the cost-to-go needs codes of 2 numbers, not {goal.shape[-1]}; plan by cem, cost='sum'")
        low, high = model.code_range(frames)
        to_action = action_per_code(model, frames, context, actions)
        offsets = torch.tensor(OFFSETS).to(goal)
        longest = float(actions.size(offsets @ to_action).max())
        if not longest * (high - low) < MOST_NODES or not longest > 0:
            raise UserError("the model predicts that no action moves anything; train it, or load trained weights")
        spacing = 1 / longest  # so that the longest move is one whole action
        index = torch.arange(int((high - low) / spacing) + 2).to(goal)
        nodes = low + spacing * torch.stack(torch.meshgrid(index, index, indexing="xy"), dim=-1)  # [rows, columns, 2]

        def try_all(moves: Tensor) -> tuple[Tensor, Tensor]:
            """Moves from all nodes, [2] or [E, rows, columns, 2] -> whether each arrives, and its steps if it does,
            both [E, rows, columns]."""
            by_episode = moves.expand(len(goal), *nodes.shape)
            steps = actions.size(by_episode @ to_action)
            ends = (model.step(nodes, m @ to_action, c) for m, c in zip(by_episode, context, strict=True))
            missed = torch.stack(list(ends)) - nodes - by_episode
            return (missed.norm(dim=-1) < ARRIVED * spacing) & (steps < 1.001), steps

        def cost(made: Tensor, steps: Tensor, sure: Tensor) -> Tensor:
            around = [seen_from(made, *offset) for offset in OFFSETS if 0 in offset]
            safe = sure & torch.stack([made, *around]).all(0)
            return torch.where(made, torch.where(safe, 1.0, RISK) * steps, torch.inf)

        made, steps = try_all(goal[:, None, None] - nodes)
        closed = torch.where(steps < 1, RISK**2 * steps, NOWHERE)
        costs = torch.minimum(cost(made, steps, made), closed)
        moves = [try_all(offset * spacing) for offset in offsets]
        edges = [
            cost(*there, sure=seen_from(back, *offset))
            for offset, there, (back, _) in zip(OFFSETS, moves, reversed(moves), strict=True)
        ]
        costs = sweep(costs, edges)
        return cls(costs, goal, low, spacing, to_action, actions)

    def at(self, codes: Tensor) -> Tensor:
        """codes [E, K, 2] -> steps to the goal [E, K], between the nodes that a way leads from; straight to the goal
        where it is nearer than the next node."""
        place = ((codes - self.low) / self.spacing).clamp(0, self.costs.shape[-1] - 1.001)
        corner, columns = place.long(), self.costs.shape[-1]
        share, first = place - corner, corner[..., 1] * columns + corner[..., 0]
        total, weights = torch.zeros_like(share[..., 0]), torch.full_like(share[..., 0], 1e-9)
        for x, y in ((0, 0), (1, 0), (0, 1), (1, 1)):
            cost = self.costs.flatten(1).gather(1, first + y * columns + x)
            weight = (share[..., 0] - (1 - x)).abs() * (share[..., 1] - (1 - y)).abs() * (cost < NOWHERE)
            total, weights = total + weight * cost, weights + weight
        straight = self.goal[:, None] - codes
        between = torch.where(weights > 1e-6, total / weights, NOWHERE)
        near = straight.norm(dim=-1) < self.spacing
        return torch.where(near, self.actions.size(straight @ self.to_action), between)


def seen_from(made: Tensor, x: int, y: int) -> Tensor:
    """made [E, rows, columns] bool -> the same (x, y) nodes away; False beyond the lattice."""
    return pad(made, (2, 2, 2, 2))[:, 2 + y : 2 + y + made.shape[1], 2 + x : 2 + x + made.shape[2]]


def sweep(costs: Tensor, edges: list[Tensor]) -> Tensor:
    """Value iteration, until nothing changes: costs of going straight to the goal, and of the edges along `OFFSETS`,
    all [E, rows, columns] -> costs of the best way."""
    rows, columns = costs.shape[1:]
    padded = pad(costs, (2, 2, 2, 2), value=NOWHERE)
    inner = padded[:, 2:-2, 2:-2]
    before = torch.zeros_like(inner)
    while not torch.equal(before, inner):
        before = inner.clone()
        for (x, y), edge in zip(OFFSETS, edges, strict=True):
            torch.minimum(inner, edge + padded[:, 2 + y : 2 + y + rows, 2 + x : 2 + x + columns], out=inner)
    return inner.contiguous()


class CostToGoAgent(Agent):
    """Takes the action whose predicted code costs least.

    A deterministic planner would repeat a move that does not happen for ever: the agent is where it was. So such moves
    are remembered, and none is chosen that begins within a node of one and should end within half a node of it. Where
    the model knows no way, the agent goes straight at the goal.
    """

    def __init__(self, model: WorldModel, frame: np.ndarray, goal_frame: np.ndarray, actions: Actions) -> None:
        super().__init__(model, frame, goal_frame, actions)
        self.map = CostToGo.solve(model, self.frames, self.context, self.goal, actions)
        self.candidates = actions.spread(DIRECTIONS, SIZES).to(self.goal)
        self.nodes = self.map.spacing * torch.tensor([1, 1, 0.5, 0.5]).to(self.goal)
        self.failed = torch.full((len(self.goal), MEMORY, 4), NOWHERE).to(self.goal)
        self.expected: Tensor | None = None  # [E, 4]: the last codes, and those predicted to follow
        self.steps = 0

    def choose(self, code: Tensor) -> Tensor:
        self.remember(code)
        straight = self.actions.clip((self.goal - code) @ self.map.to_action)
        tried = torch.cat([self.candidates.expand(len(code), -1, -1), straight[:, None]], dim=1)  # [E, K, 2]
        ends = self.model.step(code[:, None], tried, self.context[:, None])
        moves = torch.cat([code[:, None].expand_as(ends), ends], dim=-1)
        repeated = torch.cdist(moves / self.nodes, self.failed / self.nodes, compute_mode=EXACT).amin(-1) < 1
        costs = self.map.at(ends)
        lost = costs.amin(dim=1) >= NOWHERE
        best = torch.where(lost, len(tried[0]) - 1, (costs + NOWHERE * repeated).argmin(dim=1))
        each = torch.arange(len(code))
        self.expected = moves[each, best]
        return tried[each, best]

    def remember(self, code: Tensor) -> None:
        """Keeps the last move in mind if it ended more than half its length away from where it should."""
        if self.expected is not None:
            before, after = self.expected.chunk(2, dim=-1)
            slack = ARRIVED * self.map.spacing  # so that noise is no failure
            missed = (code - after).norm(dim=-1) > 0.5 * (after - before).norm(dim=-1) + slack
            self.failed[:, self.steps % MEMORY] = torch.where(missed[:, None], self.expected, NOWHERE)
            self.steps += 1
