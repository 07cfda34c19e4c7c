"""Files that are whole, or not there at all."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tiny_jepa.errors import UserError


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Calls `write(temporary path)` and moves the result into place: whole, or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}; free some space or choose another folder"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole, or not at all."""
    write_atomically(path, lambda temporary: temporary.write_text(text))
