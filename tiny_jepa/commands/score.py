"""`python -m tiny_jepa score`: stored results ranked beside the published teams."""

from collections.abc import Sequence
from pathlib import Path

from tiny_jepa.course import COURSE_SETS
from tiny_jepa.course.ranking import COURSE_FRAMES, Entry, is_ranked, our_entries, points, ranks, read_peers
from tiny_jepa.errors import UserError
from tiny_jepa.options import parse, settings
from tiny_jepa.probing.results import read_results
from tiny_jepa.tables import markdown, number, size

RECORDS = Path("results/records")
HOW_SCORED = """\
Errors are MSEs in px². In each criterion an entry of rank r among n gets (n - r) / (n - 1) points, none where it has
no figure; the four errors have weight 1, the parameter count 0.25, so 4.25 is full marks. Each of our rows is
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
    others = [peer for peer in peers if peer.mark != "fair"]
    rows = []
    for entry in [*sorted([*ours, *fair], key=lambda entry: -points(entry, fair)), *others]:
        shown = {"parameters": size(entry.parameters)} | {name: number(entry.losses[name]) for name in COURSE_SETS}
        total, where = "–", entry.source if entry.mark in ("ours", "reference") and entry in ours else "course"
        if entry not in others:
            total = f"{points(entry, fair):.2f}"
            shown = {name: f"{shown[name]} ({rank or '–'})" for name, rank in ranks(entry, fair).items()}
        rows.append([entry.name, shown["parameters"], *(shown[name] for name in COURSE_SETS), total, entry.mark, where])
    header = ["model", "parameters (rank)", *(f"{name} (rank)" for name in COURSE_SETS), "points", "mark", "data"]
    return markdown(header, rows)


@settings
class ScoreOptions:
    results: Path = RECORDS  # folder of stored results


def main(argv: list[str]) -> None:
    args = parse(ScoreOptions, argv, "python -m tiny_jepa score", "Ranks stored results beside the published ones.")
    if not args.results.is_dir():
        raise UserError(f"no results folder {args.results}; write one with: python main.py --store FILE")
    results, peers = read_results(args.results), read_peers()
    print(score_table(our_entries(results), peers))
    others = [f"{each.model} ({each.frames}{'' if each.lift else ', bare'})" for each in results if not is_ranked(each)]
    if others:
        print(f"\nNot ranked, as other frames than {COURSE_FRAMES} or bare codes are no entries: {', '.join(others)}")
    print(f"\n{HOW_SCORED}\n\n{OTHER_DATA}\n\nSources of the published rows:")
    for peer in peers:
        print(f"  {peer.name}: {peer.source}")
