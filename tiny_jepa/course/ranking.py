"""The course's ranking: five criteria, each ranked on its own, the ranks turned into points and summed by weight.

A criterion with n entries gives an entry of rank r the share (n - r) / (n - 1): 1 to the best, 0 to the last, and 0
where the entry has no figure. Ties go to fewer parameters. Each of our rows is ranked alone against the published
rows marked `fair`, so that our rows do not push each other up; a published row is ranked among the `fair` ones.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tiny_jepa.probing.measure import COURSE_SETS
from tiny_jepa.probing.results import Result

WEIGHTS = {**dict.fromkeys(COURSE_SETS, 1.0), "parameters": 0.25}
"""The five criteria."""
FULL_MARKS = sum(WEIGHTS.values())
PEERS = Path(__file__).with_name("peers.csv")


@dataclass(frozen=True)
class Entry:
    """A row of the ranking. losses: px², None where there is no figure."""

    name: str
    parameters: int | None
    losses: dict[str, float | None]
    mark: str  # ours; reference (no entry: dead reckoning, an untrained model); fair, unchecked or one-step
    source: str = ""  # where a published figure stands

    def criterion(self, name: str) -> float | None:
        return self.parameters if name == "parameters" else self.losses[name]


def read_peers(path: Path = PEERS) -> list[Entry]:
    """The published teams, with their sources and their marks."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Entry(
                name=row["name"],
                parameters=int(row["parameters"]) if row["parameters"] else None,
                losses={name: float(row[f"probe_{name}"]) if row[f"probe_{name}"] else None for name in COURSE_SETS},
                mark=row["protocol"],
                source=row["source"],
            )
            for row in csv.DictReader(file)
        ]


def best_published(peers: Sequence[Entry]) -> dict[str, float]:
    """The least figure of each column among the rows marked `fair`, px²."""
    fair = [peer for peer in peers if peer.mark == "fair" and peer.parameters]
    return {name: min(value for peer in fair if (value := peer.losses[name]) is not None) for name in COURSE_SETS}


COURSE_FRAMES = "65 px float32"
"""As the course's files have them."""


def our_entries(results: Sequence[Result]) -> list[Entry]:
    """Our rows: every stored result with the lift, on the course's frames. What was not trained is there for
    reference."""
    return [
        Entry(
            name=f"tiny_jepa {result.model}" if result.kind == "trained" else result.model,
            parameters=result.parameters,
            losses={name: result.mean(name) for name in COURSE_SETS},
            mark="ours" if result.kind == "trained" else "reference",
            source=result.data,
        )
        for result in results
        if result.lift and result.frames == COURSE_FRAMES
    ]


def ranks(entry: Entry, field: Sequence[Entry]) -> dict[str, int | None]:
    """Rank of `entry` in each criterion among `field` and itself; 1 is best, None where it has no figure."""

    def key(one: Entry, criterion: str) -> tuple[float, float]:
        value, size = one.criterion(criterion), one.parameters
        return (float("inf") if value is None else value, float("inf") if size is None else size)

    others = [other for other in field if other is not entry]
    return {
        criterion: None
        if entry.criterion(criterion) is None
        else 1 + sum(key(other, criterion) < key(entry, criterion) for other in others)
        for criterion in WEIGHTS
    }


def points(entry: Entry, field: Sequence[Entry]) -> float:
    """Weighted sum of the shares that the ranks give, 0 to 4.25."""
    count = len([other for other in field if other is not entry]) + 1
    return sum(
        WEIGHTS[criterion] * (count - rank) / max(count - 1, 1)
        for criterion, rank in ranks(entry, field).items()
        if rank is not None
    )
