"""How much faster the cached protocol is than the plain one, on the same model, with the same losses.

    python -m benchmarks.bench_probing [--weights FILE] [--full]

Without --full it runs three epochs of each on probe_normal (about a minute on one core), with it all twenty.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from plain_protocol import StarterEvaluator  # noqa: E402

from tiny_jepa.commands import choose  # noqa: E402
from tiny_jepa.data import Loader, open_source  # noqa: E402
from tiny_jepa.probing import ProbingConfig, ProbingEvaluator  # noqa: E402
from tiny_jepa.worlds.two_rooms import TWO_ROOMS  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="weights file (default: dead reckoning)")
    parser.add_argument("--full", action="store_true", help="all 20 epochs")
    args = parser.parse_args()
    kind = "trained" if args.weights else "dead-reckoning"
    model = choose(args.weights, None, kind=kind)[0].model
    source, epochs = open_source("procedural", TWO_ROOMS), 20 if args.full else 3
    train, val = source.require("probe_normal/train"), source.require("probe_normal/val")

    def loaders() -> tuple[Loader, dict[str, Loader]]:
        return Loader(train, shuffle=True, seed=0), {"normal": Loader(val)}

    start = time.perf_counter()
    ours = ProbingEvaluator("cpu", model, *loaders(), ProbingConfig(epochs=epochs, seed=0))
    fast_losses = ours.evaluate_all(ours.train_pred_prober())
    fast = time.perf_counter() - start
    torch.manual_seed(0)
    start = time.perf_counter()
    plain = StarterEvaluator(model, *loaders(), epochs)
    plain_losses = plain.evaluate_all(plain.train_pred_prober())
    slow = time.perf_counter() - start
    print(f"{epochs} epochs on probe_normal, {torch.get_num_threads()} threads")
    print(f"plain  {slow:7.1f} s  normal loss {plain_losses['normal']:.5f} px²")
    print(f"cached {fast:7.1f} s  normal loss {fast_losses['normal']:.5f} px²  ({slow / fast:.1f} times faster)")


if __name__ == "__main__":
    main()
