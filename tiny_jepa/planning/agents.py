"""What every planner shares: frames in, codes inside, actions out; and the agents that planning is measured against."""

import numpy as np
import torch
from torch import Tensor

from tiny_jepa.worlds.actions import Actions
from tiny_jepa.worlds.contract import WorldModel


class Agent:
    """Takes one action a frame towards a goal frame, in one episode or in E at once. Subclasses `choose`."""

    def __init__(self, model: WorldModel, frame: np.ndarray, goal_frame: np.ndarray, actions: Actions) -> None:
        """frame, goal_frame: [C, H, W] or [E, C, H, W], the episodes' first and wanted ones."""
        self.single, self.model, self.actions = frame.ndim == 3, model, actions
        self.frames = self.batch(frame)
        self.context, self.goal = model.encode_context(self.frames), model.encode_agent(self.batch(goal_frame))

    def batch(self, frame: np.ndarray) -> np.ndarray:
        return frame[None] if self.single else frame

    def act(self, frame: np.ndarray) -> np.ndarray:
        """The present frame, as the first one was given -> the next action [2] or [E, 2]."""
        action = self.choose(self.model.encode_agent(self.batch(frame))).cpu().numpy()
        return action[0] if self.single else action

    def choose(self, code: Tensor) -> Tensor:
        """Codes [E, D] -> actions [E, 2]."""
        raise NotImplementedError


def action_per_code(model: WorldModel, codes: Tensor, context: Tensor, actions: Actions) -> Tensor:
    """The matrix [2, 2] that turns a free agent's move in code space [..., 2] into its action, `move @ matrix`.

    Read from the model's predictions of moves along both axes: their median over codes [N, 2], most of which have
    nothing near them.
    """
    pushes = actions.limit * torch.eye(2).to(codes)
    moves = model.step(codes[:, None], pushes, context) - codes[:, None]
    return torch.linalg.pinv(moves.median(dim=0).values / actions.limit)
