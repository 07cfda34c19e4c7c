"""Where jobs run: as processes of this machine, or in a SLURM cluster's job array."""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tiny_jepa.errors import UserError
from tiny_jepa.processes import end_with_parent
from tiny_jepa.sweep import claims
from tiny_jepa.sweep.jobs import Job

POLL = 0.5  # seconds between two looks at processes and files


def of_its_sweep() -> None:
    """Makes a process end with its sweep, and leave it to the sweep what Ctrl-C and a time-out mean."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


class Attempt:
    """A claimed job and the process that does its next command."""

    def __init__(self, job: Job, claim: Path) -> None:
        self.job, self.claim, self.beaten = job, claim, time.monotonic()
        self.command: list[str] | None = None
        self.process: subprocess.Popen | None = None
        self.start()

    def start(self) -> bool:
        """Starts the job's next command; False where nothing is left, or the last one left nothing."""
        command = self.job.command()
        if command is None or command == self.command:
            return False
        self.job.log.parent.mkdir(parents=True, exist_ok=True)
        before = None if sys.platform == "win32" else of_its_sweep
        environment = {"OMP_NUM_THREADS": "1"} | os.environ
        with self.job.log.open("ab") as log:
            words = [sys.executable, *command]
            self.process = subprocess.Popen(words, stdout=log, stderr=log, env=environment, preexec_fn=before)
        self.command = command
        return True

    def ended(self) -> bool:
        """Looks after the process, and starts the next one when it has ended -> whether the job has."""
        status = self.process.poll() if self.process else 0
        if self.process and status is None:
            if time.monotonic() - self.beaten < claims.BEAT:
                return False
            self.beaten = time.monotonic()
            if claims.beat(self.claim):
                return False
            self.process.kill()  # this sweep was silent for so long that another took the job over
        elif status == 0 and self.start():
            return False
        else:
            print(f"{self.job}: {'done' if self.job.done() else self.job.fail(status or 0)}", flush=True)
        self.stop()
        return True

    def stop(self) -> None:
        """Ends the process, which saves its checkpoint, and gives the job back."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
        claims.release(self.claim)


def work(jobs: Sequence[Job], at_once: int, patience: float = math.inf) -> None:
    """Does all jobs that no other process does, `at_once` at a time, and waits for the others; where it can do nothing
    for `patience` seconds, it leaves the rest to them."""
    attempts: list[Attempt] = []
    busy, told = time.monotonic(), False
    try:
        while left := [job for job in jobs if not (job.done() or job.failed())]:
            for job in left:
                if len(attempts) < at_once and (claim := claims.take(job.state)):
                    attempts.append(Attempt(job, claim))
            attempts = [attempt for attempt in attempts if not attempt.ended()]
            if attempts:
                busy = time.monotonic()
            elif time.monotonic() - busy > patience:
                return
            elif time.monotonic() - busy > claims.BEAT and not told:
                told = True
                print(f"waiting for others; the claims of killed ones are free after {claims.STALE:.0f} s", flush=True)
            time.sleep(POLL)
    finally:
        for attempt in attempts:
            attempt.stop()


class Element:
    """What one job of SLURM's array does."""

    def __call__(self, job: Job) -> None:
        try:
            work([job], 1, claims.STALE + claims.BEAT)
        except KeyboardInterrupt:
            print("interrupted; its checkpoint is saved")

    def checkpoint(self, job: Job) -> Any:
        """What submitit puts back into the queue when the time is up; the signal to end comes after that, and makes the
        run save its checkpoint."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, job)


def submit(jobs: Sequence[Job], at_once: int, minutes: int, partition: str | None, cpus: int, gpus: int) -> None:
    """Submits one job array, `at_once` of it at a time, and waits until it has left the queue; a `UserError` where
    there is no submitit, no SLURM, or one that refuses the array."""
    try:
        from submitit import SlurmExecutor
    except ModuleNotFoundError:
        raise UserError("--launcher slurm needs submitit; pip install 'tiny_jepa[slurm]'") from None
    left = [job for job in jobs if not (job.done() or job.failed())]
    if not left:
        return
    name = left[0].grid.name
    logs = Path("runs", name, "slurm").resolve()
    try:
        executor = SlurmExecutor(folder=logs, max_num_timeout=10_000)
        asked = {"time": minutes, "partition": partition, "cpus_per_task": cpus, "gpus_per_node": gpus or None}
        requeued = {"array_parallelism": at_once, "additional_parameters": {"requeue": True}}
        executor.update_parameters(job_name=f"sweep-{name}", **asked, **requeued)
        array = executor.map_array(Element(), left)[0].job_id.partition("_")[0]
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        raise UserError(f"SLURM takes no jobs here: {' '.join(str(error).split())}") from None
    print(f"submitted job array {array} of {len(left)}; logs in {logs}; stopping this command leaves it alone")
    while queued(array):
        time.sleep(10 * POLL)


def queued(array: str) -> bool:
    asked = subprocess.run(["squeue", "--noheader", "--jobs", array], capture_output=True, text=True, check=False)
    return bool(asked.stdout.strip()) or (asked.returncode != 0 and "Invalid job id" not in asked.stderr)
