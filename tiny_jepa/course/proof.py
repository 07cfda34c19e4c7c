"""The proof of a submission: unpacked in a new folder, installed in a new virtual environment, graded by its own
instructions, and its training command started and seen to make progress."""

import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tiny_jepa.course.metrics import Metrics, differing_losses, read_metrics
from tiny_jepa.course.submission import TOP, split_command
from tiny_jepa.data.source import ENVIRONMENT
from tiny_jepa.errors import UserError
from tiny_jepa.probing.measure import COURSE_SETS

TRAINING_WAIT = 600.0
"""Seconds in which training has to show its first steps."""


def prove(archive: Path, python: str, install: bool, data: Sequence[str], tested: Path) -> list[str]:
    """Does what a grader would do with `archive` -> what was seen, a line each.

    Args:
        python: the interpreter that makes the virtual environment.
        install: False runs that interpreter as it is, without a new environment.
        data: options for main.py that name the data to grade on.
        tested: requirements with the tested versions, which a new environment keeps to.

    Raises:
        UserError: something does not run, or does not give what metrics.txt says.
    """
    with tempfile.TemporaryDirectory(prefix="submission-") as folder:
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
        top = Path(folder) / TOP
        seen = [f"unpacked to {TOP}/: {', '.join(sorted(path.name for path in top.iterdir()))}"]
        if install:
            python = new_environment(python, Path(folder) / "venv", top, tested)
            seen.append("installed requirements.txt in a new virtual environment, in the tested versions")
        metrics = read_metrics(top / "metrics.txt")
        losses = grade(python, top, data)
        if found := differing_losses(metrics, Metrics(losses, metrics.parameters, metrics.command)):
            raise UserError(f"refused: main.py does not give what metrics.txt says: {'; '.join(found)}")
        seen.append(f"python main.py gives the losses of metrics.txt: {losses}")
        seen.append(f"'{metrics.command}' reached step {start_training(python, top, metrics.command)}")
        return seen


def new_environment(python: str, place: Path, top: Path, tested: Path) -> str:
    """A virtual environment with the submission's requirements -> its interpreter."""
    run([python, "-m", "venv", str(place)], top, "making a virtual environment")
    inside = str(place / ("Scripts" if os.name == "nt" else "bin") / "python")
    install = [inside, "-m", "pip", "install", "-q", "-r", "requirements.txt", "-c", str(tested.resolve())]
    run(install, top, "pip install -r requirements.txt")
    return inside


def grade(python: str, top: Path, data: Sequence[str]) -> dict[str, float | None]:
    """Runs main.py -> the loss of each of the course's sets in px², None where it was not available."""
    output = run([python, "main.py", *data], top, "python main.py")
    found = dict(re.findall(r"^(\w+) loss: ([0-9.]+)", output, re.MULTILINE))
    if "normal" not in found:
        raise UserError("refused: python main.py prints no 'normal loss: X'")
    return {name: float(found[name]) if name in found else None for name in COURSE_SETS}


def start_training(python: str, top: Path, command: str) -> int:
    """Starts the training command, waits for its first row in a run's log.csv, ends it -> the step it reached."""
    words, log = with_absolute_data(split_command(command)), top.parent / "training.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [python, *words[1:]], cwd=top, env=_environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
        try:
            start = time.monotonic()
            while time.monotonic() - start < TRAINING_WAIT:
                ended = process.poll() is not None
                if step := max((last_step(path) for path in top.glob("runs/*/log.csv")), default=0):
                    return step
                if ended:
                    break
                time.sleep(0.2)
        finally:
            process.kill()
            process.wait()
    said = log.read_text(encoding="utf-8", errors="replace")
    raise UserError(f"refused: the training command '{command}' made no progress: {_last_line(said)}")


def last_step(log: Path) -> int:
    """The step of the last whole row of a log.csv; 0 before there is one."""
    rows = log.read_bytes().split(b"\n")[:-1]
    at = rows[-1].partition(b",")[0] if rows else b""
    return int(at) if at.isdigit() and len(at) < 19 else 0


def with_absolute_data(words: Sequence[str]) -> list[str]:
    """A training command whose data folder is found from any other folder, too."""
    found = list(words)
    for i, word in enumerate(found):
        option, equals, value = word.partition("=")
        at = i if equals else i + 1
        if option == "--data" and at < len(found) and Path(value if equals else found[at]).is_dir():
            found[at] = f"--data={Path(value).resolve()}" if equals else str(Path(found[at]).resolve())
    return found


def run(command: list[str], folder: Path, what: str) -> str:
    """Runs a command in `folder` -> its stdout; the user's environment passes through, but for Python paths."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise UserError(
            f"refused: {what} cannot start ({command[0]}: {error.strerror}); choose another --python"
        ) from None
    if done.returncode:
        raise UserError(f"refused: {what} fails in the unpacked submission: {_last_line(done.stderr or done.stdout)}")
    return done.stdout


def _environment() -> dict[str, str]:
    """The user's, without what belongs to this interpreter; a data folder is found from any other folder, too."""
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    if Path(kept.get(ENVIRONMENT, "")).is_dir() and kept.get(ENVIRONMENT):
        kept[ENVIRONMENT] = str(Path(kept[ENVIRONMENT]).resolve())
    return kept | {"PYTHONUTF8": "1"}


def _last_line(text: str) -> str:
    lines = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
    return lines[-1].strip()[:200] if lines else "it printed nothing"


def default_python() -> str:
    """The interpreter under this one: a virtual environment's own would do, but a grader has none."""
    return getattr(sys, "_base_executable", None) or sys.executable
