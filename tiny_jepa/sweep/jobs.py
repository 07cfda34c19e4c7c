"""The jobs of a grid, and what files say of them: each is done, failed, claimed or open.

No process knows more than these files, so any number of them, on any machines that see the folder, share the work and
may end anywhere. All that is relied on is that a file is created exclusively, or moved, at once for all who see it.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tiny_jepa.console import printable
from tiny_jepa.files import write_atomically, write_text
from tiny_jepa.sweep.grid import Row

REFUSED, INTERRUPTED = 2, (130, -15)
"""Exit status of train.py where it stops a run itself, and of what is told to end."""


class Job:
    """A row trained with a seed, and scored in every row that scores its weights."""

    def __init__(self, row: Row, seed: int, grid: Sequence[Row]) -> None:
        self.row, self.seed, result = row, seed, row.result(seed)
        self.scored = [each for each in grid if each.of == row.name and seed in each.seeds]
        self.results = [each.result(seed) for each in self.scored]
        self.run = Path("runs", row.grid, result.stem)  # the folder in which the row is trained
        self.log = self.run.with_name(f"{result.stem}.log")
        self.weights = result.with_suffix(".pth")  # kept there, so that another way to score them needs no training
        self.stopped = result.with_suffix(".stopped")  # holds what train.py said where it stopped the run
        self.state = result.parent / ".sweep" / result.stem  # what the names of its claims begin with
        self.failure = self.state.with_name(f"{result.stem}.failed")  # holds the last line of its error

    def __str__(self) -> str:
        return f"{self.row.name}, seed {self.seed}"

    def done(self) -> bool:
        return self.stopped.is_file() or all(result.is_file() for result in self.results)

    def left(self) -> bool:
        return not (self.failure.is_file() or self.done())

    def command(self) -> list[str] | None:
        """What is to be done next: the options of a script of the root; None where nothing is left."""
        if not self.left():
            return None
        made = self.run / "weights.pth"
        if made.is_file() and not self.weights.is_file():
            write_atomically(self.weights, lambda path: shutil.copyfile(made, path))
        if self.row.train is None or self.weights.is_file():
            row = next(row for row in self.scored if not row.result(self.seed).is_file())
            which = [] if self.row.train is None else ["--weights", str(self.weights)]
            return ["main.py", *which, *row.score, "--store", str(row.result(self.seed))]
        if (self.run / "checkpoint.pth").is_file():
            which = ["--resume", self.run.name]
        else:
            shutil.rmtree(self.run, ignore_errors=True)  # of a run that was killed before its first checkpoint
            which = [*self.row.train, "--seed", str(self.seed), "--name", self.run.name]
        return ["train.py", *which, "--runs", str(self.run.parent), "--no-install"]

    def fail(self, status: int) -> str:
        """Keeps what the job's last command said before it ended with this status -> how it ended. Where it was told to
        end, that is a Ctrl-C of this process, too."""
        if status in INTERRUPTED:
            raise KeyboardInterrupt
        said = f"ended by signal {-status}" if status < 0 else last_line(self.log)
        stopped = status == REFUSED and "collapsed" in said and not self.weights.is_file()
        write_text(self.stopped if stopped else self.failure, said + "\n")
        return f"stopped: {said}" if stopped else f"failed: {said} ({self.log})"


def jobs_of(grid: Sequence[Row]) -> list[Job]:
    return [Job(row, seed, grid) for row in grid if row.of == row.name for seed in row.seeds]


def last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return next((printable(line.strip()) for line in reversed(lines) if line.strip()), "it said nothing")
