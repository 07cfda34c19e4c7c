"""Sweeps: the rows of a grid, an .ini file with a section a row, each trained and scored with several seeds. What files
say of a job decides what is done next, so any number of sweeps, on any machines that see the folder and its file locks,
share the work and may end anywhere."""

import contextlib
import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from tiny_jepa.errors import UserError
from tiny_jepa.files import Held, clear, locked, read_ini, require_name, require_writable, write_atomically, write_text
from tiny_jepa.options import Seed, named, read, settings

POLL = 0.5  # seconds between two looks at a script that runs, and at jobs of others
WORDLESS = 20  # looks at what others do without a word
Name = AfterValidator(lambda name: require_name(name, "a row's name names its files"))
SPLIT = BeforeValidator(lambda text: shlex.split(text) if isinstance(text, str) else text)
EACH_ONCE = AfterValidator(lambda seeds: tuple(dict.fromkeys(seeds)))
TOLD = {"--seed", "--name", "--runs", "--resume", "--store", "--world"}
"""Options that a sweep gives its scripts itself; a world may be code, which a file must not name."""


@settings
class Row:
    """One row. `train` and `score` are options of train.py and main.py."""

    name: Annotated[str, Field(max_length=100), Name]
    of: str  # the row whose weights it scores; its own name where it is trained
    seeds: Annotated[tuple[Seed, ...], BeforeValidator(str.split), EACH_ONCE, Field(min_length=1)]
    train: Annotated[tuple[str, ...] | None, SPLIT] = None  # None: nothing is trained for it
    score: Annotated[tuple[str, ...], SPLIT] = ()
    factor: str = ""  # what differs, for the table
    page: Path | None = None  # the page that has the table of all rows
    grid: str = ""  # the name of the folders in results/ and runs/
    world: str | None = None  # for both scripts

    def result(self, seed: int) -> Path:
        slug = "-".join(self.name.replace("'", "").replace(",", "").split())
        return Path("results", self.grid, f"{slug}-seed{seed}.json")


def read_grid(path: Path, name: str | None = None, more: str = "", world: str | None = None) -> list[Row]:
    """The rows of a file. Their grid is called `name` (the file's stem), and `more` options are added to each row's
    training. A `UserError` names the row that means nothing."""
    sections = read_ini(path, "give a grid such as benchmarks/ablations.ini")
    shared, rows = sections.pop("DEFAULT", {}), dict[str, Row]()
    for section, own in sections.items():
        values: dict[str, Any] = {"of": section, **shared, **own}
        if taken := values.keys() & {"name", "grid", "world"}:
            raise UserError(f"{path}, row {section!r}: unknown key {min(taken)!r}")
        values |= {"name": section, "grid": name or path.stem, "world": world}
        common = values.pop("common", "")
        if "train" in values:
            values["train"] = f"{common} {values['train']} {more}"
        row = read(Row, values, f"{path}, row {section!r}")
        told = TOLD if row.train is None and row.of == section else TOLD | {"--weights"}
        if twice := told & named((*(row.train or ()), *row.score)):
            raise UserError(f"{path}, row {section!r}: a sweep says {min(twice)} itself; leave it out")
        if (other := rows.setdefault(unicodedata.normalize("NFC", str(row.result(0))).casefold(), row)) is not row:
            raise UserError(f"{path}, row {section!r}: its files would have the names of row {other.name!r}")
    if not rows:
        raise UserError(f"{path} has no rows; see docs/sweep.md")
    known = {row.name: row for row in rows.values()}
    for row in known.values():
        of = known.get(row.of)
        if not of or of.of != of.name or (of != row and row.train is not None) or not {*row.seeds} <= {*of.seeds}:
            raise UserError(f"{path}, row {row.name!r}: row {row.of!r} does not train its weights, or not of all seeds")
    return list(known.values())


