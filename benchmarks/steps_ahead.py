"""How far off a prober reads the agent some steps ahead, in a world of which a folder was collected.

python -m benchmarks.steps_ahead --world tworoom --data data/tworoom --budgets 500 100
"""

import torch

from benchmarks.shared import run
from tiny_jepa.commands import choose
from tiny_jepa.data import open_source
from tiny_jepa.probing.measure import evaluators, train_prober
from tiny_jepa.tables import markdown
from tiny_jepa.worlds import find_world

STEPS = (0, 1, 4, 8, 16)


def main(data: str, budgets: tuple[str, ...], world: str = "tworoom") -> None:
    found = find_world(world)
    source = open_source(data, found)
    subjects = {f"budget `{budget}`": choose(None, budget, world)[0] for budget in budgets}
    subjects["dead reckoning"] = choose(None, budgets[0], world, "dead-reckoning")[0]
    rows = []
    for name, subject in subjects.items():
        evaluator = evaluators(subject.model, source, "cpu", found.groups[:1])[0]
        assert evaluator is not None
        pairs = list(evaluator.read_out(train_prober(evaluator, 0), evaluator.val_ds["normal"]))
        squared = torch.cat([(read - true).square() for read, true in pairs]).mean(dim=(0, 2))
        rows.append([name, *(f"{float(squared[step]):.2f}" for step in STEPS)])
    print(markdown(["mean squared error, px²", *(f"{step} steps" for step in STEPS)], rows))


if __name__ == "__main__":
    run(main)
