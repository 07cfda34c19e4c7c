"""`python -m tiny_jepa score`: our stored results beside the published teams, by the course's ranking."""

import argparse
from pathlib import Path

from tiny_jepa.course.pareto import draw
from tiny_jepa.course.ranking import our_entries, read_peers
from tiny_jepa.course.readme import RECORDS
from tiny_jepa.course.tables import HOW_SCORED, OTHER_DATA, score_table
from tiny_jepa.errors import UserError
from tiny_jepa.probing.results import read_results


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tiny_jepa score", description=__doc__)
    parser.add_argument("--results", type=Path, default=RECORDS, help="folder of stored results")
    parser.add_argument("--picture", type=Path, metavar="PNG", help="draw parameters against error here")
    args = parser.parse_args(argv)
    if not args.results.is_dir():
        raise UserError(
            f"no results folder {args.results}; store one with: python main.py --store {args.results}/2k.json"
        )
    ours, peers = our_entries(read_results(args.results)), read_peers()
    print(score_table(ours, peers))
    print(f"\n{HOW_SCORED}\n\n{OTHER_DATA}\n\nSources of the published rows:")
    for peer in peers:
        print(f"  {peer.name}: {peer.source}")
    if args.picture:
        print(f"\nwrote {draw(ours, peers, args.picture)}")
