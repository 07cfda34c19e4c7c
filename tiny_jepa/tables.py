"""Tables in Markdown, which a terminal shows as well, and how a number stands in one."""

from collections.abc import Sequence


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with aligned columns; the first is left-aligned, the others right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        return "| " + " | ".join(cells) + " |"

    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    return "\n".join([line(header), rule, *map(line, rows)])


def number(value: float | None, std: float | None = None) -> str:
    """Three significant figures, at most four decimals, and the spread to as many decimals; a dash for none."""
    if value is None:
        return "–"
    decimals = sum(value < limit for limit in (100, 10, 1, 0.1))
    return f"{value:.{decimals}f}" + ("" if std is None else f" ± {std:.{decimals}f}")


def size(parameters: int | None) -> str:
    return "–" if parameters is None else f"{parameters:,}"
