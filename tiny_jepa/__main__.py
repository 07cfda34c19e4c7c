"""`python -m tiny_jepa VERB ...`: every command beyond the root scripts. A verb is a module with `main(argv)`."""

import importlib
import sys

from tiny_jepa.errors import UserError, run_cli

VERBS = {
    "data": ("tiny_jepa.data.cli", "generate, check and show data in the course's layout"),
    "score": ("tiny_jepa.course.score", "rank the stored results beside the published teams"),
    "readme": ("tiny_jepa.course.readme", "write the README's results table and picture from the stored results"),
    "look": ("tiny_jepa.looks.command", "where a model errs: over time, near the wall, over the room; its rollouts"),
    "submit": ("tiny_jepa.course.submit", "build the course's zip and prove that it runs"),
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
