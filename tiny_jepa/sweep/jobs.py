"""The jobs of a grid, and what files say of them: each is done, failed, claimed or open.

No process knows more than these files, so any number of them, on any machines that see the folder, share the work and
may end anywhere. Three things are relied on: that a file is created exclusively, or moved, at once for all who see the
folder; that the machines' clocks agree within a minute; and that a claim's holder shows a sign of life every `BEAT`.
"""

import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tiny_jepa.console import printable
from tiny_jepa.files import cannot_write, write_atomically, write_text
from tiny_jepa.sweep.grid import Grid, Row

BEAT = 10.0
"""Seconds between a holder's signs of life."""
STALE = 120.0
"""Seconds of silence after which a holder counts as dead."""
REFUSED, INTERRUPTED = 2, (130, -15)
"""Exit status of train.py where it stops a run itself, and of what is told to end."""


@dataclass(frozen=True)
class Job:
    """Training or scoring of a row with a seed."""

    grid: Grid
    kind: Literal["train", "score"]
    row: Row
    seed: int

    def __str__(self) -> str:
        return f"{self.kind} {self.row.name}, seed {self.seed}"

    @property
    def state(self) -> Path:
        """What the names of this job's claims and of its failure begin with."""
        return self.grid.results / ".sweep" / f"{self.kind}-{self.row.slug}-seed{self.seed}"

    @property
    def failure(self) -> Path:
        """There where the job failed; holds the last line of its error."""
        return self.state.with_name(self.state.name + ".failed")

    @property
    def log(self) -> Path:
        return self.grid.runs / f"{self.state.name}.log"

    @property
    def run(self) -> Path:
        """The folder in which the row is trained."""
        return self.grid.runs / self.grid.weights(self.row, self.seed).stem

    @property
    def training(self) -> "Job":
        """The job that this one follows; of training, itself."""
        return Job(self.grid, "train", self.grid.source(self.row), self.seed)

    def done(self) -> bool:
        """Whether there is what the job makes, or no need of it."""
        grid, row, seed = self.grid, self.row, self.seed
        if grid.stopped(row, seed).is_file():
            return True
        if self.kind == "score":
            return grid.result(row, seed).is_file()
        scored = [grid.result(other, seed) for other in grid.rows if other.of == row.name and seed in other.seeds]
        return grid.weights(row, seed).is_file() or all(result.is_file() for result in scored)

    def failed(self) -> bool:
        """Whether the job failed, or cannot be done since what it follows failed."""
        return not self.done() and (self.failure.is_file() or (self.training != self and self.training.failed()))

    def ready(self) -> bool:
        """Whether the job can begin."""
        untrained = self.grid.source(self.row).train is None
        begun = self.kind == "train" or untrained or self.grid.weights(self.row, self.seed).is_file()
        return begun and not self.done() and not self.failed()

    def command(self) -> list[str] | None:
        """The options of a script of the root; None where all that is left is to keep a run's weights."""
        if self.kind == "score":
            weights = self.grid.weights(self.row, self.seed)
            which = [] if self.grid.source(self.row).train is None else ["--weights", str(weights)]
            return ["main.py", *which, *self.row.score, "--store", str(self.grid.result(self.row, self.seed))]
        if (self.run / "weights.pth").is_file():
            return None
        if (self.run / "checkpoint.pth").is_file():
            which = ["--resume", self.run.name]
        else:
            shutil.rmtree(self.run, ignore_errors=True)  # of a run that was killed before its first checkpoint
            which = [*(self.row.train or []), "--seed", str(self.seed), "--name", self.run.name]
        return ["train.py", *which, "--runs", str(self.grid.runs), "--no-install"]

    def end(self, status: int) -> str:
        """Keeps what the job made, or what it said last -> how it ended.

        Raises:
            KeyboardInterrupt: the job was told to end before it was done.
        """
        said = last_line(self.log)
        if status == 0 and self.kind == "train":
            write_atomically(
                self.grid.weights(self.row, self.seed), lambda path: shutil.copyfile(self.run / "weights.pth", path)
            )
        elif status in INTERRUPTED:
            raise KeyboardInterrupt
        elif status == REFUSED and self.kind == "train" and "collapsed" in said:
            write_text(self.grid.stopped(self.row, self.seed), said + "\n")
            return f"stopped: {said}"
        elif status:
            said = f"ended by signal {-status}" if status < 0 else said
            write_text(self.failure, f"{said}\n")
            return f"failed: {said} ({self.log})"
        return "done"


def jobs_of(grid: Grid) -> list[Job]:
    """All jobs, training first."""
    trained = [row for row in grid.rows if row.train is not None]
    kinds: list[tuple[Literal["train", "score"], Iterable[Row]]] = [("train", trained), ("score", grid.rows)]
    return [Job(grid, kind, row, seed) for kind, rows in kinds for row in rows for seed in row.seeds]


def last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return next((printable(line.strip()) for line in reversed(lines) if line.strip()), "it said nothing")


def latest_claim(job: Job) -> Path | None:
    """Claims of a job are numbered: who takes one over creates the next, which one only can do."""
    claims = job.state.parent.glob(f"{job.state.name}.claim*")
    return max(claims, key=_number, default=None)


def _number(claim: Path) -> int:
    return int(claim.name.rpartition(".claim")[2])


def read_claim(claim: Path | None) -> dict[str, Any] | None:
    """Who holds a claim; None where nobody does who is alive."""
    try:
        silent = time.time() - claim.stat().st_mtime if claim else STALE
        text = claim.read_text(encoding="utf-8") if claim else ""
    except FileNotFoundError:
        return None
    holder: dict[str, Any] = {**_myself(), "host": "?", "slurm": None} | (
        json.loads(text) if text.endswith("}") else {}
    )
    return None if silent >= STALE or _is_gone(holder) else holder


def _myself() -> dict[str, Any]:
    slurm, restart = os.environ.get("SLURM_JOB_ID"), int(os.environ.get("SLURM_RESTART_COUNT", 0))
    return {"host": platform.node(), "pid": os.getpid(), "slurm": slurm, "restart": restart, "since": time.time()}


def _is_gone(holder: dict[str, Any]) -> bool:
    """Whether a holder is known not to be there any more, however short its silence."""
    me = _myself()
    if holder["slurm"] is not None and holder["slurm"] == me["slurm"] and holder["restart"] < me["restart"]:
        return True  # this is the same SLURM job, requeued
    if holder["host"] != me["host"] or sys.platform == "win32":
        return False
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False


def take(job: Job) -> Path | None:
    """Claims a job; None where another process holds it, or was faster."""
    before = latest_claim(job)
    if read_claim(before) is not None:
        return None
    claim = job.state.with_name(f"{job.state.name}.claim{_number(before) + 1 if before else 1}")
    try:
        claim.parent.mkdir(parents=True, exist_ok=True)
        with claim.open("x", encoding="utf-8") as file:
            file.write(json.dumps(_myself()))
    except FileExistsError:
        return None
    except OSError as error:
        raise cannot_write(claim, error) from None
    if not job.ready():  # somebody was done with it meanwhile
        release(job, claim)
        return None
    return claim


def tidy(jobs: Iterable[Job]) -> None:
    """Removes the claims of jobs that are done whose holders were killed before they could."""
    for job in jobs:
        claim = latest_claim(job)
        if claim and job.done() and read_claim(claim) is None:
            release(job, claim)


def release(job: Job, claim: Path) -> None:
    """Gives a claim back, with those that it took over."""
    for number in range(1, _number(claim) + 1):
        job.state.with_name(f"{job.state.name}.claim{number}").unlink(missing_ok=True)
