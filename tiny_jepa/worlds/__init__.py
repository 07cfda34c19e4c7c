"""Worlds, each a folder. `contract.py` says all that the other rooms may know of one."""

from dataclasses import replace

from tiny_jepa.errors import UserError
from tiny_jepa.options import imported
from tiny_jepa.worlds.contract import World
from tiny_jepa.worlds.two_rooms import TWO_ROOMS
from tiny_jepa.worlds.tworoom import TWOROOM

DEFAULT = TWO_ROOMS
"""The world of the budgets, and of every program that is told no other."""
WORLDS = {"two_rooms": TWO_ROOMS, "tworoom": TWOROOM}


def find_world(name: str) -> World:
    """The world of this name, or `package.module:NAME`; its frame keeps the name.

    Raises:
        UserError: no such world.
    """
    world = WORLDS.get(name)
    if world is None and ":" in name:
        world = imported(name, "no world")
    if not isinstance(world, World):
        raise UserError(f"no world '{name}'; there are {', '.join(WORLDS)}, or write package.module:NAME")
    return replace(world, frame=replace(world.frame, world=name))
