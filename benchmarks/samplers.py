"""What planning is measured against: straight at the goal, any action, and sampling, as the field does it."""

from typing import Any, Literal

import torch
from einops import repeat
from torch import Tensor

from tiny_jepa.planning import Agent, CostToGo, CostToGoAgent
from tiny_jepa.planning.agents import action_per_code

ELITE = 10  # one in so many is kept
NARROWEST = 0.05  # CEM's least standard deviation, as a share of the largest action


class Straight(Agent):
    """Goes straight at the goal's code, whatever lies between."""

    def prepare(self) -> None:
        self.to_action = action_per_code(self.model, self.frames, self.context, self.actions)

    def choose(self, code: Tensor) -> Tensor:
        return self.actions.clip((self.goal - code) @ self.to_action)


class Random(Agent):
    """Any action, of any size."""

    def prepare(self) -> None:
        self.any, self.generator = self.actions.spread(36, 4).to(self.goal), torch.Generator().manual_seed(0)

    def choose(self, code: Tensor) -> Tensor:
        return self.any[torch.randint(len(self.any), (len(code),), generator=self.generator)]


class CEM(Agent):
    """The cross-entropy method (Rubinstein 1997), for any codes: draws action sequences, unrolls them, and draws again
    about the mean and the spread of the cheapest tenth. The mean is carried from step to step (a warm start)."""

    def __init__(
        self,
        *given: Any,  # what any agent is given
        cost: Literal["cost-to-go", "sum", "least"] = "cost-to-go",  # or squared distance, over a horizon
        horizon: int = 15,  # steps of a sequence
        hold: int = 1,  # steps for which each drawn action is held
        samples: int = 100,  # sequences of an iteration
        iterations: int = 3,  # draws, one after the other, before each step
    ) -> None:
        self.judged_by, self.horizon, self.hold = cost, horizon, hold
        self.samples, self.iterations = samples, iterations
        super().__init__(*given)

    def prepare(self) -> None:
        self.steps, self.generator = 0, torch.Generator().manual_seed(0)
        self.mean = torch.zeros(len(self.goal), -(-self.horizon // self.hold), 2).to(self.goal)  # [E, T / hold, 2]
        if self.judged_by == "cost-to-go":
            self.map = CostToGo(self.model, self.frames, self.context, self.goal, self.actions)

    def choose(self, code: Tensor) -> Tensor:
        if self.steps and self.steps % self.hold == 0:
            self.mean = torch.cat([self.mean[:, 1:], torch.zeros_like(self.mean[:, :1])], dim=1)
        self.steps += 1
        std = torch.full_like(self.mean, self.actions.limit / 2)
        for _ in range(self.iterations):
            noise = torch.randn(len(code), self.samples, *self.mean.shape[1:], generator=self.generator).to(code)
            drawn = self.actions.clip(self.mean[:, None] + std[:, None] * noise)  # [E, S, T / hold, 2]
            drawn[:, 0] = self.mean
            held = repeat(drawn, "e s t a -> e s (t hold) a", hold=self.hold)[:, :, : self.horizon]
            codes = [code[:, None]]
            for action in held.unbind(2):
                codes.append(self.model.step(codes[-1], action, self.context[:, None]))
            cost = self.cost(torch.stack(codes[1:], dim=2))
            best = cost.topk(max(2, self.samples // ELITE), largest=False).indices  # [E, K]
            elite = drawn[torch.arange(len(drawn))[:, None], best]
            self.mean, std = elite.mean(1), elite.std(1).clamp_min(NARROWEST * self.actions.limit)
        return self.mean[:, 0]

    def cost(self, codes: Tensor) -> Tensor:
        """codes [E, S, T, D] -> [E, S]."""
        if self.judged_by == "cost-to-go":
            return self.map.at(codes.flatten(1, 2)).unflatten(1, codes.shape[1:3]).sum(-1)
        distances = (codes - self.goal[:, None, None]).square().sum(-1)
        return distances.sum(-1) if self.judged_by == "sum" else distances.amin(-1)


PLANNERS: dict[str, type[Agent]] = {"cost-to-go": CostToGoAgent, "cem": CEM, "straight": Straight, "random": Random}
"""All that plan, each made of (model, frame, goal frame, actions)."""
