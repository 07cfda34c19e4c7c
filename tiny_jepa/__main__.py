"""`python -m tiny_jepa VERB ...`: every command beyond the root scripts. A verb is a module with `main(argv)`."""

from __future__ import annotations

import importlib
import sys

from tiny_jepa.errors import UserError, run_cli

VERBS = {
    "data": ("tiny_jepa.data.cli", "generate, check and show data in the course's layout"),
}


def main() -> int | None:
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m tiny_jepa VERB ...\n")
        for verb, (_, says) in VERBS.items():
            print(f"  {verb:<10} {says}")
        return 0
    if arguments[0] not in VERBS:
        raise UserError(f"unknown verb '{arguments[0]}'; there are {', '.join(VERBS)}")
    return importlib.import_module(VERBS[arguments[0]][0]).main(arguments[1:])


if __name__ == "__main__":
    run_cli(main)
