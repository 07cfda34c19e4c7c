"""`python -m tiny_jepa readme`: the README's results table and picture, from the stored results and nothing else."""

import argparse
import hashlib
from pathlib import Path

from tiny_jepa.course.pareto import draw
from tiny_jepa.course.ranking import PEERS, our_entries, read_peers
from tiny_jepa.course.tables import OTHER_DATA, results_table
from tiny_jepa.errors import UserError
from tiny_jepa.files import write_text
from tiny_jepa.probing.results import read_results

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
PICTURE = Path("docs/images/pareto.png")


RECORDS = Path("results/records")


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


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tiny_jepa readme", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="folder of README.md, results/ and docs/")
    root = parser.parse_args(argv).root
    records, readme = root / RECORDS, root / "README.md"
    if not records.is_dir() or not readme.is_file():
        raise UserError(f"{root.resolve()} has no {RECORDS}/ or no README.md; run this in the project's root")
    text = replaced(readme.read_text(), section(records), readme)
    ours = our_entries(read_results(records))
    print(f"wrote {draw(ours, read_peers(), root / PICTURE, digest(records))}")
    write_text(readme, text)
    print(f"wrote the results of {readme}")
