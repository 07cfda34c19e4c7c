"""Planning with a world model: reach what a goal frame shows, in representation space alone.

agent = plan(model, frame, goal_frame)
action = agent.act(frame)  # the next one; and again, with the frame that follows
"""

from typing import Any

from tiny_jepa.errors import UserError
from tiny_jepa.planning.agents import Agent
from tiny_jepa.planning.costtogo import CostToGo, CostToGoAgent
from tiny_jepa.worlds import WORLDS, find_world
from tiny_jepa.worlds.contract import Actions, Frame, WorldModel


def plan(model: WorldModel, frame: Any, goal_frame: Any, actions: Actions | None = None) -> CostToGoAgent:
    """Plans from a frame [C, H, W] to a goal frame, or from E to as many, [E, C, H, W], by the cost-to-go of a trained
    `JEPA`, or of anything else with the methods of `WorldModel`. `actions`: what the world allows; by default, what the
    model's world says."""
    if isinstance(model, type) or not isinstance(model, WorldModel):
        raise UserError(f"a {type(model).__name__} is no model to plan with; docs/planning.md says what one has")
    if actions is None and isinstance(form := getattr(model, "frame", None), Frame) and form.world in WORLDS:
        actions = getattr(find_world(form.world).task, "actions", None)
    if not isinstance(actions, Actions):
        raise UserError(f"say which actions the world allows, such as actions=Actions(1.0, box=True), not {actions}")
    return CostToGoAgent(model, frame, goal_frame, actions)
