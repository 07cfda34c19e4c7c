"""The one exception that reaches a user: a sentence that says what was wrong, where, and what to do."""

import sys
from collections.abc import Callable


class UserError(Exception):
    """Bad input. Scripts print its message on stderr and exit with status 2."""


def run_cli(main: Callable[[], int | None]) -> None:
    """Runs a script's `main`; a `UserError` becomes one sentence and exit status 2."""
    try:
        sys.exit(main() or 0)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
