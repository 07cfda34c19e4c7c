"""Standard streams that cannot end a program."""

import os
from io import TextIOWrapper
from typing import Any, TextIO


def printable(text: str) -> str:
    """Text of a file's, for a terminal or a page: what does not print (escapes, line breaks) stands as its code."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


class Console:
    """Writes plain lines to `stream` (None: closed from the start): what does not print as its code, a sign that it
    cannot print by its name, and what nobody reads any more nowhere. `error` is what first stood against writing."""

    error: OSError | None = None

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="namereplace")

    def write(self, text: str) -> None:
        try:
            self.stream.write("\n".join(map(printable, text.split("\n"))))
            self.stream.flush()
        except OSError as error:
            self.error = self.error or error
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())  # also for what the buffer still holds

    def isatty(self) -> bool:
        return False  # for who would colour or move what is plain here

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
