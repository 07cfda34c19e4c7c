"""Command-line options of `train.py`: one for each key of the architecture and of the training settings."""

import argparse
import difflib
from dataclasses import fields, replace
from pathlib import Path

from tiny_jepa.budgets import Budget, find_budget
from tiny_jepa.errors import UserError
from tiny_jepa.models.jepa import Architecture
from tiny_jepa.models.size import solve
from tiny_jepa.settings import TrainingConfig, flag, key_comments, overridden
from tiny_jepa.worlds import DEFAULT, find_world


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    """Raises a `UserError` that names the nearest option where one is unknown."""
    parser = argparse.ArgumentParser(
        prog="train.py", description="Trains a world model to a parameter budget, without labels.", allow_abbrev=False
    )
    parser.add_argument("--budget", default="2k", help="trainable parameters: 500, 2k, 1M; presets: budgets/ (2k)")
    parser.add_argument("--world", default=DEFAULT.frame.world, help="two_rooms, tworoom, or package.module:NAME")
    parser.add_argument("--data", help="folder in the course's layout, or procedural[:seed=1,size=65,dtype=float32]")
    parser.add_argument("--name", help="of the run's folder in --runs (BUDGET-seedN)")
    parser.add_argument("--runs", default="runs", help="where run folders go (runs)")
    parser.add_argument("--resume", metavar="NAME", help="go on with an interrupted run, its settings as they were")
    parser.add_argument("--no-install", action="store_true", help="leave model_weights.pth alone")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU; one is best below 100k parameters (1)")
    parser.add_argument("--device", help="cpu, cuda or mps (the best there is)")
    for settings in (TrainingConfig, Architecture):
        group = parser.add_argument_group(settings.__name__)
        comments = key_comments(settings)
        for field in fields(settings):
            says = comments.get(field.name, field.name.replace("_", " ")).replace("%", "%%")
            group.add_argument(flag(field.name), metavar="X", help=f"{says} ({field.default})")
    arguments, unknown = parser.parse_known_args(argv)
    for option, name in (("--name", arguments.name), ("--resume", arguments.resume)):
        if name is not None and (Path(name).name != name or name in ("", "..")):
            raise UserError(f"{option} takes the name of a folder in --runs, not '{name}'")
    if arguments.threads < 1:
        raise UserError(f"--threads must be at least 1, not {arguments.threads}")
    keys = [field.name for kind in (TrainingConfig, Architecture) for field in fields(kind)]
    if arguments.resume and (given := [name for name in keys if getattr(arguments, name) is not None]):
        raise UserError(f"--resume goes on with the run's own settings; leave out {flag(given[0])}")
    if unknown:
        options = [option for action in parser._actions for option in action.option_strings]
        near = difflib.get_close_matches(unknown[0].split("=")[0], options, n=1)
        raise UserError(f"unknown option {unknown[0]}" + (f"; did you mean {near[0]}?" if near else "; see --help"))
    return arguments


def resolve_budget(arguments: argparse.Namespace) -> Budget:
    """The budget with all keys from the command line in place; its widths are solved for unless they are given."""
    budget = find_budget(arguments.budget, find_world(arguments.world))
    training, model = (
        {field.name: text for field in fields(kind) if (text := getattr(arguments, field.name)) is not None}
        for kind in (TrainingConfig, Architecture)
    )
    architecture = overridden(budget.architecture, model, flag)
    if model and "gate_widths" not in model:
        architecture = solve(budget.limit, architecture, budget.world.frame)
    return replace(budget, architecture=architecture, training=overridden(budget.training, training, flag))
