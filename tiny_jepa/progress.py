"""Progress: a bar on a terminal, a plain line a minute anywhere else."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

SECONDS = 60.0
"""Between lines."""


class _Lines:
    """Whatever a bar draws, as lines of their own; tqdm moves up a line where one bar stands above another."""

    def write(self, text: str) -> None:
        if line := text.replace("\x1b[A", "").strip():
            print(line, file=sys.stderr)


def bar(steps: Iterable | None = None, **options: Any) -> tqdm:
    options["file"] = terminal = getattr(sys.stderr, "stream", sys.stderr)
    if not terminal.isatty():
        options |= {"bar_format": "{desc}: {n_fmt} of {total_fmt} {unit}, {remaining} left{postfix}", "file": _Lines()}
        options |= dict.fromkeys(("mininterval", "maxinterval", "delay"), SECONDS)
    return tqdm(steps, **options)
