"""Encoding a set from files by several processes: time, resident memory, and that the codes are the same bits.

    python -m tiny_jepa data generate --out DIR --set train --count 8750 --image-size 65 --dtype float32    # 5 GB
    python -m benchmarks.readers DIR [--workers 0 1 2] [--repeats 3]

Every run is a process of its own. `disk`: the file's pages are dropped from memory before each run, as a set larger
than the memory has it; `memory`: the run before has read them. Times are medians over the repeats, by the clock and of
all CPUs; memory is the peak over the repeats of the processes' proportional set sizes, which count shared pages once
(Linux).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import torch

import tiny_jepa
from tiny_jepa.data import open_source
from tiny_jepa.tables import markdown
from tiny_jepa.training.examples import encode_trajectories
from tiny_jepa.worlds.two_rooms import TWO_ROOMS

LOOK = 0.1  # seconds between two looks at the memory


def encode(folder: str, workers: int) -> dict[str, float | str]:
    """What one run took, in this process."""
    torch.set_num_threads(1)
    model, dataset = tiny_jepa.load_model("2k"), open_source(folder, TWO_ROOMS).require("train")
    indices = np.random.default_rng(0).permutation(len(dataset))
    begin = time.perf_counter()
    codes = encode_trajectories(model, dataset, indices, torch.device("cpu"), workers)
    seconds, times = time.perf_counter() - begin, os.times()
    cpu = times.user + times.system + times.children_user + times.children_system
    bits = hash(b"".join(part.numpy().tobytes() for part in (codes.agent, codes.actions, *codes.maps)))
    return {"seconds": seconds, "cpu": cpu, "bits": bits}


def measure(folder: Path, workers: int) -> dict[str, float]:
    """What one run took, and its peak resident memory in MB, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.readers", str(folder), "--one", str(workers)]
    environment = os.environ | {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True)
    peak, process = 0.0, psutil.Process(child.pid)
    while child.poll() is None:
        resident = 0.0
        for each in [process, *process.children(recursive=True)] if process.is_running() else []:
            try:
                resident += each.memory_full_info().pss / 1e6
            except psutil.Error:
                continue
        peak = max(peak, resident)
        time.sleep(LOOK)
    assert child.stdout is not None
    return json.loads(child.stdout.read()) | {"peak": peak}


def forget(path: Path) -> None:
    """Drops a file's pages from memory."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readers", description="Encoding by several processes.")
    parser.add_argument("folder", type=Path, help="that holds train/")
    parser.add_argument("--workers", nargs="+", type=int, default=[0, 1, 2], help="processes that read (0 1 2)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each kind (3)")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one is not None:
        print(json.dumps(encode(str(args.folder), args.one)))
        return
    found: dict[tuple[int, str], list[dict[str, float]]] = {}
    for _ in range(args.repeats):  # by turns: what else the machine does falls on all alike
        for workers in args.workers:
            forget(args.folder / "train" / "states.npy")
            for where in ("disk", "memory"):
                found.setdefault((workers, where), []).append(run := measure(args.folder, workers))
                print(f"{workers} workers, from {where}: {run}", file=sys.stderr, flush=True)
    rows = []
    for (workers, where), runs in found.items():
        seconds, cpu = (statistics.median(run[name] for run in runs) for name in ("seconds", "cpu"))
        rows.append([f"{workers}", where, f"{seconds:.1f}", f"{cpu:.1f}", f"{max(run['peak'] for run in runs):.0f}"])
    print(markdown(["workers", "from", "seconds", "CPU seconds", "resident, MB"], rows))
    same = len({run["bits"] for runs in found.values() for run in runs}) == 1
    print("all codes are the same bits" if same else "the codes DIFFER")


if __name__ == "__main__":
    main()
