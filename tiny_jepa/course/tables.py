"""The ranking as a table, and the README's table of results."""

from collections.abc import Sequence
from itertools import groupby

from tiny_jepa.course.ranking import FULL_MARKS, Entry, best_published, points, ranks
from tiny_jepa.probing.measure import COURSE_SETS, SETS
from tiny_jepa.probing.results import Result
from tiny_jepa.tables import markdown, number, size

OURS = ("ours", "reference")
HOW_SCORED = f"""\
Errors are MSEs in px². In each criterion an entry of rank r among n gets (n - r) / (n - 1) points, none where it has
no figure; the four errors have weight 1, the parameter count 0.25, so {FULL_MARKS:g} is full marks. Each of our rows is
ranked alone against the published rows marked `fair`; ties go to fewer parameters. `unchecked` (nobody ran it) and
`one-step` (sees every true frame) rows are not ranked; `reference` rows are ours too, but no entries."""
OTHER_DATA = """\
Published figures were measured on the course's own data, ours on data from a simulator that follows the public
generator's rules. One published model's own weights, graded on data of that kind, score 2.65 to 2.78 / 8.83 to 8.89 /
10.6 to 10.7 / 6.1 to 6.7; 2.39 / 8.79 / (none) / 10.73 was published. So the 17-frame sets are comparable, and our
expert set is the easier one."""


def score_table(ours: Sequence[Entry], peers: Sequence[Entry]) -> str:
    """All rows, most points first, then those that are not ranked."""
    fair = [peer for peer in peers if peer.mark == "fair"]
    scored = sorted(((points(entry, fair), entry) for entry in [*ours, *fair]), key=lambda pair: -pair[0])
    rows = []
    for total, entry in scored:
        placed = ranks(entry, fair)
        cells = [f"{number(entry.losses[name])} ({placed[name] or '–'})" for name in COURSE_SETS]
        where = entry.source if entry.mark in OURS else "course"
        rows.append([entry.name, f"{size(entry.parameters)} ({placed['parameters'] or '–'})", *cells])
        rows[-1] += [f"{total:.2f}", entry.mark, where]
    for entry in peers:
        if entry.mark != "fair":
            cells = [number(entry.losses[name]) for name in COURSE_SETS]
            rows.append([entry.name, size(entry.parameters), *cells, "–", entry.mark, "course"])
    header = ["model", "parameters (rank)", *(f"{name} (rank)" for name in COURSE_SETS), "points", "mark", "data"]
    return markdown(header, rows)


def results_table(results: Sequence[Result], peers: Sequence[Entry]) -> str:
    """The README's table: our rows, each cell its mean on every kind of frames, then the published rows that say
    most."""
    rows = []
    for (kind, model, lift), group in groupby(sorted(results, key=row_order), key=lambda r: (r.kind, r.model, r.lift)):
        each = sorted(group, key=lambda r: r.frames)
        cells = [" / ".join(number(result.mean(name)) for result in each) for name in SETS]
        name = model if lift else f"{model}, without the lift"
        if kind == "trained":
            name = f"**{name}**" if lift else name
        rows.append([name, size(each[0].parameters), *cells])
    fair = [peer for peer in peers if peer.mark == "fair" and peer.parameters]
    best = best_published(peers)
    rows.append(["best published, each column", "–", *(number(best[name]) for name in COURSE_SETS), "–"])
    for peer in (min(fair, key=lambda p: p.losses["normal"] or 1e9), min(fair, key=lambda p: p.parameters or 1e9)):
        rows.append([f"{peer.source}", size(peer.parameters), *(number(peer.losses[n]) for n in COURSE_SETS), "–"])
    return markdown(["model", "parameters", *SETS[:-1], "long (ours)"], rows)


def row_order(result: Result) -> tuple:
    return (result.kind != "trained", result.parameters, result.model, not result.lift)