class Job:
    """A row trained with a seed, and scored in every row that scores its weights."""

    def __init__(self, row: Row, seed: int, grid: Sequence[Row]) -> None:
        self.row, self.seed, result = row, seed, row.result(seed)
        self.scored = {each.result(seed): each.score for each in grid if each.of == row.name and seed in each.seeds}
        self.run = Path("runs", row.grid, result.stem)  # the folder in which the row is trained
        self.log = self.run.with_name(f"{result.stem}.log")
        self.weights = result.with_suffix(".pth")  # kept there, so that another way to score them needs no training
        self.stopped = result.with_suffix(".stopped")  # holds what train.py said where it stopped the run
        self.lock = result.parent / ".sweep" / f"{result.stem}.lock"  # is held by the process that does the job
        self.failure = self.lock.with_suffix(".failed")  # holds the last line of its error

    def __str__(self) -> str:
        return f"{self.row.name}, seed {self.seed}"

    def done(self) -> bool:
        return self.stopped.is_file() or all(result.is_file() for result in self.scored)

    def left(self) -> bool:
        return not (self.failure.is_file() or self.done())

    def held(self) -> bool:
        with contextlib.suppress(Held), locked(self.lock, ""):
            return False
        return True

    def command(self) -> list[str] | None:
        """What is to be done next: the options of a script of the root; None where nothing is left."""
        if not self.left():
            return None
        made, world = self.run / "weights.pth", [] if self.row.world is None else ["--world", self.row.world]
        if made.is_file() and not self.weights.is_file():
            write_atomically(self.weights, lambda path: shutil.copyfile(made, path))
        if self.row.train is None or self.weights.is_file():
            result = next(result for result in self.scored if not result.is_file())
            which = [] if self.row.train is None else ["--weights", str(self.weights)]
            return ["main.py", *which, *self.scored[result], *world, "--store", str(result)]
        if (self.run / "checkpoint.pth").is_file():
            which = ["--resume", self.run.name]
        else:
            clear(self.run)  # of a run that was killed before its first checkpoint
            which = [*self.row.train, "--seed", str(self.seed), "--name", self.run.name]
        return ["train.py", *which, *world, "--runs", str(self.run.parent), "--no-install"]

    def fail(self, status: int) -> str:
        """Keeps what the job's last command said before it ended with this status -> how it ended."""
        lines = map(str.strip, self.log.read_text(encoding="utf-8", errors="replace").splitlines())
        said = f"ended by signal {-status}" if status < 0 else ["it said nothing", *filter(None, lines)][-1]
        stopped = status == 2 and "collapsed" in said and not self.weights.is_file()
        write_text(self.stopped if stopped else self.failure, said + "\n")
        return f"stopped: {said}" if stopped else f"failed: {said} ({self.log})"


def do(job: Job, pause: Callable[[float], object] = time.sleep) -> None:
    """Does what is left of a job, unless another process holds it. When `pause` becomes true, or raises, it ends the
    script that runs, which saves its checkpoint; a `KeyboardInterrupt` where somebody else told the script to end."""
    with contextlib.suppress(Held), locked(job.lock, f"another process does {job}"):
        while not pause(0) and (command := job.command()):
            require_writable(job.log)
            words, environment = [sys.executable, *command], {"OMP_NUM_THREADS": "1"} | os.environ
            before = None if sys.platform == "win32" else of_its_sweep
            with job.log.open("ab") as log:
                process = subprocess.Popen(words, stdout=log, stderr=log, env=environment, preexec_fn=before)
            try:
                while process.poll() is None and not pause(POLL):
                    pass
            finally:
                process.terminate()
                process.wait()
            if process.returncode in (130, -signal.SIGTERM):
                raise KeyboardInterrupt
            after = job.command()
            if process.returncode or (after and (after == command or after[0] == "train.py")):  # it has left nothing
                print(f"{job}: {job.fail(process.returncode)}", flush=True)
            elif job.done():
                print(f"{job}: done", flush=True)


def of_its_sweep() -> None:
    """Makes a process end with its sweep, on Linux, and leave it to the sweep what Ctrl-C and a time-out mean."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    for sign in (signal.SIGINT, signal.SIGUSR2):
        signal.signal(sign, signal.SIG_IGN)


def work(jobs: Sequence[Job], at_once: int) -> None:
    """Does all jobs, `at_once` at a time; those of other processes are looked at again until nothing is left."""
    stop, looks = threading.Event(), 0
    with ThreadPoolExecutor(at_once) as pool:
        try:
            while left := [job for job in jobs if job.left()]:
                for done in as_completed([pool.submit(do, job, stop.wait) for job in left]):
                    done.result()
                looks += 1
                if looks == WORDLESS:
                    print("waits for other processes, which do", "; ".join(map(str, left)), flush=True)
                time.sleep(POLL)
        finally:
            stop.set()
