"""Worlds, each a folder or a file. `contract.py` says all that the other rooms may know of one."""

from dataclasses import replace

from tiny_jepa.errors import UserError
from tiny_jepa.options import imported
from tiny_jepa.worlds.contract import World

WORLDS = {
    "two_rooms": "tiny_jepa.worlds.two_rooms:TWO_ROOMS",
    "tworoom": "tiny_jepa.worlds.pixels:TWOROOM",
    "pointmaze": "tiny_jepa.worlds.pixels:POINTMAZE",
}


def find_world(name: str) -> World:
    """The world of this name, or `package.module:NAME`; its frame keeps the name. Commands alone look worlds up."""
    if name not in WORLDS and ":" not in name:
        raise UserError(f"no world '{name}'; there are {', '.join(WORLDS)}, or write package.module:NAME")
    world = imported(WORLDS.get(name, name), "no world")
    if not isinstance(world, World):
        raise UserError(f"{name} is no World but a {type(world).__name__}; docs/worlds.md says how to write one")
    return replace(world, frame=replace(world.frame, world=name))


def world_of(named: str, asked: str | None, where: str) -> World:
    """The world that a file `where` names. A file may name worlds that ship with the kit; one that has to be imported
    is for the command line to name, as `asked`: whoever wrote the file may have written that module, too."""
    if asked is not None and named != asked:
        raise UserError(f"{where} is of the world {named!r}, not of {asked}; leave --world out")
    if named not in WORLDS and named != asked:
        raise UserError(
            f"{where} names the world {named!r}, which does not come with tiny_jepa; if you trust its code, name it to "
            f"a command that takes --world {named}"
        )
    return find_world(named)
