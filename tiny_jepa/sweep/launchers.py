"""Where jobs run: as processes of this machine, or in a SLURM cluster's job array."""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from tiny_jepa.errors import UserError
from tiny_jepa.processes import end_with_parent
from tiny_jepa.sweep.grid import Grid
from tiny_jepa.sweep.jobs import BEAT, STALE, Job, latest_claim, release, take, tidy

POLL = 0.5
"""Seconds between two looks at processes and files."""


def _of_its_sweep() -> None:
    """Makes a process end with its sweep, and leave it to the sweep what Ctrl-C and a time-out mean."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


class Attempt:
    """A claimed job and the process that does it."""

    def __init__(self, job: Job, claim: Path) -> None:
        self.job, self.claim, self.beaten = job, claim, time.monotonic()
        self.process: subprocess.Popen | None = None
        if (command := job.command()) is not None:
            job.log.parent.mkdir(parents=True, exist_ok=True)
            with job.log.open("ab") as log:
                environment = {"OMP_NUM_THREADS": "1"} | os.environ
                before = None if sys.platform == "win32" else _of_its_sweep
                self.process = subprocess.Popen(
                    [sys.executable, *command], stdout=log, stderr=log, env=environment, preexec_fn=before
                )

    def ended(self) -> bool:
        """Looks after the process; what it made or said is kept when it has ended."""
        if self.process is not None and self.process.poll() is None:
            if time.monotonic() - self.beaten < BEAT:
                return False
            self.beaten = time.monotonic()
            if latest_claim(self.job) == self.claim:
                os.utime(self.claim)
                return False
            self.process.kill()  # this sweep was silent for so long that another took the job over
            self.process.wait()
            return True
        print(f"{self.job}: {self.job.end(self.process.returncode if self.process else 0)}", flush=True)
        release(self.job, self.claim)
        return True

    def stop(self) -> None:
        """Ends the process, which saves its checkpoint, and gives the job back."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
        release(self.job, self.claim)


def work(jobs: Sequence[Job], at_once: int, patience: float = math.inf) -> None:
    """Does all jobs that no other process does, `at_once` at a time, and waits for the others; where it can do nothing
    for `patience` seconds, it leaves the rest to them."""
    attempts: list[Attempt] = []
    busy = time.monotonic()
    try:
        while attempts or not all(job.done() or job.failed() for job in jobs):
            attempts = [attempt for attempt in attempts if not attempt.ended()]
            for job in jobs:
                if len(attempts) < at_once and job.ready() and (claim := take(job)):
                    attempts.append(Attempt(job, claim))
            if attempts:
                busy = time.monotonic()
            elif time.monotonic() - busy > patience:
                return
            time.sleep(POLL)
        tidy(jobs)
    finally:
        for attempt in attempts:
            attempt.stop()


class Element:
    """What one job of the array does: trains a row with a seed, and scores all that its weights are scored for."""

    def __call__(self, jobs: Sequence[Job]) -> None:
        try:
            work(jobs, 1, STALE + BEAT)
        except KeyboardInterrupt:
            print("interrupted; its checkpoint is saved")

    def checkpoint(self, jobs: Sequence[Job]) -> Any:
        """What submitit puts back into the queue when the time is up; the signal to end comes after that, and makes the
        run save its checkpoint."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, jobs)


def submit(
    grid: Grid, jobs: Sequence[Job], at_once: int, minutes: int, partition: str | None, cpus: int, gpus: int
) -> None:
    """Submits one job array, `at_once` of it at a time, and waits until it has left the queue.

    Raises:
        UserError: no submitit, no SLURM, or one that refuses the array.
    """
    try:
        from submitit import SlurmExecutor
    except ModuleNotFoundError:
        raise UserError("--launcher slurm needs submitit; pip install 'tiny_jepa[slurm]'") from None
    left = sorted((job for job in jobs if not (job.done() or job.failed())), key=lambda job: str(job.run))
    elements = [list(each) for _, each in groupby(left, key=lambda job: job.run)]
    if not elements:
        return
    logs = (grid.runs / "slurm").resolve()
    try:
        executor = SlurmExecutor(folder=logs, max_num_timeout=10_000)
        executor.update_parameters(
            job_name=f"sweep-{grid.name}",
            time=minutes,
            partition=partition,
            cpus_per_task=cpus,
            gpus_per_node=gpus or None,
            array_parallelism=at_once,
            additional_parameters={"requeue": True},
        )
        array = executor.map_array(Element(), elements)[0].job_id.partition("_")[0]
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        raise UserError(f"SLURM takes no jobs here: {' '.join(str(error).split())}") from None
    print(f"submitted job array {array} of {len(elements)}; logs in {logs}; stopping this command leaves it alone")
    while _queued(array):
        time.sleep(10 * POLL)


def _queued(array: str) -> bool:
    asked = subprocess.run(["squeue", "--noheader", "--jobs", array], capture_output=True, text=True, check=False)
    return bool(asked.stdout.strip()) or (asked.returncode != 0 and "Invalid job id" not in asked.stderr)
