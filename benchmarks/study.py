"""Studies: a grid of training runs over seeds, each scored, and the table they make.

    python -m benchmarks.study ablations              # trains and scores what is missing, then writes its page's table
    python -m benchmarks.study records --jobs 2       # two runs at a time
    python -m benchmarks.study ablations --table      # only the table, from the stored results

A grid is benchmarks/NAME.ini: a section a row, with the options of train.py (`train`) and of main.py (`score`), the
row whose weights it scores (`of`), or neither for what needs no training. What has a stored result is not done again:
delete the result first. Runs are in runs/NAME/ and gone on with when interrupted; results are in results/NAME/, beside
the weights that they belong to, and are what the table is made of: mean ± standard deviation over the training seeds,
px², by one prober each. A run that train.py itself stops (a collapse) is counted as stopped.
"""

from __future__ import annotations

import argparse
import configparser
import shlex
import shutil
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tiny_jepa.course.report import replaced
from tiny_jepa.errors import UserError, run_cli
from tiny_jepa.files import write_atomically
from tiny_jepa.probing.measure import SETS
from tiny_jepa.probing.results import Result, read_result
from tiny_jepa.tables import markdown, number, size

HERE = Path(__file__).resolve().parent
REFUSED = 2
"""Exit status of train.py where it stops a run itself."""


@dataclass(frozen=True)
class Row:
    """One row of a grid. `train` and `score` are options; `of` names the row whose weights it scores."""

    name: str
    factor: str
    train: list[str] | None
    score: list[str]
    of: str
    seeds: list[int]

    @property
    def slug(self) -> str:
        return "-".join(self.name.replace("'", "").replace(",", "").split())


@dataclass(frozen=True)
class Grid:
    """A study: its rows, and the page whose table it writes."""

    name: str
    page: Path
    rows: list[Row]

    def source(self, row: Row) -> Row:
        """The row whose weights `row` scores."""
        return next(other for other in self.rows if other.name == row.of)

    def weights(self, row: Row, seed: int) -> Path:
        """Kept beside the results, so that another way to score them needs no training."""
        return self.result(self.source(row), seed).with_suffix(".pth")

    def result(self, row: Row, seed: int) -> Path:
        return Path("results") / self.name / f"{row.slug}-seed{seed}.json"

    def stopped(self, row: Row, seed: int) -> Path:
        """There where train.py stopped the run; holds the sentence it said."""
        return self.result(self.source(row), seed).with_suffix(".stopped")


def read_grid(name: str) -> Grid:
    """Raises a `UserError` where there is no such grid, or a row of it means nothing."""
    path = HERE / f"{name}.ini"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in HERE.glob("*.ini")))
        raise UserError(f"no study '{name}': {path} is missing; there are {known}")
    parser = configparser.ConfigParser()
    parser.read(path, encoding="utf-8")
    rows = []
    for section in parser.sections():
        part = parser[section]
        if unknown := set(part) - {"page", "seeds", "common", "factor", "train", "score", "of"}:
            raise UserError(f"{path}, row '{section}': unknown key {', '.join(sorted(unknown))}")
        train = shlex.split(part["common"] + " " + part["train"]) if "train" in part else None
        score, seeds = shlex.split(part.get("score", "")), [int(seed) for seed in part["seeds"].split()]
        rows.append(Row(section, part.get("factor", ""), train, score, part.get("of", section), seeds))
    return Grid(name, Path(parser["DEFAULT"]["page"]), rows)


