"""Settings of a training run. A field with its comment is a key of a preset in `budgets/` and an option of `train.py`,
with its help, its kind and its limits."""

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from tiny_jepa.errors import UserError
from tiny_jepa.models.jepa import Architecture
from tiny_jepa.objectives.adapters import OBJECTIVES

CHOICES = {"objective": OBJECTIVES}
MAX_KERNEL = 63
"""Taps: about a frame's side."""


@dataclass(frozen=True)
class TrainingConfig:
    """All schedules count steps."""

    objective: str = "vicreg"  # vicreg, barlow or byol
    # phase 1, `encode`: encoders and the action's scale, from frames, the gate at rest
    encode_steps: int = 1_000  # of phase 1
    encode_batch: int = 64  # trajectories a step
    encode_frames: int = 4  # consecutive frames of each that are encoded
    encode_lr: float = 0.2  # Adam's rate at the start; a cosine takes it to zero
    variance_weight: float = 0.3  # vicreg: of the variance hinge (0 invites collapse)
    concentration_weight: float = 0.6  # of the layout maps' concentration
    # phase 2, `predict`: the gate, on the codes of the frozen encoders
    cached: int = 147_000  # trajectories whose codes are computed once and kept
    auditions: int = 1  # gates that are tried before the phase; the one with the least one-step error goes on
    audition_steps: int = 1_000  # training of each
    predict_steps: int = 20_000  # of phase 2
    predict_batch: int = 2_048  # transitions a step
    predict_lr: float = 1e-2  # Adam's rate at the start; a cosine takes it to zero
    teacher_weight: float = 1.0  # of the squared error of one-step predictions
    decision_weight: float = 1.0  # of the gate's logistic loss on the same steps: was the move made?
    vary: bool = False  # every transition is moved to where the same would happen, each time it is drawn
    # all
    clip: float = 1.0  # gradient norm
    seed: int = 0  # of weights and batches


def flag(key: str) -> str:
    """The option of a key."""
    return "--" + key.replace("_", "-")


def key_comments(settings: type) -> dict[str, str]:
    """The same-line comment of each field of a dataclass: its documentation."""
    return dict(re.findall(r"^    (\w+): [^#\n]*?# (.*)$", inspect.getsource(settings), re.MULTILINE))


def parse_value(text: str) -> Any:
    """A number, tuple or bool, or the text itself."""
    try:
        return ast.literal_eval({"true": "True", "false": "False"}.get(text, text))
    except (ValueError, SyntaxError):
        return text


def typed_value(field: Any, text: str, where: str) -> Any:
    """The value of a setting, as a preset or the command line (`where`) has it.

    Raises:
        UserError: not of the kind of the field's default, or none of its choices.
    """
    kind, value = type(field.default), parse_value(text)
    if kind is tuple and isinstance(value, int):
        value = (value,)
    if kind is float and type(value) is int:
        value = float(value)
    if field.name in CHOICES and value not in CHOICES[field.name]:
        raise UserError(f"{where} must be one of {', '.join(CHOICES[field.name])}, not '{text}'")
    if type(value) is not kind:
        raise UserError(f"{where} takes a value like {field.default}, not '{text}'")
    return value


Settings = TypeVar("Settings", TrainingConfig, Architecture)


def overridden(settings: Settings, texts: Mapping[str, str], where: Callable[[str], str]) -> Settings:
    """`settings` with the values of `texts`, by key; `where(key)` says where a user wrote one.

    Raises:
        UserError: an unknown key, a value of another kind, or settings that cannot be built or trained with.
    """
    known = {field.name: field for field in fields(settings)}
    if unknown := sorted(set(texts) - set(known)):
        raise UserError(f"{where('unknown keys')}: {', '.join(unknown)}")
    changed = replace(settings, **{key: typed_value(known[key], text, where(key)) for key, text in texts.items()})
    check_architecture(changed) if isinstance(changed, Architecture) else check_training(changed)
    return changed


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


def check_training(config: TrainingConfig) -> None:
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
