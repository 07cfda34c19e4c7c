"""How far off a prober reads the agent some steps ahead, in a world of which a folder was collected: px².

python -m benchmarks.steps_ahead --data data/tworoom --budget 500
"""

import torch

from benchmarks.shared import run
from tiny_jepa.commands import choose
from tiny_jepa.data import open_source
from tiny_jepa.probing.measure import evaluators, train_prober
from tiny_jepa.tables import markdown

STEPS = (0, 1, 4, 8, 16)


def main(data: str, budget: str = "500", world: str = "tworoom") -> None:
    rows = []
    for kind in ("trained", "dead-reckoning"):
        subject, found = choose(None, budget, world, kind)
        (evaluator,) = evaluators(subject.model, open_source(data, found), "cpu", found.groups[:1])
        assert evaluator
        pairs = evaluator.read_out(train_prober(evaluator, 0), evaluator.val_ds["normal"])
        squared = torch.cat([(read - true).square() for read, true in pairs]).mean(dim=(0, 2))
        rows.append([subject.name, *(f"{float(squared[step]):.2f}" for step in STEPS)])
    print(markdown(["after", *(f"{step} steps" for step in STEPS)], rows))


if __name__ == "__main__":
    run(main)
