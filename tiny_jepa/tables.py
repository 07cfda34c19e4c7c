"""Tables in Markdown, which a terminal shows as well, and how a number stands in one."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from tiny_jepa.console import printable
from tiny_jepa.errors import UserError


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with aligned columns, the first to the left, the others to the right. What a page would take for a tag or
    the end of a cell is escaped: cells may hold text of a stranger's file."""
    columns = [list(map(printable, column)) for column in zip(header, *rows, strict=True)]
    for i, column in enumerate(columns):
        column = [cell.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|") for cell in column]
        width = max(map(len, column))
        rule = "-" * (width + 2) if i == 0 else "-" * (width + 1) + ":"
        cells = [f" {cell:{'>' if i else '<'}{width}} " for cell in column]
        columns[i] = [cells[0], rule, *cells[1:]]
    return "\n".join(f"|{'|'.join(row)}|" for row in zip(*columns, strict=True))


def number(value: float | None, std: float | None = None) -> str:
    """Three significant figures, at most four decimals, and the spread to as many decimals; a dash for none."""
    if value is None:
        return "–"
    decimals = sum(value < limit for limit in (100, 10, 1, 0.1))
    return f"{value:.{decimals}f}" + ("" if std is None else f" ± {std:.{decimals}f}")


def mean(values: Sequence[float]) -> str:
    """Of several seeds: mean ± standard deviation (n - 1)."""
    spread = statistics.stdev(values) if len(values) > 1 else None
    return number(statistics.fmean(values) if values else None, spread)


def size(parameters: int | None) -> str:
    return "–" if parameters is None else f"{parameters:,}"


def replaced(text: str, inner: str, where: Path, name: str = "results") -> str:
    """`text` with `inner` between the two lines that mark the place of this name."""
    first, last = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise UserError(f"{where} has no place for the {name}; put the lines {first} and {last} where they belong")
    return f"{before}{first}\n{inner}{last}{after}"
