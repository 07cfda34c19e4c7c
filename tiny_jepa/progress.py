"""Progress: a bar on a terminal, a plain line a minute anywhere else."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

PLAIN = "{desc}: {n_fmt} of {total_fmt} {unit}, {remaining} left{postfix}"
UP = "\x1b[A"
"""What tqdm writes where one bar stands above another."""
SECONDS = 60.0
"""Between lines."""


class _Lines:
    """Whatever a bar draws, as lines of their own."""

    def write(self, text: str) -> None:
        if line := text.replace(UP, "").strip():
            print(line, file=sys.stderr)

    def flush(self) -> None:
        sys.stderr.flush()


def bar(steps: Iterable | None = None, **options: Any) -> tqdm:
    """tqdm with its own options."""
    if sys.stderr.isatty():
        return tqdm(steps, **options)
    plain = {"file": _Lines(), "bar_format": PLAIN, "mininterval": SECONDS, "maxinterval": SECONDS, "delay": SECONDS}
    return tqdm(steps, **options | plain)
