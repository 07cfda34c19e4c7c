"""`metrics.txt`: four losses, the number of trainable parameters and the training command, one a line."""

import re
from dataclasses import dataclass
from pathlib import Path

from tiny_jepa.errors import UserError
from tiny_jepa.files import read_text, write_text
from tiny_jepa.probing.measure import COURSE_SETS
from tiny_jepa.probing.results import Result

NOT_AVAILABLE = "not available"
NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
COUNT = re.compile(r"[0-9]{1,3}(,?[0-9]{3}){0,4}|[0-9]{1,15}")
TOLERANCE = 0.15
"""Two measurements of the same weights on the same sets differ by less than this share (seeds, machines)."""


@dataclass(frozen=True)
class Metrics:
    """losses: px² of each of the course's sets, None where a set was not available."""

    losses: dict[str, float | None]
    parameters: int
    command: str

    def text(self) -> str:
        lines = [
            f"probe_{name} val loss: {NOT_AVAILABLE if (loss := self.losses[name]) is None else f'{loss:.4f}'}"
            for name in COURSE_SETS
        ]
        return "\n".join([*lines, str(self.parameters), self.command]) + "\n"


def write_metrics(path: Path, metrics: Metrics) -> None:
    """Raises a `UserError` where the file would not be read again as it is meant."""
    if len(metrics.text().splitlines()) != len(COURSE_SETS) + 2:
        raise UserError(f"the training command has a line break, which {path} has no place for; train it again")
    write_text(path, metrics.text())


def read_metrics(path: Path) -> Metrics:
    """Raises a `UserError` that says which line is not as expected."""
    lines = read_text(path, "write it with: python main.py --write-metrics").removesuffix("\n").split("\n")
    if len(lines) != len(COURSE_SETS) + 2:
        raise UserError(f"{path} has {len(lines)} lines instead of 6; write it with: python main.py --write-metrics")
    losses: dict[str, float | None] = {}
    for name, text in zip(COURSE_SETS, lines, strict=False):
        label, _, value = text.partition(": ")
        losses[name] = float(value) if NUMBER.fullmatch(value) else None
        if label != f"probe_{name} val loss" or (losses[name] is None and value != NOT_AVAILABLE):
            raise UserError(
                f"{path}: '{text[:80]}' should read 'probe_{name} val loss: X'; write it with --write-metrics"
            )
    if not COUNT.fullmatch(lines[4]):
        raise UserError(f"{path}: line 5 should be the number of trainable parameters, not '{lines[4][:40]}'")
    return Metrics(losses, int(lines[4].replace(",", "")), lines[5])


def metrics_of(result: Result) -> Metrics:
    """The mean losses of a result."""
    losses = {name: result.mean(name) for name in COURSE_SETS}
    return Metrics(losses, result.parameters, result.trained_by or "unknown")


def disagreements(metrics: Metrics, parameters: int, command: str | None) -> list[str]:
    """What `metrics` says otherwise than the weights, which have `parameters` and were trained by `command`."""
    found = []
    if metrics.parameters != parameters:
        found.append(f"it says {metrics.parameters:,} parameters, the weights have {parameters:,}")
    if metrics.command != command:
        found.append(f"its training command is '{metrics.command}', the weights were made by '{command}'")
    return found


def differing_losses(stated: Metrics, measured: Metrics) -> list[str]:
    """Losses of `stated` that are not what was measured."""

    def show(loss: float | None) -> str:
        return NOT_AVAILABLE if loss is None else f"{loss:.4f}"

    def differ(one: float | None, other: float | None) -> bool:
        if one is None or other is None:
            return one is not other
        noise = 5e-3  # px², the prober's own, where a loss is next to nothing
        return not abs(one - other) <= TOLERANCE * max(one, other) + noise

    pairs = [(name, stated.losses[name], measured.losses[name]) for name in COURSE_SETS]
    return [f"{name} is {show(one)} there, {show(other)} measured" for name, one, other in pairs if differ(one, other)]
