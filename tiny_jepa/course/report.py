"""`python -m tiny_jepa score` and `readme`: the ranking, and the README's table and picture, from stored results."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tiny_jepa.course.pareto import draw
from tiny_jepa.course.ranking import FULL_MARKS, PEERS, Entry, best_published, our_entries, points, ranks, read_peers
from tiny_jepa.errors import UserError
from tiny_jepa.files import read_text, write_text
from tiny_jepa.options import parse
from tiny_jepa.probing.measure import COURSE_SETS, SETS
from tiny_jepa.probing.results import Result, read_results
from tiny_jepa.tables import markdown, number, size

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
PICTURE, RECORDS = Path("docs/images/pareto.png"), Path("results/records")
HOW_SCORED = f"""\
Errors are MSEs in px². In each criterion an entry of rank r among n gets (n - r) / (n - 1) points, none where it has
no figure; the four errors have weight 1, the parameter count 0.25, so {FULL_MARKS:g} is full marks. Each of our rows is
ranked alone against the published rows marked `fair`; ties go to fewer parameters. `unchecked` (nobody ran it),
`one-step` (sees every true frame) and `reference` rows are no entries; our own `reference` rows have points."""
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
        where = entry.source if entry.mark in ("ours", "reference") else "course"
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


def section(records: Path) -> str:
    """What stands between the marks."""
    return (
        f"{results_table(read_results(records), read_peers())}\n\n"
        "Probing errors in px², 64 px uint8 / 65 px float32 frames, by the same weights: the mean over three training\n"
        f"seeds. Written by `python -m tiny_jepa readme` from `{records.parent.name}/{records.name}/`.\n"
        f"{OTHER_DATA}\n"
    )


def digest(records: Path) -> str:
    """Hash of all that the picture shows; it stands in the picture's description."""
    parts = [PEERS, *sorted(records.glob("*.json"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in parts)).hexdigest()[:16]


def replaced(text: str, inner: str, where: Path) -> str:
    """`text` with `inner` between the marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(f"{where} has no place for the results; put the lines {BEGIN} and {END} where they belong")
    return f"{before}{BEGIN}\n{inner}{END}{after}"


@dataclass(frozen=True)
class ReadmeOptions:
    """Where the README is."""

    root: Path = Path()  # folder of README.md, results/ and docs/


def readme(argv: list[str]) -> None:
    root = parse(ReadmeOptions, argv, "python -m tiny_jepa readme", "Writes the README's table and picture.").root
    records, page = root / RECORDS, root / "README.md"
    if not records.is_dir() or not page.is_file():
        raise UserError(f"{root.resolve()} has no {RECORDS}/ or no README.md; run this in the project's root")
    text = replaced(read_text(page, "run this in the project's root"), section(records), page)
    ours = our_entries(read_results(records))
    print(f"wrote {draw(ours, read_peers(), root / PICTURE, digest(records))}")
    write_text(page, text)
    print(f"wrote the results of {page}")


@dataclass(frozen=True)
class ScoreOptions:
    """What is ranked."""

    results: Path = RECORDS  # folder of stored results
    picture: Path | None = None  # draw parameters against error into this PNG


def score(argv: list[str]) -> None:
    args = parse(ScoreOptions, argv, "python -m tiny_jepa score", "Ranks stored results beside the published ones.")
    if not args.results.is_dir():
        raise UserError(f"no results folder {args.results}; write one with: python main.py --store FILE")
    ours, peers = our_entries(read_results(args.results)), read_peers()
    print(score_table(ours, peers))
    print(f"\n{HOW_SCORED}\n\n{OTHER_DATA}\n\nSources of the published rows:")
    for peer in peers:
        print(f"  {peer.name}: {peer.source}")
    if args.picture:
        print(f"\nwrote {draw(ours, peers, args.picture)}")
