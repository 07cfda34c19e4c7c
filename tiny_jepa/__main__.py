"""`python -m tiny_jepa VERB ...`: every command beyond the root scripts. A verb is a function of a module."""

import importlib
import sys

from tiny_jepa.errors import run_cli

VERBS = {
    "data": ("tiny_jepa.commands.data", "main", "generate, check and show data in the course's layout"),
    "score": ("tiny_jepa.commands.rank", "main", "rank the stored results beside the published teams"),
    "look": (
        "tiny_jepa.commands.look",
        "main",
        "where a model errs: over time, near the wall, over the room",
    ),
    "plan": ("tiny_jepa.commands.plan", "main", "reach goals with a model, and show what it thinks"),
    "sweep": ("tiny_jepa.commands.sweep", "main", "train and score a grid, here or in a SLURM cluster"),
    "page": (
        "tiny_jepa.commands.page",
        "main",
        "one file for any browser: drive the dot, watch the model imagine and plan",
    ),
    "export": ("tiny_jepa.commands.export", "main", "a model as ONNX graphs or as a safetensors file"),
    "submit": ("tiny_jepa.commands.submit", "main", "build the course's zip and prove that it runs"),
}


def main() -> int | None:
    from tiny_jepa.options import choose_verb  # late: Ctrl-C during the imports gets its word, too

    arguments = sys.argv[1:]
    verb = choose_verb(arguments, "python -m tiny_jepa", {verb: says for verb, (_, _, says) in VERBS.items()})
    module, function, _ = VERBS[verb]
    return getattr(importlib.import_module(module), function)(arguments[1:])


if __name__ == "__main__":
    run_cli(main)
