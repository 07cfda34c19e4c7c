"""The proof of a submission: unpacked in a new folder, installed in a new virtual environment, graded by its own
instructions, and its training command started and seen to make progress."""

import os
import re
import shlex
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from tiny_jepa.course import COURSE_SETS
from tiny_jepa.course.metrics import differences, read_metrics
from tiny_jepa.course.submission import TOP
from tiny_jepa.data.source import ENVIRONMENT
from tiny_jepa.errors import UserError

TRAINING_WAIT = 600.0
"""Seconds in which training has to show its first steps."""


def prove(archive: Path, python: str, install: bool, data: str | None, tested: Path) -> Iterator[str]:
    """Does what a grader would do with `archive`, by the interpreter `python` or, to `install`, in an environment that
    it makes, which keeps to the versions in `tested` -> what is seen, a line each; a `UserError` where something does
    not run, or does not give what metrics.txt says. `data` is as main.py takes it."""
    with tempfile.TemporaryDirectory(prefix="submission-") as folder:
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
        top = Path(folder) / TOP
        yield f"unpacked to {TOP}/: {', '.join(sorted(path.name for path in top.iterdir()))}"
        if install:
            run([python, "-m", "venv", str(Path(folder) / "venv")], top, "making a virtual environment")
            python = str(Path(folder) / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python")
            pip = [python, "-m", "pip", "install", "-q", "-r", "requirements.txt", "-c", str(tested.resolve())]
            run(pip, top, "pip install -r requirements.txt")
            yield "installed requirements.txt in a new virtual environment, in the tested versions"
        metrics = read_metrics(top / "metrics.txt")
        output = run([python, "main.py", *(["--data", absolute(data)] if data else [])], top, "python main.py")
        printed = dict(re.findall(r"^(\w+) loss: ([0-9.]+)", output, re.MULTILINE))
        losses = {name: float(printed[name]) if name in printed else None for name in COURSE_SETS}
        if found := differences(metrics, replace(metrics, losses=losses)):
            raise UserError(f"refused: main.py does not give what metrics.txt says: {'; '.join(found)}")
        yield f"python main.py gives the losses of metrics.txt: {losses}"
        yield f"'{metrics.command}' reached step {start_training(python, top, metrics.command)}"


def start_training(python: str, top: Path, command: str) -> int:
    """Starts the training command, waits for its first row in a run's log.csv, ends it -> the step it reached."""
    said = top.parent / "training.log"
    try:
        words = shlex.split(command.replace("--data=", "--data "))[1:]
    except ValueError as error:
        raise UserError(f"the stored training command {command!r} is none ({error}); train it again") from None
    words = [absolute(word) if before == "--data" else word for before, word in pairwise(["", *words])]
    with said.open("wb") as out:
        process = subprocess.Popen(
            [python, *words], cwd=top, env=environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
        try:
            until, ended = time.monotonic() + TRAINING_WAIT, False
            while time.monotonic() < until and not ended:
                ended = process.poll() is not None
                for log in top.glob("runs/*/log.csv"):
                    rows = log.read_text(encoding="utf-8", errors="replace")
                    if steps := re.findall(r"^([1-9][0-9]{,17}),.*\n", rows, re.MULTILINE):  # of whole rows
                        return int(steps[-1])
                time.sleep(0.2)
        finally:
            process.kill()
            process.wait()
    reason = last_line(said.read_text(encoding="utf-8", errors="replace"))
    raise UserError(f"refused: the training command '{command}' made no progress: {reason}")


def run(command: list[str], folder: Path, what: str) -> str:
    """Runs a command in `folder` -> its stdout; the user's environment passes through, but for Python paths."""
    text: dict[str, Any] = {"encoding": "utf-8", "errors": "replace", "capture_output": True}
    try:
        done = subprocess.run(command, cwd=folder, env=environment(), stdin=subprocess.DEVNULL, check=False, **text)
    except OSError as error:
        raise UserError(f"refused: {what} cannot start ({error}); choose another --python") from None
    if done.returncode:
        raise UserError(f"refused: {what} fails in the unpacked submission: {last_line(done.stderr or done.stdout)}")
    return done.stdout


def environment() -> dict[str, str]:
    """The user's, without what belongs to this interpreter."""
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    return kept | {"PYTHONUTF8": "1", ENVIRONMENT: absolute(kept.get(ENVIRONMENT, ""))}


def absolute(data: str) -> str:
    """Data whose folder, if it is one, is found from any other folder, too."""
    return str(Path(data).resolve()) if data and Path(data).is_dir() else data


def last_line(text: str) -> str:
    return ([line.strip()[:200] for line in re.split(r"[\r\n]+", text) if line.strip()] or ["it printed nothing"])[-1]
