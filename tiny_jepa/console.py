"""Standard streams that cannot end a program: a sign that they cannot print gets another one, and what nobody reads any
more is dropped while the work goes on."""

import codecs
import contextlib
import os
from collections.abc import Callable
from io import TextIOWrapper
from typing import Any, TextIO

READABLE = {"²": "^2", "±": "+/-", "–": "-", "×": "x", "█": "#", "…": "...", "é": "e", "’": "'"}
"""What stands for a sign where a console's encoding has none; any other one becomes `?`."""


def _replace(error: Any) -> tuple[str, int]:
    return "".join(READABLE.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


codecs.register_error("tiny_jepa.readable", _replace)


def printable(text: str) -> str:
    """Text of a file's, for a terminal or a page: what does not print (escapes, line breaks) stands as its code."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


class Console:
    """A text stream over `stream` (None: closed from the start). `error` is what first stood against writing."""

    error: OSError | None = None

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="tiny_jepa.readable")

    def write(self, text: str) -> int:
        self._try(self.stream.write, text)
        return len(text)

    def flush(self) -> None:
        self._try(self.stream.flush)

    def _try(self, write: Callable[..., Any], *given: str) -> None:
        try:
            write(*given)
        except OSError as error:
            self.error = self.error or error
            with contextlib.suppress(OSError):  # what the buffer still holds must not fail again when Python ends
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.stream.fileno())
                os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
