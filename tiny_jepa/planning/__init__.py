"""Planning with a world model: reach what a goal frame shows, in representation space alone.

agent = plan(model, frame, goal_frame)
action = agent.act(frame)  # the next one; and again, with the frame that follows
"""

from typing import Any

import numpy as np
import torch

from tiny_jepa.errors import UserError
from tiny_jepa.planning.agents import Agent, Random, Straight
from tiny_jepa.planning.costtogo import CostToGo, CostToGoAgent
from tiny_jepa.planning.sampling import CEM, MPPI, Sampler, Sampling
from tiny_jepa.worlds import WORLDS, find_world
from tiny_jepa.worlds.contract import Actions, WorldModel

PLANNERS: dict[str, type[Agent]] = {"cost-to-go": CostToGoAgent, "cem": CEM, "mppi": MPPI}
PLANNERS |= {"straight": Straight, "random": Random}


@torch.no_grad()
def plan(
    model: WorldModel,
    frame: np.ndarray,
    goal_frame: np.ndarray,
    actions: Actions | None = None,
    planner: str = "cost-to-go",
    **settings: Any,
) -> Agent:
    """Plans from a frame to a goal frame -> an agent; `agent.act(frame)` gives the next action.

    Args:
        model: a trained `JEPA`, or anything else with the methods of `WorldModel`.
        frame, goal_frame: [C, H, W], or [E, C, H, W] for E episodes at once.
        actions: what the world allows; by default, what the model's world says.
        planner: one of `PLANNERS`.
        settings: of cem and mppi, the fields of `Sampling`.
    """
    if planner not in PLANNERS:
        raise UserError(f"no planner '{planner}'; there are {', '.join(PLANNERS)}")
    if actions is None and (name := getattr(getattr(model, "frame", None), "world", "")) in WORLDS:
        actions = getattr(find_world(name).task, "actions", None)
    if not isinstance(actions, Actions):
        raise UserError(f"say which actions the world allows, such as actions=Actions(1.0, box=True), not {actions}")
    if settings and not issubclass(PLANNERS[planner], Sampler):
        raise UserError(f"{planner} has no {', '.join(settings)}; cem and mppi have settings")
    return PLANNERS[planner](model, frame, goal_frame, actions, **settings)
