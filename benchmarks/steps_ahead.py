"""How far off a prober reads the agent some steps ahead, in a world of which a folder was collected.

python -m benchmarks.steps_ahead --world tworoom --data data/tworoom --budgets 500 100
"""

import torch

from benchmarks.shared import run
from tiny_jepa.commands import choose
from tiny_jepa.data import open_source
from tiny_jepa.probing import ProbingConfig, ProbingEvaluator
from tiny_jepa.probing.measure import epochs_for, load_group, train_prober
from tiny_jepa.tables import markdown
from tiny_jepa.worlds import find_world

STEPS = (0, 1, 4, 8, 16)


def main(data: str, budgets: tuple[str, ...], world: str = "tworoom") -> None:
    found = find_world(world)
    train, loaders = load_group(found.groups[0], open_source(data, found))
    assert train is not None
    config = ProbingConfig(mean=found.mean, std=found.std, epochs=epochs_for(found, train))
    subjects = {f"budget `{budget}`": choose(None, budget, world)[0] for budget in budgets}
    subjects["dead reckoning"] = choose(None, budgets[0], world, "dead-reckoning")[0]
    rows = []
    for name, subject in subjects.items():
        evaluator = ProbingEvaluator("cpu", subject.model, train, loaders, config)
        pairs = list(evaluator.read_out(train_prober(evaluator, 0), loaders["normal"]))
        squared = torch.cat([(read - true).square() for read, true in pairs]).mean(dim=(0, 2))
        rows.append([name, *(f"{float(squared[step]):.2f}" for step in STEPS)])
    print(markdown(["mean squared error, px²", *(f"{step} steps" for step in STEPS)], rows))


if __name__ == "__main__":
    run(main)
