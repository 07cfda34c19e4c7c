"""`python -m tiny_jepa VERB ...`: every command beyond the root scripts, each the `main` of a file in commands/."""

import importlib
import sys

from tiny_jepa.errors import run_cli

VERBS = {
    "data": "generate, collect and check data in the course's layout",
    "plan": "reach goals with a model, and show what it thinks",
    "sweep": "train and score a grid, here or in a SLURM cluster",
    "page": "one file for any browser: drive the dot, watch the model imagine and plan",
    "export": "a model as ONNX graphs",
    "submit": "build the course's zip and prove that it runs",
}


def main() -> int | None:
    from tiny_jepa.options import choose_verb  # late, as commands are: Ctrl-C during the imports gets its word, too

    verb = choose_verb(sys.argv[1:], "python -m tiny_jepa", VERBS)
    return importlib.import_module(f"tiny_jepa.commands.{verb}").main(sys.argv[2:])


if __name__ == "__main__":
    run_cli(main)
