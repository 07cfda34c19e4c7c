"""What the root's scripts and `python -m tiny_jepa VERB` run: a file a command. Only here are worlds looked up."""

from collections.abc import Iterable
from pathlib import Path

from tiny_jepa.budgets import FOLDER, find_weights
from tiny_jepa.errors import UserError
from tiny_jepa.files import require_writable
from tiny_jepa.probing.results import Kind
from tiny_jepa.probing.subjects import Subject, compared, dead_reckoning
from tiny_jepa.weights import ROOT_WEIGHTS, read_weights
from tiny_jepa.worlds import find_world, world_of
from tiny_jepa.worlds.contract import World

DEFAULT = "two_rooms"
"""The world of every command that is told no other."""


def choose(
    weights: Path | None,
    budget: str | None,
    world: str | None = None,
    kind: Kind = "trained",
    lift: bool = True,
    writes: Iterable[Path | None] = (),
    reads: Iterable[Path] = (),
) -> tuple[Subject, World]:
    """The model that a command line names, or what it is compared with; and its world, which a weights file says
    itself. The file is model_weights.pth unless named, or unless a `budget` names the one that ships for it. None of
    the files that the command `writes` may be that file, one that ships, or one that it `reads` besides."""
    asked = find_world(world or DEFAULT)
    if budget is not None and weights is not None:
        raise UserError("--weights and --budget both name a weights file; leave one out")
    path = find_weights(budget, asked) if budget is not None else weights or ROOT_WEIGHTS
    require_writable(*writes, reads=(path, *FOLDER.rglob("*.pth"), *reads))
    if kind == "dead-reckoning" and asked.frame.agent is not None:
        return dead_reckoning(asked.frame, lift), asked
    model, _ = read_weights(path)
    found = world_of(model.frame.world, world, str(path))
    if model.frame != found.frame:
        raise UserError(f"{path} was trained on frames of another form than those of {found.frame.world}")
    return compared(model, path, kind, lift), found


def the_course(world: World, what: str) -> World:
    """The world, where it is the course's: `what` knows no other."""
    if world.task is None:
        raise UserError(f"{what} is for models of the two rooms, and these weights are of {world.frame.world}")
    return world
