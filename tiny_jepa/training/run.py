"""A run's folder: configuration, log, checkpoints, weights."""

import csv
import json
import os
import shlex
import subprocess
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tiny_jepa.budgets import Budget
from tiny_jepa.device import machine
from tiny_jepa.errors import UserError
from tiny_jepa.files import write_atomically, write_text
from tiny_jepa.training.trainer import Trainer

FORMAT = 3  # of checkpoints
CHECKPOINT_SECONDS = float(os.environ.get("TINY_JEPA_CHECKPOINT_SECONDS", "60"))


class Run:
    """`runs/NAME/`: config.json, log.csv (and tensorboard/), checkpoint.pth and, at the end, weights.pth."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkpoint = folder / "checkpoint.pth"
        self.weights = folder / "weights.pth"
        self.seconds = 0.0  # of training, over all its processes
        self.saved_step = 0
        self._since = self._saved = time.monotonic()
        self._board: Any = None

    def describe(self, budget: Budget, command: str, data: str, parameters: int, device: torch.device) -> None:
        """Writes config.json: the resolved configuration and all that names this run."""
        content = {
            "budget": budget.name,
            "budget_limit": budget.limit,
            "parameters": parameters,
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
        except ImportError:
            return
        self._board = SummaryWriter(str(self.folder / "tensorboard"), purge_step=step + 1)

    def save(self, trainer: Trainer) -> None:
        """Writes the checkpoint."""
        self._tick()
        state = trainer.state() | {"seconds": self.seconds, "format": FORMAT}
        write_atomically(self.checkpoint, lambda path: torch.save(state, path))
        self._saved, self.saved_step = time.monotonic(), trainer.step

    def save_sometimes(self, trainer: Trainer) -> None:
        if time.monotonic() - self._saved > CHECKPOINT_SECONDS:
            self.save(trainer)

    def restore(self, trainer: Trainer) -> None:
        """Goes back to the checkpoint, and cuts the log there."""
        if not self.checkpoint.is_file():
            raise UserError(f"nothing to resume: {self.checkpoint} is missing; start the run without --resume")
        state = torch.load(self.checkpoint, map_location=trainer.device, weights_only=True)
        if state.get("format") != FORMAT:
            raise UserError(f"{self.checkpoint} was written by another version of tiny_jepa; start the run anew")
        trainer.load_state(state)
        self.seconds, self.saved_step = state["seconds"], trainer.step
        log = self.folder / "log.csv"
        if log.is_file():
            head, *rows = log.read_bytes().splitlines(keepends=True) or [b""]
            steps = [row.partition(b",")[0] for row in rows]
            kept = [row for row, at in zip(rows, steps, strict=True) if at.isdigit() and int(at) <= trainer.step]
            write_atomically(log, lambda path: path.write_bytes(b"".join([head, *kept])))

    def log(self, row: dict[str, Any]) -> None:
        """Appends a row to log.csv; every row has the columns of the first."""
        path = self.folder / "log.csv"
        first = ["step", "phase", "seconds", "lr", "loss"]
        columns = [*first, *(name for name in row if name not in first)]
        self._tick()
        row = {**row, "seconds": round(self.seconds, 2)}
        with path.open("a", newline="") as file:
            writer = csv.writer(file)
            if file.tell() == 0:
                writer.writerow(columns)
            writer.writerow([row[name] for name in columns])
        if self._board is not None:
            for name in columns:
                if name not in ("step", "phase"):
                    self._board.add_scalar(name, row[name], row["step"])

    def _tick(self) -> None:
        now = time.monotonic()
        self.seconds += now - self._since
        self._since = now


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a run; a `UserError` where there is none."""
    path = folder / "config.json"
    if not path.is_file():
        raise UserError(
            f"no run in {folder}: {path} is missing; the runs here are: {', '.join(list_runs(folder.parent))}"
        )
    return json.loads(path.read_text())


def list_runs(root: Path) -> list[str]:
    return sorted(path.parent.name for path in root.glob("*/config.json")) or ["none"]


def free_name(root: Path, name: str) -> str:
    """`name`, or `name-2`, `name-3`... where that is taken."""
    candidates = [name, *(f"{name}-{i}" for i in range(2, 1000))]
    return next(candidate for candidate in candidates if not (root / candidate).exists())


def git_revision() -> str | None:
    """Short hash of the checkout's commit, with `+` where files differ from it; None outside git."""
    try:
        ask = partial(subprocess.check_output, cwd=Path(__file__).parent, text=True, stderr=subprocess.DEVNULL)
        revision, changes = ask(["git", "rev-parse", "--short", "HEAD"]), ask(["git", "status", "--porcelain", "-uno"])
    except (OSError, subprocess.SubprocessError):
        return None
    return revision.strip() + ("+" if changes.strip() else "")


def command_line() -> str:
    """The command as it was typed."""
    return shlex.join(["python", Path(sys.argv[0]).name, *sys.argv[1:]])


def essential(command: str) -> str:
    """A training command without the options that say only where files go: it trains the same weights."""
    words, kept = iter(shlex.split(command)), []
    for word in words:
        if word in ("--name", "--runs", "--workers"):
            next(words, None)
        elif word != "--no-install" and not word.startswith(("--name=", "--runs=", "--workers=")):
            kept.append(word)
    return shlex.join(kept)
