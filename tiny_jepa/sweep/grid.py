"""A grid: the rows of a sweep, read from an .ini file, a section a row."""

import configparser
import shlex
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from tiny_jepa.errors import UserError
from tiny_jepa.files import read_text, require_name
from tiny_jepa.options import Seed, read, settings


def different(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError("should be different whole numbers such as 0 1 2")
    return seeds


Name = Annotated[
    str, Field(max_length=100), AfterValidator(lambda name: require_name(name, "a row's name names its files"))
]
SPLIT = BeforeValidator(lambda text: shlex.split(text) if isinstance(text, str) else text)


@settings
class Row:
    """One row. `train` and `score` are options of train.py and main.py."""

    name: Name
    of: str  # the row whose weights it scores; its own name where it is trained
    seeds: Annotated[tuple[Seed, ...], SPLIT, AfterValidator(different)]
    train: Annotated[tuple[str, ...] | None, SPLIT] = None  # None: nothing is trained for it
    score: Annotated[tuple[str, ...], SPLIT] = ()
    factor: str = ""  # what differs, for the table
    page: Path | None = None  # the page that has the table of all rows
    grid: str = ""  # the name of the folders in results/ and runs/

    def result(self, seed: int) -> Path:
        slug = "-".join(self.name.replace("'", "").replace(",", "").split())
        return Path("results", self.grid, f"{slug}-seed{seed}.json")


def read_grid(path: Path, name: str | None = None, more: str = "") -> list[Row]:
    """The rows of a file. Their grid is called `name` (the file's stem), and `more` options are added to each row's
    training. A `UserError` names the row that means nothing."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_text(path, "give an .ini file such as benchmarks/ablations.ini"))
    except configparser.Error as error:
        raise UserError(f"{path} is no grid ({' '.join(str(error).split())}); see docs/sweep.md") from None
    rows: dict[str, Row] = {}
    for section in parser.sections():
        values: dict[str, Any] = {"name": section, "of": section, **parser[section], "grid": name or path.stem}
        common = values.pop("common", "")
        if "train" in values:
            values["train"] = f"{common} {values['train']} {more}"
        row = read(Row, values, f"{path}, row {section!r}")
        if (other := rows.setdefault(str(row.result(0)).casefold(), row)) is not row:
            raise UserError(f"{path}, row {section!r}: its files would have the names of row {other.name!r}")
    if not rows:
        raise UserError(f"{path} has no rows; see docs/sweep.md")
    known = {row.name: row for row in rows.values()}
    for row in known.values():
        source = known.get(row.of)
        if source is None or source.of != source.name or (row.train is not None and source != row):
            raise UserError(f"{path}, row {row.name!r}: it cannot score the weights of row {row.of!r}")
        if not set(row.seeds) <= set(source.seeds):
            raise UserError(f"{path}, row {row.name!r}: row {row.of!r} has not all of its seeds")
    return [*known.values()]
