"""A trained model reaches a goal that it is shown as a frame: load, encode, imagine, plan, act.

pip install gymnasium && python examples/plan.py
"""

import gymnasium
import numpy as np
import torch

import tiny_jepa
import tiny_jepa.worlds.two_rooms.env  # registers the environment
from tiny_jepa.planning import plan

env = gymnasium.make("TwoRooms-v0", layouts="unseen", max_norm=1.8)
frame, info = env.reset(seed=1, options={"radius": 1.5})

model = tiny_jepa.load_model("2k").requires_grad_(False)  # nothing is trained here
code, context = model.encode_agent(frame), model.encode_context(frame)
print("the model sees the agent at", 16 * code.numpy(), "px; it is at", info["location"])

ahead = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])[:, None].expand(2, 60, 2)  # 60 px right, 60 px left: two futures
imagined = model.unroll(code, ahead, context)
print("60 px right, it would be at", 16 * imagined[0, -1].numpy(), "px; 60 px left, at", 16 * imagined[1, -1].numpy())

agent, steps, there = plan(model, frame, info["goal_frame"]), 0, False
while not there and steps < 200:
    frame, _, there, _, info = env.step(agent.act(frame))
    steps += 1
print(f"{steps} steps; the goal is {np.linalg.norm(info['location'] - info['goal']):.2f} px away")
