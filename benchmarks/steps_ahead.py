"""How far off a prober reads the agent some steps ahead, in a world of which a folder was collected.

python -m benchmarks.steps_ahead --world tworoom --data data/tworoom --budgets 500 100
"""

import sys

import torch

from tiny_jepa.commands import choose
from tiny_jepa.data import open_source
from tiny_jepa.errors import run_cli
from tiny_jepa.options import parse, settings
from tiny_jepa.probing import ProbingConfig, ProbingEvaluator
from tiny_jepa.probing.measure import epochs_for, load_group, train_prober
from tiny_jepa.tables import markdown
from tiny_jepa.worlds import find_world

STEPS = (0, 1, 4, 8, 16)


@settings
class Options:
    """Whose errors."""

    data: str  # folder of the world's sets
    budgets: tuple[str, ...]  # trained presets
    world: str = "tworoom"  # the world's name


def main() -> None:
    args = parse(Options, sys.argv[1:], "python -m benchmarks.steps_ahead", __doc__ or "")
    world = find_world(args.world)
    train, loaders = load_group(world.groups[0], open_source(args.data, world))
    assert train is not None
    config = ProbingConfig(mean=world.mean, std=world.std, epochs=epochs_for(world, train))
    subjects = {f"budget `{budget}`": choose(None, budget, args.world)[0] for budget in args.budgets}
    subjects["dead reckoning"] = choose(None, args.budgets[0], args.world, "dead-reckoning")[0]
    rows = []
    for name, subject in subjects.items():
        evaluator = ProbingEvaluator("cpu", subject.model, train, loaders, config)
        pairs = list(evaluator.read_out(train_prober(evaluator, 0), loaders["normal"]))
        squared = torch.cat([(read - true).square() for read, true in pairs]).mean(dim=(0, 2))
        rows.append([name, *(f"{float(squared[step]):.2f}" for step in STEPS)])
    print(markdown(["mean squared error, px²", *(f"{step} steps" for step in STEPS)], rows))


if __name__ == "__main__":
    run_cli(main)
