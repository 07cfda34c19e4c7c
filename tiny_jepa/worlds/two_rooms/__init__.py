"""The two-room world: geometry, dynamics, rendering, trajectory generators. numpy only, no learning."""

from tiny_jepa.worlds.two_rooms.dynamics import step
from tiny_jepa.worlds.two_rooms.geometry import UNSEEN_WALLS, World, sample_layouts
from tiny_jepa.worlds.two_rooms.render import render_agents, render_layouts, render_states
from tiny_jepa.worlds.two_rooms.trajectories import Trajectories, expert, explore, rollout, run_into_wall
