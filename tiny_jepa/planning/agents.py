"""What every planner shares: frames in, codes inside, actions out."""

import copy
from collections.abc import Callable
from functools import partial
from numbers import Integral
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tiny_jepa.errors import UserError
from tiny_jepa.worlds.contract import Actions, Frame, WorldModel, as_finite, asked

FORMS: dict[str, Callable[..., tuple]] = {
    "encode_agent": lambda _, frames: (len(frames), 2),
    "encode_context": lambda shape, frames: (len(frames), *2 * (max(2, *shape[-1:]),)),
    "code_range": lambda *_: (2,),
    "step": lambda _, code, action, context: torch.broadcast_shapes(code.shape, action.shape, (*context.shape[:-2], 2)),
}
"""What shape the answers of a `WorldModel` are to have, by the one they have and what was asked."""


def checked(model: WorldModel) -> Any:
    """The same model, of anybody's: what it raises, or answers in another form, is a `UserError`."""

    def ask(name: str, *given: Any) -> Any:
        kept = None if name in ("encode_context", "code_range") else torch.float32  # their own type
        call, form = partial(getattr(model, name), *given), lambda shape: FORMS[name](shape, *given)
        found = asked(f"the model's {name}", call, form, kept)
        return found.tolist() if name == "code_range" else found

    return SimpleNamespace(sees=getattr(model, "sees", None), **{name: partial(ask, name) for name in FORMS})


class Agent:
    """Takes one action a frame towards a goal frame, in one episode or E at once. Subclasses `prepare` and `choose`."""

    @torch.no_grad()
    def __init__(self, model: WorldModel, frame: Any, goal_frame: Any, actions: Actions) -> None:
        """frame, goal_frame: [C, H, W] or [E, C, H, W], the episodes' first and wanted ones."""
        self.model, self.actions, form = checked(model), actions, getattr(model, "frame", None)
        self.channel = form.agent if isinstance(form, Frame) else None  # of what moves, where it has one
        first, goal = self.read(frame, "frame"), self.read(goal_frame, "goal_frame")
        if first.shape[:-2] != goal.shape[:-2]:
            raise UserError(f"frame and goal_frame must both be of one form, not {[*first.shape]} and {[*goal.shape]}")
        self.single, self.shape = first.ndim == 3, first.shape
        self.frames, goals = (frames.reshape(-1, *frames.shape[-3:]) for frames in (first, goal))
        self.context, self.goal = self.model.encode_context(self.frames), self.model.encode_agent(goals)
        self.prepare()

    def prepare(self) -> None:
        """Computes what the whole episode needs."""

    def read(self, given: Any, name: str) -> np.ndarray:
        """Anything that numpy or torch makes frames of -> [..., C, H, W] uint8 or float32, in which the agent shows."""
        frames = as_finite(given, name).detach().cpu().numpy()
        if frames.ndim not in (3, 4) or not frames.size:
            raise UserError(f"{name} must be [C, H, W] or [E, C, H, W], not {list(frames.shape)}")
        shown = frames if self.channel is None else frames[..., self.channel : self.channel + 1, :, :]
        if not shown.size or (np.ptp(shown, axis=(-3, -2, -1)) == 0).any():
            raise UserError(f"{name} must show something that moves, and is of one colour")
        return frames

    def encode(self, frame: Any) -> Tensor:
        """The present frame, of the first one's form -> codes [E, D]."""
        frame = self.read(frame, "frame")
        if frame.shape != self.shape:
            raise UserError(f"frame must be {list(self.shape)}, as the first one was, not {list(frame.shape)}")
        return self.model.encode_agent(frame.reshape(self.frames.shape))

    @torch.no_grad()
    def act(self, frame: Any) -> np.ndarray:
        """The present frame, as the first one was given -> the next action [2] or [E, 2]."""
        action = self.choose(self.encode(frame)).cpu().numpy()
        return action[0] if self.single else action

    def choose(self, code: Tensor) -> Tensor:
        """Codes [E, D] -> actions [E, 2]."""
        raise NotImplementedError

    @torch.no_grad()
    def imagine(self, frame: Any, steps: int) -> Tensor:
        """What the agent expects of its next `steps` steps: codes [steps + 1, D] or [E, steps + 1, D], the frame's own
        first."""
        if not isinstance(steps, Integral) or not 0 <= steps <= 10_000:
            raise UserError(f"steps must be a whole number from 0 to 10,000, not {str(steps)[:80]}")
        dreamer = copy.deepcopy(self, {id(self.model): self.model})  # so that nothing imagined is remembered
        codes = [self.encode(frame)]
        for _ in range(int(steps)):
            codes.append(self.model.step(codes[-1], dreamer.choose(codes[-1]), self.context))
        imagined = torch.stack(codes, dim=1)
        return imagined[0] if self.single else imagined


def action_per_code(model: WorldModel, frames: np.ndarray, context: Tensor, actions: Actions) -> Tensor:
    """The matrix [D, 2] that turns a free agent's move in code space into its action: `move @ matrix`. By what the
    model predicts of moves along both axes: the median over codes of all the range that nothing is near to."""
    low, high = model.code_range(frames)
    like = model.encode_agent(frames[:1])
    drawn = torch.rand(256, 1, like.shape[-1], generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    codes, pushes = low + (high - low) * drawn.to(like), actions.limit * torch.eye(2).to(like)
    moves = model.step(codes, pushes, context[:1]) - codes
    far = moves.norm(dim=-1).amin(dim=-1)  # [256]
    return torch.linalg.pinv(moves[far >= far.max() / 2].median(dim=0).values / actions.limit)
