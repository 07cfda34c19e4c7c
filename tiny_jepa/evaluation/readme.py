"""`python -m tiny_jepa readme`: the README's results table and picture, from the stored results and nothing else."""

import argparse
import hashlib
from pathlib import Path

from tiny_jepa.errors import UserError
from tiny_jepa.evaluation.pareto import draw
from tiny_jepa.evaluation.results import read_results
from tiny_jepa.evaluation.scoring import PEERS, our_entries, read_peers
from tiny_jepa.evaluation.tables import OTHER_DATA, results_table
from tiny_jepa.weights import write_atomically

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
PICTURE = Path("docs/images/pareto.png")


def section(results_folder: Path) -> str:
    """What stands between the marks."""
    results = read_results(results_folder)
    seeds = sorted({len(result.seeds) for result in results})
    spread = f"mean ± standard deviation over {' or '.join(map(str, seeds))} seeds of the prober" if seeds else ""
    return (
        f"{results_table(results, read_peers())}\n\n"
        f"Probing errors in px², {spread}; written by `python -m tiny_jepa readme` from `{results_folder.name}/`.\n"
        f"{OTHER_DATA}\n"
    )


def digest(results_folder: Path) -> str:
    """Hash of all that the picture shows; it stands in the picture's description."""
    parts = [PEERS, *sorted(results_folder.glob("*.json"))]
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
    results, readme = root / "results", root / "README.md"
    if not results.is_dir() or not readme.is_file():
        raise UserError(f"{root.resolve()} has no results/ or no README.md; run this in the project's root")
    text = replaced(readme.read_text(), section(results), readme)
    ours = our_entries(read_results(results))
    print(f"wrote {draw(ours, read_peers(), root / PICTURE, digest(results))}")
    write_atomically(readme, lambda temporary: temporary.write_text(text))
    print(f"wrote the results of {readme}")
