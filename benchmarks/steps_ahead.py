"""How far off a prober reads the agent some steps ahead, in a world of which a folder was collected.

python -m benchmarks.steps_ahead --world tworoom --data data/tworoom --budgets 500 100
"""

import sys
from typing import Any

import torch

from tiny_jepa.commands import choose
from tiny_jepa.data import open_source
from tiny_jepa.options import parse, settings
from tiny_jepa.probing.measure import evaluators, train_prober
from tiny_jepa.tables import markdown
from tiny_jepa.worlds import find_world

STEPS = (0, 1, 4, 8, 16)


@settings
class Options:
    """Whose errors."""

    data: str  # folder of the world's sets
    budgets: tuple[str, ...]  # trained presets
    world: str = "tworoom"  # the world's name


def main(argv: list[str]) -> None:
    args = parse(Options, argv, "python -m benchmarks.steps_ahead", __doc__ or "")
    world = find_world(args.world)
    source = open_source(args.data, world)
    subjects = {f"budget `{budget}`": choose(None, budget, args.world)[0].model for budget in args.budgets}
    subjects["dead reckoning"] = choose(None, args.budgets[0], args.world, "dead-reckoning")[0].model
    rows: list[list[Any]] = []
    for name, model in subjects.items():
        evaluator = evaluators(model, source, "cpu", world.groups[:1])[0]
        assert evaluator is not None
        pairs = list(evaluator.read_out(train_prober(evaluator, 0), evaluator.val_ds["normal"]))
        squared = torch.cat([(read - true).square() for read, true in pairs]).mean(dim=(0, 2))
        rows.append([name, *(f"{float(squared[step]):.2f}" for step in STEPS)])
        print(f"{name}: done", file=sys.stderr, flush=True)
    print(markdown(["mean squared error, px²", *(f"{step} steps" for step in STEPS)], rows))


if __name__ == "__main__":
    main(sys.argv[1:])
