"""The course's sets, and its `metrics.txt`: four losses, the number of parameters, the training command, one a line."""

import re
from dataclasses import dataclass
from pathlib import Path

from tiny_jepa.errors import UserError
from tiny_jepa.files import read_text, write_text

COURSE_SETS = ("normal", "wall", "wall_other", "expert")
SETS = (*COURSE_SETS, "long", "rooms", "doors", "maze")
"""Names of the losses; from `long` on, the sets are ours."""
METRICS = Path("metrics.txt")  # in the working folder, as model_weights.pth is
NOT_AVAILABLE = "not available"
LOSS = rf"([0-9]{{1,18}}(?:\.[0-9]{{1,18}})?|{NOT_AVAILABLE})"
FORM = "".join(rf"probe_{name} val loss: {LOSS}\n" for name in COURSE_SETS) + r"([0-9][0-9,]{0,18})\n(.+)\n?"
TOLERANCE, NOISE = 0.15, 5e-3
"""Two measurements of the same weights on the same sets (seeds, machines) differ by less than this share, and px²."""


@dataclass(frozen=True)
class Metrics:
    """losses: px² of each of the course's sets, None where a set was not available."""

    losses: dict[str, float | None]
    parameters: int
    command: str


def shown(loss: float | None) -> str:
    return NOT_AVAILABLE if loss is None else f"{loss:.4f}"


def write_metrics(path: Path, metrics: Metrics) -> None:
    losses = [f"probe_{name} val loss: {shown(metrics.losses[name])}" for name in COURSE_SETS]
    text = "\n".join([*losses, str(metrics.parameters), metrics.command]) + "\n"
    if not re.fullmatch(FORM, text):
        raise UserError(f"{path} has no place for this training command: {metrics.command!r}; train it again")
    write_text(path, text)


def read_metrics(path: Path) -> Metrics:
    """Raises a `UserError` where the file has another form."""
    again = "write it with: python main.py --write-metrics"
    if (found := re.fullmatch(FORM, read_text(path, again))) is None:
        raise UserError(f"{path} has not the six lines of a {METRICS}; {again}")
    *losses, parameters, command = found.groups()
    numbers = [None if loss == NOT_AVAILABLE else float(loss) for loss in losses]
    return Metrics(dict(zip(COURSE_SETS, numbers, strict=True)), int(parameters.replace(",", "")), command)


def differences(stated: Metrics, found: Metrics) -> str:
    """What `stated` says otherwise than what was `found` of the weights; nothing, or a sentence."""
    says = []
    if stated.parameters != found.parameters:
        says.append(f"it says {stated.parameters:,} parameters, the weights have {found.parameters:,}")
    if stated.command != found.command:
        says.append(f"its training command is '{stated.command}', the weights were made by '{found.command}'")
    for name in COURSE_SETS:
        there, measured = stated.losses[name], found.losses[name]
        near = there is measured
        if there is not None and measured is not None:
            near = abs(there - measured) <= TOLERANCE * max(there, measured) + NOISE
        if not near:
            says.append(f"{name} is {shown(there)} there, {shown(measured)} measured")
    return "; ".join(says)
