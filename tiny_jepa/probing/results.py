"""Stored results: one JSON file an evaluation, which says what was measured, on what, and how to do it again."""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tiny_jepa.errors import UserError
from tiny_jepa.files import read_json, write_text
from tiny_jepa.probing.measure import COURSE_SETS

FORMAT = 2
"""1 was of the sets up to revision 61a1c84, which were easier."""


@dataclass(frozen=True)
class Result:
    """One evaluation of one model."""

    model: str  # what a table calls it: a budget's name, "dead reckoning", "untrained"
    kind: str  # trained, untrained or dead-reckoning
    parameters: int  # trainable
    fingerprint: str | None  # of the weights file; None where there is none
    command: str  # that measured this
    trained_by: str | None  # the training command; None where nothing was trained
    trained_on: str | None  # what --data took in training
    data: str  # what --data takes to open the scored sets again
    prober_data: str  # the same for the sets that train the probers
    sets_version: int | None  # of the simulator's sets; None where the data is not the simulator's
    frames: str  # of the scored sets: "64 px uint8"
    lift: bool  # read out at the lifted representation (True) or at the bare code
    seeds: list[int]
    losses: dict[str, list[float] | None]  # px², one a seed; None: set not available
    minutes: float | None = None  # of training; None where nothing was trained
    score_minutes: float | None = None  # of this measurement; None, as below, in older files
    trained_at: dict[str, str | int] | None = None  # host, threads, versions
    measured_at: dict[str, str | int] | None = None

    def mean(self, name: str) -> float | None:
        """Mean over the seeds in px²; None where the set was not available."""
        losses = self.losses.get(name)
        return statistics.fmean(losses) if losses else None

    def std(self, name: str) -> float | None:
        """Standard deviation over the seeds in px² (n - 1); None with fewer than two."""
        losses = self.losses.get(name)
        return statistics.stdev(losses) if losses and len(losses) > 1 else None

    def to_json(self) -> dict[str, Any]:
        """Plain values; mean and std are written beside the losses of the seeds."""
        content = {"format": FORMAT, **asdict(self)}
        content["losses"] = {
            name: {"seeds": losses, "mean": self.mean(name), "std": self.std(name)} if losses else None
            for name, losses in self.losses.items()
        }
        return content


def write_result(path: Path, result: Result) -> None:
    text = json.dumps(result.to_json(), indent=2, allow_nan=False) + "\n"
    write_text(path, text)


def read_result(path: Path) -> Result:
    """Reads one stored result.

    Raises:
        UserError: a file that is missing, no JSON, or of another form.
    """
    again = f"write it again with: python main.py --store {path}"
    if not path.exists():
        raise UserError(f"no result file {path}; write one with: python main.py --store {path}")
    content = read_json(path, again)
    if content.pop("format", FORMAT) != FORMAT:
        raise UserError(f"{path} has another format than this version's {FORMAT}; measure it again")
    try:
        content["losses"] = {name: stored and stored["seeds"] for name, stored in content["losses"].items()}
        result = Result(**content)
        for losses in result.losses.values():
            if losses is not None and not all(type(loss) in (int, float) and math.isfinite(loss) for loss in losses):
                raise ValueError("a loss is no finite number")
        for name, kind in (("parameters", int), ("model", str), ("kind", str), ("data", str), ("seeds", list)):
            if type(getattr(result, name)) is not kind:
                raise ValueError(f"{name} is {getattr(result, name)!r}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a stored result ({error}); {again}") from None
    return result


def read_results(folder: Path) -> list[Result]:
    """All results of a folder, fewest parameters first; those of a model's training seeds are one, with the losses of
    them all."""
    combined: dict[tuple, Result] = {}
    for path in sorted(folder.glob("*.json")):
        result = read_result(path)
        key = (result.kind, result.model, result.lift, result.data, result.trained_on, result.sets_version)
        if (first := combined.get(key)) is not None:
            losses = {name: each and (first.losses.get(name) or []) + each for name, each in result.losses.items()}
            result = replace(first, losses=losses, seeds=first.seeds + result.seeds)
        combined[key] = result
    return sorted(combined.values(), key=lambda r: (r.parameters, r.model, not r.lift, r.frames))


def show_losses(losses: Sequence[float] | None) -> str:
    """`0.0593`, or `0.0593 ± 0.0004 (5 seeds)`, or `not available`: px²."""
    if not losses:
        return "not available"
    mean = f"{statistics.fmean(losses):.4f}"
    return mean if len(losses) == 1 else f"{mean} ± {statistics.stdev(losses):.4f} ({len(losses)} seeds)"


def line(name: str, losses: Sequence[float] | None) -> str:
    """One loss as the course prints it: `normal loss: 0.0593`."""
    return f"{name} loss: {show_losses(losses)}" + (" (ours)" if name not in COURSE_SETS else "")
