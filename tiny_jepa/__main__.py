"""`python -m tiny_jepa VERB ...`: every command beyond the root scripts. A verb is a function of a module."""

import importlib
import sys

from tiny_jepa.errors import UserError, run_cli

VERBS = {
    "data": ("tiny_jepa.data.cli", "main", "generate, check and show data in the course's layout"),
    "score": ("tiny_jepa.course.report", "score", "rank the stored results beside the published teams"),
    "readme": ("tiny_jepa.course.report", "readme", "write the README's results table and picture"),
    "look": (
        "tiny_jepa.looks.command",
        "main",
        "where a model errs: over time, near the wall, over the room",
    ),
    "submit": ("tiny_jepa.course.submit", "main", "build the course's zip and prove that it runs"),
}


def main() -> int | None:
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m tiny_jepa VERB ...\n")
        for verb, (_, _, says) in VERBS.items():
            print(f"  {verb:<10} {says}")
        return 0
    if arguments[0] not in VERBS:
        raise UserError(f"unknown verb '{arguments[0]}'; there are {', '.join(VERBS)}")
    module, function, _ = VERBS[arguments[0]]
    return getattr(importlib.import_module(module), function)(arguments[1:])


if __name__ == "__main__":
    run_cli(main)
