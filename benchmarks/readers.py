"""Encoding trajectories, simulated or from files, by several processes: time, resident memory, and that the codes are
the same bits.

    python -m tiny_jepa data generate --out DIR --set train --count 8750 --image-size 65 --dtype float32    # 5 GB
    python -m benchmarks.readers DIR

Every run is a process of its own. `disk`: the file's pages are dropped from memory before each run, as a set larger
than the memory has it; `memory`: the run before has read them. Times are medians over the repeats, by the clock and of
all CPUs; memory is the peak over the repeats of the processes' proportional set sizes, which count shared pages once
(Linux).
"""

import os
import sys
import time
import zlib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import numpy as np
import psutil
import torch
import tyro

import tiny_jepa
from benchmarks.shared import run
from tiny_jepa.data import open_source
from tiny_jepa.tables import markdown
from tiny_jepa.training.examples import encode_trajectories
from tiny_jepa.worlds.two_rooms import TWO_ROOMS

LOOK = 0.1  # seconds between two looks at the memory
MOST = 10_000  # trajectories


def encode(data: str, workers: int) -> tuple[float, float, float, int]:
    """What one run took, in this process: seconds, CPU seconds, trajectories a second; and a checksum of the codes."""
    torch.set_num_threads(1)
    model, dataset = tiny_jepa.load_model("2k"), open_source(data, TWO_ROOMS).require("train")
    dataset.actions(np.arange(1))  # simulates
    indices = np.random.default_rng(0).permutation(len(dataset))[:MOST]
    begin = time.perf_counter()
    codes = encode_trajectories(model, dataset, indices, torch.device("cpu"), workers)
    took = time.perf_counter() - begin
    bits = zlib.crc32(b"".join(part.numpy().tobytes() for part in (codes.agent, codes.actions, *codes.maps)))
    return took, sum(os.times()[:4]), len(indices) / took, bits


def resident() -> float:
    """MB of this process's children."""
    total = 0.0
    for each in psutil.Process().children(recursive=True):
        try:
            total += each.memory_full_info().pss / 1e6
        except psutil.Error:  # it has ended
            continue
    return total


def measure(data: str, workers: int) -> tuple[float, ...]:
    """What one run took, in a process of its own, and its peak resident memory in MB."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        encoding, peak = pool.submit(encode, data, workers), 0.0
        while not encoding.done():
            peak = max(peak, resident())
            time.sleep(LOOK)
        return *encoding.result(), peak


def forget(path: Path) -> None:
    """Drops a file's pages from memory."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main(
    folder: tyro.conf.Positional[Path | None] = None, workers: tuple[int, ...] = (0, 1, 2), repeats: int = 3
) -> None:
    found: dict[tuple[int, str], list[tuple[float, ...]]] = {}
    for _ in range(repeats):  # by turns: what else the machine does falls on all alike
        for count in workers:
            if folder:
                forget(folder / "train" / "states.npy")
            for where in ("disk", "memory") if folder else ("the simulator",):
                found.setdefault((count, where), []).append(measure(str(folder or "procedural"), count))
                print(f"{count} workers, from {where}: done", file=sys.stderr, flush=True)
    rows, bits = [], set[float]()
    for (count, where), runs in found.items():
        took, cpu, rate, sums, peaks = zip(*runs, strict=True)
        cells = [f"{median(took):.1f}", f"{median(cpu):.1f}", f"{median(rate):,.0f}", f"{max(peaks):.0f}"]
        rows.append([f"{count}", where, *cells])
        bits |= set(sums)
    print(markdown(["workers", "from", "seconds", "CPU seconds", "trajectories/s", "resident, MB"], rows))
    print("all codes are the same bits" if len(bits) == 1 else "the codes DIFFER")


if __name__ == "__main__":
    run(main)
