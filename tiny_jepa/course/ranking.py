"""The course's ranking: five criteria, each ranked on its own, the ranks turned into points and summed by weight.

A criterion with n entries gives an entry of rank r the share (n - r) / (n - 1): 1 to the best, 0 to the last, and 0
where the entry has no figure. Ties go to fewer parameters. Each of our rows is ranked alone against the published
rows marked `fair`, so that our rows do not push each other up; a published row is ranked among the `fair` ones.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tiny_jepa.course import COURSE_SETS
from tiny_jepa.probing.results import Result

WEIGHTS = {**dict.fromkeys(COURSE_SETS, 1.0), "parameters": 0.25}
"""The five criteria."""
PEERS = Path(__file__).with_name("peers.csv")
COURSE_FRAMES = "65 px float32"
"""As the course's files have them."""


@dataclass(frozen=True)
class Entry:
    """A row of the ranking. losses: px², None where there is no figure."""

    name: str
    parameters: int | None
    losses: dict[str, float | None]
    mark: str  # ours; reference (no entry: dead reckoning, an untrained model); fair, unchecked or one-step
    source: str = ""  # where a published figure stands

    def figure(self, criterion: str) -> tuple[float, float]:
        """What it is ranked by: the criterion's figure, and its parameters; infinite where there is none."""
        size = math.inf if self.parameters is None else self.parameters
        loss = self.losses.get(criterion)
        return size if criterion == "parameters" else math.inf if loss is None else loss, size


def read_peers() -> list[Entry]:
    """The published teams, with their sources and their marks."""
    with PEERS.open(newline="", encoding="utf-8") as file:
        return [
            Entry(
                row["name"],
                int(row["parameters"]) if row["parameters"] else None,
                {name: float(row[f"probe_{name}"]) if row[f"probe_{name}"] else None for name in COURSE_SETS},
                row["protocol"],
                row["source"],
            )
            for row in csv.DictReader(file)
        ]


def is_ranked(result: Result) -> bool:
    return result.lift and result.frames == COURSE_FRAMES


def our_entries(results: Sequence[Result]) -> list[Entry]:
    """Our rows: every result that is ranked. What was not trained is there for reference."""
    entries = []
    for result in filter(is_ranked, results):
        name, mark = (f"tiny_jepa {result.model}", "ours") if result.kind == "trained" else (result.model, "reference")
        losses = {name: result.mean(name) for name in COURSE_SETS}
        entries.append(Entry(name, result.parameters, losses, mark, result.data))
    return entries


def ranks(entry: Entry, field: Sequence[Entry]) -> dict[str, int | None]:
    """Rank of `entry` in each criterion among `field` and itself; 1 is best, None where it has no figure."""
    own = {criterion: entry.figure(criterion) for criterion in WEIGHTS}
    return {
        criterion: 1 + sum(other.figure(criterion) < figure for other in field) if math.isfinite(figure[0]) else None
        for criterion, figure in own.items()
    }


def points(entry: Entry, field: Sequence[Entry]) -> float:
    """Weighted sum of the shares that the ranks give, 0 to 4.25."""
    most = len([other for other in field if other is not entry])
    placed = ranks(entry, field).items()
    return sum(WEIGHTS[criterion] * (most + 1 - rank) / max(most, 1) for criterion, rank in placed if rank is not None)
