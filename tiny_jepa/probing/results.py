"""Stored results: one JSON file an evaluation, which says what was measured, on what, and how to do it again."""

import json
import statistics
from dataclasses import asdict, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from tiny_jepa.errors import UserError
from tiny_jepa.files import read_json, write_text
from tiny_jepa.options import Seed, read, settings, within

Loss = Annotated[float, within(0, 1e12)]
Losses = Annotated[
    list[Loss], BeforeValidator(lambda stored: stored.get("seeds") if isinstance(stored, dict) else stored)
]
Kind = Literal["trained", "untrained", "dead-reckoning"]
Minutes = Annotated[float, within(0, 1e9)] | None
Interval = Annotated[list[Loss], Field(min_length=2, max_length=2)] | None
GONE = ("prober_data", "trained_at")
"""Keys that older files have: they repeat the command, and what the weights file says."""


@settings
class Result:
    """One evaluation of one model."""

    model: str  # what a table calls it: a budget's name, "dead reckoning", "untrained"
    kind: Kind
    parameters: Annotated[int, within(0, 10**12)]  # trainable
    fingerprint: str | None  # of the weights file; None where there is none
    command: str  # that measured this
    trained_by: str | None  # the training command; None where nothing was trained
    trained_on: str | None  # what --data took in training
    data: str  # what --data takes to open the scored sets again
    sets_version: int | None  # of the simulator's sets; None where the data is not the simulator's
    frames: str  # of the scored sets: "64 px uint8"
    lift: bool  # read out at the lifted representation (True) or at the bare code
    seeds: Annotated[list[Seed], Field(min_length=1)]
    losses: dict[str, Losses | None]  # px², one a seed; None: set not available
    minutes: Minutes = None  # of training; None where nothing was trained
    intervals: dict[str, Interval] = field(default_factory=dict)  # px², 95 % of the mean, over trajectories
    score_minutes: Minutes = None  # of this measurement; None, as below, in older files
    measured_at: dict[str, str | int] | None = None  # host, threads, versions
    format: Literal[2] = 2  # 1 was of the sets up to revision 61a1c84, which were easier

    def mean(self, name: str) -> float | None:
        """Mean over the seeds in px²; None where the set was not available."""
        losses = self.losses.get(name)
        return statistics.fmean(losses) if losses else None

    def to_json(self) -> dict[str, Any]:
        """Plain values; mean and standard deviation (n - 1) stand beside the losses of the seeds."""
        said = {"format": self.format, **asdict(self)}
        for name, each in self.losses.items():
            std = statistics.stdev(each) if each and len(each) > 1 else None
            said["losses"][name] = each and {"seeds": each, "mean": self.mean(name), "std": std}
        return said


def write_result(path: Path, result: Result) -> None:
    write_text(path, json.dumps(result.to_json(), indent=2, allow_nan=False) + "\n")


def read_result(path: Path) -> Result:
    """Reads one stored result; a `UserError` for a file that is missing, or of another form."""
    again = f"write it again with: python main.py --store {path}"
    content = {key: value for key, value in read_json(path, again).items() if key not in GONE}
    result = read(Result, content, f"{path} is no result of this version ({again})")
    counts = {len(result.seeds), *(len(each) for each in result.losses.values() if each is not None)}
    if counts != {len({*result.seeds})}:
        raise UserError(f"{path} has not one loss for each seed, and each seed once ({again})")
    return result
