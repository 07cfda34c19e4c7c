"""The one exception that reaches a user: a sentence that says what was wrong, where, and what to do."""

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator

from tiny_jepa.console import Console


class UserError(Exception):
    """Bad input. Scripts print its message, one line, on stderr and exit with status 2."""

    def __init__(self, says: str) -> None:
        super().__init__(" ".join(line.strip() for line in says.splitlines()))


@contextlib.contextmanager
def of_others(name: str) -> Iterator[None]:
    """What code that is not ours raises becomes a sentence that begins with its name."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    except (Exception, SystemExit) as error:
        raise UserError(f"{name} fails with {type(error).__name__}: {error}") from error


def run_command(name: str) -> None:
    """Runs `commands/NAME.py`, imported late: Ctrl-C during the imports gets its word, too."""
    run_cli(lambda: importlib.import_module(f"tiny_jepa.commands.{name}").main(sys.argv[1:]))


def run_cli(main: Callable[[], int | None]) -> None:
    """Runs a script's `main`; whatever a user or a machine did wrong becomes one sentence and exit status 2. A reader
    who leaves (`| head -1`) does not end the work; a full device loses output, which is said."""
    out, err = Console(sys.stdout), Console(sys.stderr)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):  # type: ignore[type-var]
        status, reason = _outcome(main)
        if out.error and not isinstance(out.error, BrokenPipeError):
            status, reason = status or 2, reason or f"what was printed is lost ({out.error.strerror}); its work is done"
        if reason:
            print("error:", *reason.splitlines(), file=err)
    sys.exit(status)


def _outcome(main: Callable[[], int | None]) -> tuple[int, str]:
    """The exit status, and the sentence where there is one to say."""
    try:
        return main() or 0, ""
    except SystemExit as end:
        return int(end.code or 0), ""
    except UserError as error:
        return 2, str(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130, ""
    except ModuleNotFoundError as error:
        package = "pillow" if error.name == "PIL" else error.name
        return 2, f"this needs {package}; install it with: pip install {package}"
    except OSError as error:
        return 2, f"{f'{error.filename}: ' if error.filename else ''}{error.strerror or error}"
    except (MemoryError, RuntimeError) as error:
        if not (isinstance(error, MemoryError) or "memory" in str(error)):
            raise
        return 2, "out of memory; ask for less at a time, or for another --device"
