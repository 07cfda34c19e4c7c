"""A run's folder: configuration, log, checkpoints, weights."""

import csv
import json
import math
import os
import shlex
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tiny_jepa.budgets import Budget
from tiny_jepa.device import machine
from tiny_jepa.errors import UserError
from tiny_jepa.files import cannot_write, locked, read_json, write_atomically, write_text
from tiny_jepa.training.trainer import Trainer
from tiny_jepa.weights import read_archive, require_finite

FORMAT = 3  # of checkpoints
CHECKPOINT_SECONDS = float(os.environ.get("TINY_JEPA_CHECKPOINT_SECONDS", "60"))


class Run:
    """`runs/NAME/`: config.json, log.csv (and tensorboard/), checkpoint.pth and, at the end, weights.pth.

    A context: until it ends, no other process can train in the folder.
    """

    def __init__(self, folder: Path) -> None:
        """
        Raises:
            UserError: another process trains there.
        """
        self.folder = folder
        self.checkpoint = folder / "checkpoint.pth"
        self.weights = folder / "weights.pth"
        self.seconds = 0.0  # of training, over all its processes
        self.saved_step = 0
        self._since = self._saved = time.monotonic()
        self._board: Any = None
        self._open = ExitStack()
        self._open.enter_context(locked(folder / ".lock", f"another process trains in {folder}; wait until it ends"))

    @classmethod
    def new(cls, root: Path, name: str) -> "Run":
        """A run in a folder of its own: `name`, or `name-2`, `name-3`... where that is taken."""
        for folder in (root / candidate for candidate in (name, *(f"{name}-{i}" for i in range(2, 10_000)))):
            try:
                folder.mkdir(parents=True)
                return cls(folder)
            except FileExistsError:
                if not folder.exists():  # what exists is a file above it
                    break
            except OSError as error:
                raise cannot_write(folder, error) from None
        raise UserError(f"cannot write {root / name}: no free name is left there; give another --name or --runs")

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        self._close_board()
        self._open.close()

    def describe(self, budget: Budget, command: str, data: str, parameters: int, device: torch.device) -> None:
        """Writes config.json: the resolved configuration and all that names this run."""
        content = {
            "budget": budget.name,
            "budget_limit": budget.limit,
            "parameters": parameters,
            "world": budget.world.frame.world,
            "architecture": asdict(budget.architecture),
            "training": asdict(budget.training),
            "command": command,
            "data": data,
            **machine(device),
            "git": git_revision(),
        }
        write_text(self.folder / "config.json", json.dumps(content, indent=1) + "\n")

    def open_board(self, step: int) -> None:
        """Logs to TensorBoard too, where it is installed; what an earlier process wrote after `step` is dropped."""
        try:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(self.folder / "tensorboard"), purge_step=step + 1)
        except Exception as error:  # a broken extra raises whatever it likes
            if not (isinstance(error, ModuleNotFoundError) and error.name == "tensorboard"):
                self._lose_board(error)

    def _lose_board(self, error: Exception) -> None:
        print(f"warning: TensorBoard does not work ({type(error).__name__}: {error}); log.csv goes on without it")
        self._board = None

    def _close_board(self) -> None:
        board, self._board = self._board, None
        try:
            if board is not None:
                board.close()
        except Exception as error:
            self._lose_board(error)

    def save(self, trainer: Trainer) -> None:
        """Writes the checkpoint.

        Raises:
            UserError: a weight is not finite, the folder is gone, or there is no room; the last checkpoint stays.
        """
        self._tick()
        require_finite(trainer.model.state_dict(), f"the run stopped at step {trainer.step}")
        if not self.folder.is_dir():
            raise UserError(f"the run's folder {self.folder} is gone; start the run anew")
        state = trainer.state() | {"seconds": self.seconds, "format": FORMAT}
        write_atomically(self.checkpoint, lambda path: torch.save(state, path))
        self._saved, self.saved_step = time.monotonic(), trainer.step

    def save_sometimes(self, trainer: Trainer) -> None:
        if time.monotonic() - self._saved > CHECKPOINT_SECONDS:
            self.save(trainer)

    def restore(self, trainer: Trainer) -> None:
        """Goes back to the checkpoint, and cuts the log there.

        Raises:
            UserError: there is nothing to resume, or no checkpoint of this run.
        """
        path = self.checkpoint
        if not path.is_file():
            if self.weights.is_file():
                raise UserError(f"{self.folder} is finished: its weights are {self.weights}; nothing is left to resume")
            raise UserError(f"nothing to resume: {path} is missing; start the run without --resume")
        state = read_archive(path, "checkpoint", trainer.device)
        if state.get("format") != FORMAT:
            raise UserError(f"{path} was written by another version of tiny_jepa; start the run anew")
        try:
            trainer.load_state(state)
            self.seconds, self.saved_step = float(state["seconds"]), trainer.step
            if not math.isfinite(self.seconds):
                raise ValueError(f"{self.seconds} seconds")
        except Exception as error:  # load_state takes all that it is given apart
            reason = " ".join(str(error).split())[:100]
            raise UserError(f"{path} is no checkpoint of this run ({reason}); start the run anew") from None
        require_finite(trainer.model.state_dict(), f"{path} is not used")
        log = self.folder / "log.csv"
        if log.is_file():
            head, *rows = log.read_bytes().splitlines(keepends=True) or [b""]
            write_atomically(
                log, lambda path: path.write_bytes(head + b"".join(_rows_until(trainer.step, rows, head.count(b","))))
            )

    def log(self, row: dict[str, Any]) -> None:
        """Appends a row to log.csv; every row has the columns of the first."""
        path = self.folder / "log.csv"
        first = ["step", "phase", "seconds", "lr", "loss"]
        columns = [*first, *(name for name in row if name not in first)]
        self._tick()
        row = {**row, "seconds": round(self.seconds, 2)}
        try:
            with path.open("a", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                if file.tell() == 0:
                    writer.writerow(columns)
                writer.writerow([row[name] for name in columns])
        except OSError as error:
            raise cannot_write(path, error) from None
        if self._board is not None:
            try:
                for name in columns:
                    if name not in ("step", "phase"):
                        self._board.add_scalar(name, row[name], row["step"])
            except Exception as error:
                self._lose_board(error)

    def _tick(self) -> None:
        now = time.monotonic()
        self.seconds += now - self._since
        self._since = now


CONFIG: dict[str, type] = {"budget": str, "budget_limit": int, "architecture": dict, "training": dict}
CONFIG |= {"command": str, "data": str}
"""What a later process reads of config.json."""


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a run; a `UserError` where there is none, or another file of that name."""
    path = folder / "config.json"
    if not folder.is_dir() or not path.exists():
        raise UserError(
            f"no run in {folder}: {path} is missing; the runs here are: {', '.join(list_runs(folder.parent))}"
        )
    config = read_json(path, "start the run anew")
    for key, kind in CONFIG.items():
        if type(config.get(key)) is not kind:
            raise UserError(f"{path} has no {key} of a run; start the run anew")
    split_command(config["command"])
    return config


def _rows_until(step: int, rows: list[bytes], commas: int) -> list[bytes]:
    """The whole rows of a log up to a step: a full disk leaves half of one."""
    whole = [row for row in rows if row.count(b",") == commas and row.endswith(b"\n")]
    numbers = [row.partition(b",")[0] for row in whole]
    return [row for row, at in zip(whole, numbers, strict=True) if at.isdigit() and len(at) < 19 and int(at) <= step]


def list_runs(root: Path) -> list[str]:
    return sorted(path.parent.name for path in root.glob("*/config.json")) or ["none"]


def git_revision() -> str | None:
    """Short hash of the checkout's commit, with `+` where files differ from it; None outside git."""
    try:
        ask = partial(
            subprocess.check_output, cwd=Path(__file__).parent, encoding="utf-8", stderr=subprocess.DEVNULL, timeout=9
        )
        revision, changes = ask(["git", "rev-parse", "--short", "HEAD"]), ask(["git", "status", "--porcelain", "-uno"])
    except Exception:  # no git, no checkout: nothing to say
        return None
    return revision.strip() + ("+" if changes.strip() else "")


def command_line() -> str:
    """The command as it was typed."""
    return shlex.join(["python", Path(sys.argv[0]).name, *sys.argv[1:]])


def essential(command: str) -> str:
    """A training command without the options that say only where files go: it trains the same weights."""
    words, kept = iter(split_command(command)), []
    for word in words:
        if word in ("--name", "--runs", "--workers"):
            next(words, None)
        elif word != "--no-install" and not word.startswith(("--name=", "--runs=", "--workers=")):
            kept.append(word)
    return shlex.join(kept)


def split_command(command: str) -> list[str]:
    """The words of a stored command; a `UserError` where it cannot have been one."""
    try:
        return shlex.split(command)
    except ValueError as error:
        raise UserError(f"the stored training command {command!r} is none ({error}); train it again") from None
