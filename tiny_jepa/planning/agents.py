"""What every planner shares: frames in, codes inside, actions out; and the agents that planning is measured against."""

import copy

import numpy as np
import torch
from torch import Tensor

from tiny_jepa.worlds.contract import Actions, WorldModel


class Agent:
    """Takes one action a frame towards a goal frame, in one episode or in E at once. Subclasses `choose`."""

    def __init__(self, model: WorldModel, frame: np.ndarray, goal_frame: np.ndarray, actions: Actions) -> None:
        """frame, goal_frame: [C, H, W] or [E, C, H, W], the episodes' first and wanted ones."""
        self.single, self.model, self.actions = frame.ndim == 3, model, actions
        self.frames = self.batch(frame)
        self.context, self.goal = model.encode_context(self.frames), model.encode_agent(self.batch(goal_frame))

    def batch(self, frame: np.ndarray) -> np.ndarray:
        return np.asarray(frame)[None] if self.single else np.asarray(frame)

    @torch.no_grad()
    def act(self, frame: np.ndarray) -> np.ndarray:
        """The present frame, as the first one was given -> the next action [2] or [E, 2]."""
        action = self.choose(self.model.encode_agent(self.batch(frame))).cpu().numpy()
        return action[0] if self.single else action

    def choose(self, code: Tensor) -> Tensor:
        """Codes [E, D] -> actions [E, 2]."""
        raise NotImplementedError

    @torch.no_grad()
    def imagine(self, frame: np.ndarray, steps: int) -> Tensor:
        """What the agent expects of its next `steps` steps: codes [steps + 1, D], or [E, ...], the
        frame's own first."""
        dreamer = copy.deepcopy(self, {id(self.model): self.model})  # so that nothing imagined is remembered
        codes = [self.model.encode_agent(self.batch(frame))]
        for _ in range(steps):
            codes.append(self.model.step(codes[-1], dreamer.choose(codes[-1]), self.context))
        imagined = torch.stack(codes, dim=1)
        return imagined[0] if self.single else imagined


def action_per_code(model: WorldModel, frames: np.ndarray, context: Tensor, actions: Actions) -> Tensor:
    """The matrix [D, 2] that turns a free agent's move in code space into its action: `move @ matrix`.

    Read from what the model predicts of moves along both axes of actions: the median over codes drawn from their range
    for `frames`, most of which have nothing near them.
    """
    low, high = model.code_range(frames)
    dims = model.encode_agent(frames[:1]).shape[-1]
    codes = low + (high - low) * torch.rand(256, 1, dims, generator=torch.Generator().manual_seed(0)).to(context.device)
    pushes = actions.limit * torch.eye(2, device=context.device)
    moves = (model.step(codes, pushes, context[:1]) - codes).median(dim=0).values
    return torch.linalg.pinv(moves / actions.limit)


class Straight(Agent):
    """Goes straight at the goal's code, whatever lies between."""

    def __init__(self, model: WorldModel, frame: np.ndarray, goal_frame: np.ndarray, actions: Actions) -> None:
        super().__init__(model, frame, goal_frame, actions)
        self.to_action = action_per_code(model, self.frames, self.context, actions)

    def choose(self, code: Tensor) -> Tensor:
        return self.actions.clip((self.goal - code) @ self.to_action)


class Random(Agent):
    """Any action, of any size."""

    def __init__(self, model: WorldModel, frame: np.ndarray, goal_frame: np.ndarray, actions: Actions) -> None:
        super().__init__(model, frame, goal_frame, actions)
        self.any, self.generator = actions.spread(36, 4).to(self.goal), torch.Generator().manual_seed(0)

    def choose(self, code: Tensor) -> Tensor:
        return self.any[torch.randint(len(self.any), (len(code),), generator=self.generator)]