def run(command: list[str], log: Path) -> int:
    """Runs a script of the root, its output in `log` -> exit status."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        return subprocess.run([sys.executable, *command], stdout=file, stderr=subprocess.STDOUT, check=False).returncode


def train(grid: Grid, row: Row, seed: int) -> None:
    """Trains a row's model if a result of it is missing, or goes on where it stopped, and keeps its weights; one that
    train.py stops leaves the sentence it said."""
    weights, stopped = grid.weights(row, seed), grid.stopped(row, seed)
    folder = Path("runs") / grid.name / weights.stem
    wanted = any(
        other.of == row.name and seed in other.seeds and not grid.result(other, seed).is_file() for other in grid.rows
    )
    if row.train is None or not wanted or weights.is_file() or stopped.is_file():
        return
    if not (folder / "weights.pth").is_file():
        if (folder / "config.json").is_file():
            which = ["--resume", folder.name]
        else:
            which = [*row.train, "--seed", str(seed), "--name", folder.name]
        log = folder.parent / f"{folder.name}.log"
        status = run(["train.py", *which, "--runs", str(folder.parent), "--no-install"], log)
        if status == REFUSED and "collapsed" in (
            said := log.read_text(encoding="utf-8", errors="replace").splitlines()[-1]
        ):
            return write_atomically(stopped, lambda path: path.write_text(said + "\n", encoding="utf-8"))
        if status:
            raise UserError(f"training of '{row.name}', seed {seed}, failed; see {log}")
    write_atomically(weights, lambda path: shutil.copyfile(folder / "weights.pth", path))


def score(grid: Grid, row: Row, seed: int) -> None:
    """Stores the losses of a row's model."""
    result, weights = grid.result(row, seed), grid.weights(row, seed)
    if result.is_file() or grid.stopped(row, seed).is_file():
        return
    which = [] if grid.source(row).train is None else ["--weights", str(weights)]
    log = Path("runs") / grid.name / f"{row.slug}-seed{seed}-score.log"
    if run(["main.py", *which, *row.score, "--store", str(result)], log):
        raise UserError(f"scoring of '{row.name}', seed {seed}, failed; see {log}")


def complete(grid: Grid, jobs: int) -> None:
    """Trains and scores all that is missing, `jobs` rows at a time."""
    for work in (train, score):  # a row may score another row's weights
        with ThreadPoolExecutor(jobs) as pool:
            waiting = [(row, seed, pool.submit(work, grid, row, seed)) for row in grid.rows for seed in row.seeds]
            for row, seed, done in waiting:
                done.result()
                print(f"{work.__name__:<6} {row.name}, seed {seed}: done", flush=True)


def table(grid: Grid) -> str:
    """The Markdown table of what is stored."""
    lines = []
    for row in grid.rows:
        stored = [path for seed in row.seeds if (path := grid.result(row, seed)).is_file()]
        stopped = sum(grid.stopped(row, seed).is_file() for seed in row.seeds)
        if stored or stopped:
            lines.append(cells(row, [read_result(path) for path in stored], stopped))
    return markdown(["row", "what differs", "parameters", "seeds", "minutes", *SETS[:-1], "long (ours)"], lines)


def cells(row: Row, results: list[Result], stopped: int) -> list[str]:
    count = f"{len(results)}" + (f" ({stopped} stopped)" if stopped else "")
    minutes = [result.minutes for result in results if result.minutes is not None]
    losses = [[mean for result in results if (mean := result.mean(name)) is not None] for name in SETS]
    shown = [number(statistics.fmean(each), spread(each)) if each else "–" for each in losses]
    longest = number(max(minutes)) if minutes else "–"
    return [row.name, row.factor, size(results[0].parameters) if results else "–", count, longest, *shown]


def spread(values: list[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study", description="Runs a grid of training runs.")
    parser.add_argument("grid", help="name of a grid: benchmarks/NAME.ini")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, each on one thread (1)")
    parser.add_argument("--table", action="store_true", help="train and score nothing")
    args = parser.parse_args()
    if not Path("train.py").is_file():
        raise UserError("run this in the project's root, where train.py is")
    grid = read_grid(args.grid)
    if not args.table:
        complete(grid, max(1, args.jobs))
    text = replaced(grid.page.read_text(encoding="utf-8"), table(grid) + "\n", grid.page)
    write_atomically(grid.page, lambda path: path.write_text(text, encoding="utf-8"))
    print(f"wrote the table of {grid.page}")


if __name__ == "__main__":
    run_cli(main)
