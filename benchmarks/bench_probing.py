"""How much faster the cached protocol is than the plain one of tests/plain_protocol.py, with the same losses, on dead
reckoning or on --weights: three epochs of probe_normal (about a minute on one core), with --full all twenty."""

import time
from pathlib import Path

import torch

from benchmarks.shared import run
from tests.plain_protocol import StarterEvaluator
from tiny_jepa.commands import choose
from tiny_jepa.data import Loader, open_source
from tiny_jepa.probing import ProbingConfig, ProbingEvaluator
from tiny_jepa.worlds.two_rooms import TWO_ROOMS


def main(weights: Path | None = None, full: bool = False) -> None:
    model = choose(weights, None, kind="trained" if weights else "dead-reckoning")[0].model
    source, epochs, took = open_source("procedural", TWO_ROOMS), 20 if full else 3, []
    train, val = source.require("probe_normal/train"), source.require("probe_normal/val")
    evaluators = {
        "plain": lambda *loaders: StarterEvaluator(model, *loaders, epochs),
        "cached": lambda *loaders: ProbingEvaluator("cpu", model, *loaders, ProbingConfig(epochs=epochs)),
    }
    print(f"{epochs} epochs on probe_normal, {torch.get_num_threads()} threads")
    for name, make in evaluators.items():
        torch.manual_seed(0)
        start = time.perf_counter()
        evaluator = make(Loader(train, shuffle=True), {"normal": Loader(val)})
        loss = evaluator.evaluate_all(evaluator.train_pred_prober())["normal"]
        took.append(time.perf_counter() - start)
        print(f"{name:<6} {took[-1]:7.1f} s  normal loss {loss:.5f} px²  ({took[0] / took[-1]:.1f} times faster)")


if __name__ == "__main__":
    run(main)
