"""Where jobs run: as processes of this machine, or in a SLURM cluster's job array."""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
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


def attempt(job: Job) -> Generator[None, None, None]:
    """Does what is left of a job, and yields while it runs; ends at once where another process holds the job. Closed
    early, it ends the job's process, which saves its checkpoint, and gives the job back."""
    if (claim := claims.take(job.state)) is None:
        return
    process, last, status, beaten = None, list[str](), 0, time.monotonic()
    try:
        while status == 0 and (command := job.command()) and command != last:  # the last one may have left nothing
            job.log.parent.mkdir(parents=True, exist_ok=True)
            before = None if sys.platform == "win32" else of_its_sweep
            environment, words = {"OMP_NUM_THREADS": "1"} | os.environ, [sys.executable, *command]
            with job.log.open("ab") as log:
                process = subprocess.Popen(words, stdout=log, stderr=log, env=environment, preexec_fn=before)
            last = command
            while process.poll() is None:
                if time.monotonic() - beaten >= claims.BEAT:
                    beaten = time.monotonic()
                    if not claims.beat(claim):  # this sweep was silent for so long that another took the job over
                        process.kill()
                        return
                yield
            status = process.returncode
        print(f"{job}: {'done' if job.done() else job.fail(status)}", flush=True)
    finally:
        if process is not None:
            process.terminate()
            process.wait()
        claims.release(claim)


def work(jobs: Sequence[Job], at_once: int, patience: float = math.inf) -> None:
    """Does all jobs that no other process does, `at_once` at a time, and waits for the others; where it can do nothing
    for `patience` seconds, it leaves the rest to them."""
    attempts: list[Generator[None, None, None]] = []
    busy, told = time.monotonic(), False
    try:
        while left := [job for job in jobs if job.left()]:
            for job in left:
                if len(attempts) < at_once and next(begun := attempt(job), False) is None:
                    attempts.append(begun)
            attempts = [each for each in attempts if next(each, False) is None]
            if attempts:
                busy = time.monotonic()
            elif time.monotonic() - busy > patience:
                return
            elif time.monotonic() - busy > claims.BEAT and not told:
                told = True
                print(f"waiting for others; the claims of killed ones are free after {claims.STALE:.0f} s", flush=True)
            time.sleep(POLL)
    finally:
        for each in attempts:
            each.close()


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
    if not (left := [job for job in jobs if job.left()]):
        return
    name = left[0].row.grid
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
    words = ["squeue", "--noheader", "--jobs", array]
    while (queue := subprocess.run(words, capture_output=True, text=True, check=False)).stdout.strip() or (
        queue.returncode != 0 and "Invalid job id" not in queue.stderr
    ):
        time.sleep(10 * POLL)
