"""The course's ranking: stored results (--results) beside the published teams of peers.csv. Errors are MSEs in px².

In each criterion an entry of rank r among n gets (n - r) / (n - 1) points, none where it has no figure; the four errors
have weight 1, the parameter count 0.25, so 4.25 is full marks. Each of our rows is ranked alone against the published
rows marked `fair`; ties go to fewer parameters. `unchecked` (nobody ran it), `one-step` (sees every true frame) and
`reference` rows are no entries; our own `reference` rows have points. Of our results, those of other frames and of bare
codes are left out.

Published figures were measured on the course's own data, ours on simulated data; docs/records.md says how far the two
can be compared."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.shared import RECORDS, run
from tiny_jepa.course import COURSE_SETS
from tiny_jepa.errors import UserError
from tiny_jepa.probing.results import Result, read_result
from tiny_jepa.tables import markdown, number, size

WEIGHTS = {**dict.fromkeys(COURSE_SETS, 1.0), "parameters": 0.25}  # of the five criteria
PEERS = Path(__file__).with_name("peers.csv")
COURSE_FRAMES = "65 px float32"  # as the course's files have them


@dataclass(frozen=True)
class Entry:
    """A row of the ranking. losses: px², None where there is no figure."""

    name: str
    parameters: int | None
    losses: dict[str, float | None]
    mark: str  # ours; reference (no entry: dead reckoning, an untrained model); fair, unchecked or one-step
    source: str = ""  # where a published figure stands; our data

    def figure(self, criterion: str) -> tuple[float, float]:
        """What it is ranked by: the criterion's figure, and its parameters; infinite where there is none."""
        size = math.inf if self.parameters is None else self.parameters
        loss = self.losses.get(criterion)
        return size if criterion == "parameters" else math.inf if loss is None else loss, size


def read_peers() -> list[Entry]:
    """The published teams, with their sources and their marks."""
    peers = []
    for row in csv.DictReader(PEERS.read_text(encoding="utf-8").splitlines()):
        losses = {name: float(row[f"probe_{name}"]) if row[f"probe_{name}"] else None for name in COURSE_SETS}
        parameters = int(row["parameters"]) if row["parameters"] else None
        peers.append(Entry(row["name"], parameters, losses, row["protocol"], row["source"]))
    return peers


def read_results(folder: Path) -> list[Result]:
    """All results of a folder, fewest parameters first; those of a model's training seeds are one, with the losses of
    them all."""
    if not folder.is_dir():
        raise UserError(f"no results folder {folder.resolve()}; run this in the project's root")
    combined: dict[tuple, Result] = {}
    known: dict[tuple, Path] = {}
    for path in sorted(folder.glob("*.json")):
        result = read_result(path)
        key: tuple = (result.kind, result.model, result.parameters, result.lift, result.data, result.frames)
        key += (result.trained_on, result.sets_version)
        if (other := known.setdefault((key, result.fingerprint), path)) is not path:
            raise UserError(f"{path} and {other.name} are of the same weights; remove one of them")
        if (first := combined.get(key)) is not None:
            losses = {name: each and (first.losses.get(name) or []) + each for name, each in result.losses.items()}
            result = replace(first, losses=losses, seeds=first.seeds + result.seeds, intervals={})
        combined[key] = result
    return sorted(combined.values(), key=lambda r: (r.parameters, r.model, not r.lift, r.frames))


def our_entries(results: Sequence[Result]) -> list[Entry]:
    """Our rows: every result that is ranked. What was not trained is there for reference."""
    entries = []
    for result in results:
        if result.lift and result.frames == COURSE_FRAMES:
            ours, losses = result.kind == "trained", {name: result.mean(name) for name in COURSE_SETS}
            name, mark = f"{'tiny_jepa ' * ours}{result.model}", "ours" if ours else "reference"
            entries.append(Entry(name, result.parameters, losses, mark, result.data))
    return entries


def ranks(entry: Entry, field: Sequence[Entry]) -> dict[str, int | None]:
    """Rank of `entry` in each criterion among `field` and itself; 1 is best, None where it has no figure."""
    found = {}
    for criterion in WEIGHTS:
        figure = entry.figure(criterion)
        before = sum(other.figure(criterion) < figure for other in field)
        found[criterion] = 1 + before if math.isfinite(figure[0]) else None
    return found


def points(entry: Entry, field: Sequence[Entry]) -> float:
    """Weighted sum of the shares that the ranks give, 0 to 4.25."""
    most = len(field) - (entry in field)
    placed = ranks(entry, field).items()
    return sum(WEIGHTS[criterion] * (most + 1 - rank) / max(most, 1) for criterion, rank in placed if rank is not None)


def score_table(ours: Sequence[Entry], peers: Sequence[Entry]) -> str:
    """All rows, most points first, then those that are not ranked."""
    fair = [peer for peer in peers if peer.mark == "fair"]
    ranked = sorted([*ours, *fair], key=lambda entry: -points(entry, fair))
    rows = []
    for entry in [*ranked, *(peer for peer in peers if peer not in fair)]:
        shown = {"parameters": size(entry.parameters)} | {name: number(entry.losses[name]) for name in COURSE_SETS}
        total = "–"
        if entry in ranked:
            total, places = f"{points(entry, fair):.2f}", ranks(entry, fair)
            shown = {name: f"{text} ({places[name] or '–'})" for name, text in shown.items()}
        rows.append([entry.name, *shown.values(), total, entry.mark, entry.source if entry in ours else "course"])
    header = ["model", "parameters (rank)", *(f"{name} (rank)" for name in COURSE_SETS), "points", "mark", "data"]
    return markdown(header, rows)


def main(results: Path = RECORDS) -> None:
    peers = read_peers()
    print(f"{score_table(our_entries(read_results(results)), peers)}\n\n{__doc__}\n\nSources of the published rows:")
    print(*(f"  {peer.name}: {peer.source}" for peer in peers), sep="\n")


if __name__ == "__main__":
    run(main)
