"""Command-line options of `train.py`: one for each key of the architecture and of the training settings."""

import argparse
import difflib
import inspect
import re
from dataclasses import fields, replace
from pathlib import Path

from tiny_jepa.budgets import Budget, find_budget, typed_value
from tiny_jepa.errors import UserError
from tiny_jepa.models.jepa import Architecture
from tiny_jepa.models.size import solve
from tiny_jepa.settings import TrainingConfig

MAX_KERNEL = 63
"""Taps: about a frame's side."""


def flag(key: str) -> str:
    """The option of a key."""
    return "--" + key.replace("_", "-")


def key_comments(settings: type) -> dict[str, str]:
    """The same-line comment of each field of a dataclass: its documentation."""
    return dict(re.findall(r"^    (\w+): [^#\n]*?# (.*)$", inspect.getsource(settings), re.MULTILINE))


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    """Raises a `UserError` that names the nearest option where one is unknown."""
    parser = argparse.ArgumentParser(
        prog="train.py", description="Trains a world model to a parameter budget, without labels.", allow_abbrev=False
    )
    parser.add_argument("--budget", default="2k", help="trainable parameters: 500, 2k, 1M; presets: budgets/ (2k)")
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
    budget = find_budget(arguments.budget)
    training, model = (
        {
            field.name: typed_value(field, text, flag(field.name))
            for field in fields(settings)
            if (text := getattr(arguments, field.name)) is not None
        }
        for settings in (TrainingConfig, Architecture)
    )
    architecture = replace(budget.architecture, **model)
    if model and "gate_widths" not in model:
        check_architecture(replace(architecture, gate_widths=(1, 1)))
        architecture = solve(budget.limit, architecture)
    check_architecture(architecture)
    return replace(budget, architecture=architecture, training=check(replace(budget.training, **training)))


def check_architecture(a: Architecture) -> None:
    """Raises a `UserError` for an architecture that cannot be built."""
    for name in ("agent_kernel", "layout_kernel"):
        value = getattr(a, name)
        if not (1 <= value <= MAX_KERNEL and value % 2):
            raise UserError(f"{flag(name)} must be an odd number from 1 to {MAX_KERNEL}, not {value}")
    if not a.gate_widths or not all(type(width) is int and width > 0 for width in a.gate_widths):
        raise UserError(f"--gate-widths takes whole numbers above 0, such as 24,24, not {a.gate_widths}")
    if a.repr_dim != 0 and a.repr_dim < 4:
        raise UserError(f"--repr-dim must be 0 (no lift) or at least 4, not {a.repr_dim}")


def check(config: TrainingConfig) -> TrainingConfig:
    """Raises a `UserError` for settings that cannot be trained with."""
    least = dict.fromkeys(("encode_batch", "encode_frames", "cached", "predict_batch"), 2)
    least |= dict.fromkeys(("encode_steps", "predict_steps", "audition_steps", "auditions"), 1)
    least |= dict.fromkeys(("variance_weight", "concentration_weight", "teacher_weight", "decision_weight", "seed"), 0)
    for name, lowest in least.items():
        if not getattr(config, name) >= lowest:
            raise UserError(f"{flag(name)} must be at least {lowest}, not {getattr(config, name)}")
    if config.seed >= 2**63:
        raise UserError(f"--seed must be below 2**63, not {config.seed}")
    for name in ("encode_lr", "predict_lr", "clip"):
        if not getattr(config, name) > 0:
            raise UserError(f"{flag(name)} must be above 0, not {getattr(config, name)}")
    if not (config.teacher_weight or config.decision_weight):
        raise UserError("--teacher-weight and --decision-weight are both 0: nothing would be predicted")
    return config
