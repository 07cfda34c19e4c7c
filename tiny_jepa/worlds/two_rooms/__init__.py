"""Two rooms, a wall with a door, and a dot; and other floor plans to score in. Nothing learns here."""

from tiny_jepa.worlds.contract import Actions, Frame, Task, World
from tiny_jepa.worlds.two_rooms.inspect import inspect
from tiny_jepa.worlds.two_rooms.render import render_agents, render_layouts, render_states
from tiny_jepa.worlds.two_rooms.sets import COURSE, GROUPS, RECIPES, SETS_VERSION, SIZES, ProceduralSet
from tiny_jepa.worlds.two_rooms.trajectories import NORM_MAX, Trajectories, expert, explore, rollout, run_into_wall
from tiny_jepa.worlds.two_rooms.walls import UNIT, UNSEEN_WALLS, Geometry, boxes_of, sample_layouts, step
from tiny_jepa.worlds.two_rooms.yardstick import TrueDynamics, shortest_ways

TWO_ROOMS = World(
    frame=Frame(channels=2, agent=0, map=1, unit=UNIT, world="two_rooms"),
    mean=(31.5863, 32.0618),  # as the course has them
    std=(16.1025, 16.1353),
    sets=tuple(RECIPES),
    version=SETS_VERSION,
    sizes=SIZES,
    size=COURSE.size,
    groups=GROUPS,
    simulate=lambda name, seed, size, dtype: ProceduralSet(name, RECIPES[name], Geometry(size=size), seed, dtype),
    inspect=inspect,
    presets=".",
    task=Task(
        environment="tiny_jepa.worlds.two_rooms.env:TwoRooms-v0",
        actions=Actions(NORM_MAX),
        radii=(4.5, 1.5),
        dynamics=TrueDynamics(),
        shortest=shortest_ways,
    ),
)
