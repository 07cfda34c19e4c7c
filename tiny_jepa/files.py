"""Files that are whole, or not there at all; and text, which is UTF-8."""

import configparser
import contextlib
import errno
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tiny_jepa.errors import UserError


def write_atomically(path: Path, write: Callable[[Path], Any], only_try: bool = False) -> None:
    """Calls `write(temporary path)` and moves the result into place: whole, or not at all."""
    if "\0" in str(path):  # no system makes a path of that
        raise UserError(f"{path} is no name of a file; give another")
    name, path = os.fsencode(path.name)[-200:], Path(os.path.realpath(path))  # a link stays one
    temporary = path.parent / f".{threading.get_native_id()}-{name.decode(errors='ignore')}"
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path} is a folder or a device; give the name of a file")
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        if path.exists():
            shutil.copymode(path, temporary)
        if not only_try:
            os.replace(temporary, path)
    except (OSError, RuntimeError) as error:  # torch.save has a RuntimeError for a full disk
        raise cannot_write(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_together(*writes: tuple[Path, Callable[[Path], Any]]) -> None:
    """Writes a set of files: all of them, or none."""

    def write_all(temporary: Path) -> None:
        writes[0][1](temporary)
        write_together(*writes[1:])

    if writes:
        write_atomically(writes[0][0], write_all)


def cannot_write(path: Path, error: Exception) -> UserError:
    reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
    if isinstance(error, FileExistsError | NotADirectoryError):
        reason = "what should be its folder is a file"
    advice = "free some space or " * (getattr(error, "errno", errno.ENOSPC) == errno.ENOSPC)
    return UserError(f"cannot write {path}: {reason}; {advice}choose another folder")


def require_name(name: str, what: str) -> str:
    """The name of a file or a folder; a `UserError` that begins with `what` where it leads elsewhere."""
    if name in ("", ".", "..") or not name.isprintable() or set("/\\") & set(name):
        raise UserError(f"{what}, a printable name without / and \\, not {name!r}")
    return name


def require_writable(*paths: Path | None, reads: Iterable[Path] = ()) -> None:
    """Says now, not after hours of work, which file cannot be written, or has the name of another or of `reads`."""
    known = set(map(os.path.realpath, reads))
    for path in filter(None, paths):
        write_atomically(path, Path.touch, only_try=True)
        if (real := os.path.realpath(path)) in known:
            raise UserError(f"{path} is read itself, or written twice; give another name to write to")
        known.add(real)


def clear(folder: Path) -> None:
    """Removes a folder, as far as it can be; what else has its name stays."""
    if folder.is_dir():  # rmtree would open a pipe, and wait for ever
        shutil.rmtree(folder, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole, or not at all."""
    content = text.encode("utf-8", "backslashreplace")  # a name of a file need not be text
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def require_file(path: Path, advice: str) -> None:
    if not path.is_file():  # to open a pipe would wait for ever
        raise UserError(f"{path} is {'no file' if path.exists() else 'missing'}; {advice}")


def read_text(path: Path, advice: str) -> str:
    """A text file, with or without a byte order mark; `advice` says what to do where it is none."""
    require_file(path, advice)
    try:
        if b"\0" in (content := path.read_bytes()):
            raise UnicodeError
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeError:
        raise UserError(f"{path} is no text in UTF-8; {advice}") from None


def read_json(path: Path, advice: str) -> dict[str, Any]:
    """A JSON object of finite numbers, each key once; a `UserError` for anything else."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            raise ValueError("a key stands twice")
        return found

    try:
        text = read_text(path, advice)
        content = json.loads(text, parse_constant=int, object_pairs_hook=once)  # int raises for NaN and Infinity
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object; {advice}")
    return content


class Held(UserError):
    """What is locked for another process."""


def read_ini(path: Path, advice: str) -> dict[str, dict[str, str]]:
    """The sections of an .ini file, `[DEFAULT]` one like any other; what follows a `#` is a comment."""
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes="#", default_section="")
    parser.SECTCRE = re.compile(r"\[(?P<header>.+)\]$")  # nothing may follow it
    if not (text := read_text(path, advice)).strip():
        raise UserError(f"{path} is empty; {advice}")
    try:
        parser.read_string(text, str(path))
    except configparser.Error as error:  # names the file
        raise UserError(f"{error}; {advice}") from None
    return {name: dict(parser[name]) for name in parser.sections()}


def locked(path: Path, taken: str) -> AbstractContextManager[object]:
    """Holds the file `path` for this process alone, until the block or the process ends; `Held` says `taken` where
    another process has it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path, blocking=False).acquire()
    except Timeout:
        raise Held(taken) from None
    except NotImplementedError:  # a file system without locks
        return contextlib.nullcontext()
