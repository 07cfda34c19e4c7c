"""A grid: the rows of a sweep, read from an .ini file, a section a row."""

import configparser
import shlex
from dataclasses import dataclass
from pathlib import Path

from tiny_jepa.errors import UserError
from tiny_jepa.files import read_text, require_name

KEYS = {"page", "seeds", "common", "factor", "train", "score", "of"}


@dataclass(frozen=True)
class Row:
    """One row. `train` and `score` are options of train.py and main.py; `of` names the row whose weights it scores."""

    name: str
    factor: str  # what differs, for the table
    train: tuple[str, ...] | None  # None: nothing is trained for it
    score: tuple[str, ...]
    of: str
    seeds: tuple[int, ...]

    @property
    def slug(self) -> str:
        return "-".join(self.name.replace("'", "").replace(",", "").split())


@dataclass(frozen=True)
class Grid:
    """The rows, and where their results, their runs and their table go."""

    name: str
    page: Path | None
    rows: tuple[Row, ...]

    @property
    def results(self) -> Path:
        return Path("results") / self.name

    @property
    def runs(self) -> Path:
        return Path("runs") / self.name

    def source(self, row: Row) -> Row:
        """The row whose weights `row` scores."""
        return next(other for other in self.rows if other.name == row.of)

    def weights(self, row: Row, seed: int) -> Path:
        """Kept beside the results, so that another way to score them needs no training."""
        return self.results / f"{self.source(row).slug}-seed{seed}.pth"

    def result(self, row: Row, seed: int) -> Path:
        return self.results / f"{row.slug}-seed{seed}.json"

    def stopped(self, row: Row, seed: int) -> Path:
        """There where train.py stopped the run; holds the sentence it said."""
        return self.weights(row, seed).with_suffix(".stopped")


def read_grid(path: Path, name: str | None = None, more: str = "") -> Grid:
    """The grid of a file. It is called `name` (the file's stem), and `more` options are added to each row's training.

    Raises:
        UserError: no such file, or a row of it means nothing.
    """
    parser = configparser.ConfigParser()
    try:
        parser.read_string(read_text(path, "give an .ini file such as benchmarks/ablations.ini"))
        rows = tuple(_read_row(parser[section], more) for section in parser.sections())
    except (configparser.Error, ValueError) as error:
        raise UserError(f"{path} is no grid ({' '.join(str(error).split())}); see docs/sweep.md") from None
    known = {row.name: row for row in rows}
    for row in rows:
        source = known.get(row.of)
        if source is None or source.of != source.name or (row.train is not None and source != row):
            raise UserError(f"{path}, row '{row.name}': it cannot score the weights of row '{row.of}'")
        if source.train is not None and not set(row.seeds) <= set(source.seeds):
            raise UserError(f"{path}, row '{row.name}': row '{row.of}' is not trained with all of its seeds")
    if not rows or len({row.slug for row in rows}) < len(rows):
        raise UserError(f"{path} has no rows, or two that differ only in commas, quotes or spaces")
    page = None if name else parser["DEFAULT"].get("page")
    return Grid(name or path.stem, Path(page) if page else None, rows)


def _read_row(part: configparser.SectionProxy, more: str) -> Row:
    require_name(part.name, "a row's name names its files")
    if unknown := set(part) - KEYS:
        raise ValueError(f"row '{part.name}': unknown key {', '.join(sorted(unknown))}")
    if not (seeds := tuple(int(seed) for seed in part.get("seeds", "").split())):
        raise ValueError(f"row '{part.name}': no seeds")
    train = tuple(shlex.split(f"{part.get('common', '')} {part['train']} {more}")) if "train" in part else None
    score = tuple(shlex.split(part.get("score", "")))
    return Row(part.name, part.get("factor", ""), train, score, part.get("of", part.name), seeds)
