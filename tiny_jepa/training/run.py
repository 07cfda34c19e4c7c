"""A run's folder: configuration, log and its picture, checkpoints, weights."""

import csv
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Literal

import torch

from tiny_jepa.errors import UserError
from tiny_jepa.files import cannot_write, locked, read_json, require_file, require_writable, write_atomically
from tiny_jepa.options import Count, read, settings
from tiny_jepa.plotting import MISSED, OURS, THEIRS, TRUE, pyplot, save
from tiny_jepa.settings import Architecture, TrainingConfig
from tiny_jepa.training.train import Trainer
from tiny_jepa.weights import numbers, read_archive

FORMAT = 6  # of checkpoints
CHECKPOINT_SECONDS = 60.0


@settings
class RunConfig:
    """config.json: what a run trains, on what data, by which command; and the machine that began it. The metadata of
    its weights begin with the same."""

    budget: str
    budget_limit: Count
    parameters: Count
    world: str
    architecture: Architecture
    training: TrainingConfig
    command: str  # that trains the same weights
    data: str
    data_kind: Literal["folder", "procedural"]
    sets_version: int | None
    machine: dict[str, str | int]


def read_config(folder: Path) -> RunConfig:
    """config.json of a run; a `UserError` where there is none, or another file of that name."""
    path = folder / "config.json"
    others = sorted(other.parent.name for other in folder.parent.glob("*/config.json") if other != path)
    advice = f"start the run anew; other runs here: {', '.join(others) or 'none'}"
    return read(RunConfig, read_json(path, advice), f"{path} is of no run that can go on")


class Run(ExitStack):
    """`runs/NAME/`: config.json, log.csv, checkpoint.pth and, at the end, weights.pth. Until this context ends, no
    other process can train there; a `UserError` where another one does."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self.checkpoint, self.weights = folder, folder / "checkpoint.pth", folder / "weights.pth"
        self.saved_step = 0
        self._before, self._began = 0, time.monotonic()  # seconds of earlier processes; when this one began
        self._saved = self._began
        self.enter_context(locked(folder / ".lock", f"another process trains in {folder}; wait until it ends"))
        require_writable(folder / "log.csv")

    @classmethod
    def new(cls, root: Path, name: str) -> "Run":
        """A run in a folder of its own: `name`, or `name-2`, `name-3`... where that is taken."""
        for folder in (root / free for free in (name, *(f"{name}-{i}" for i in range(2, 10_000)))):
            try:
                folder.mkdir(parents=True)
                return cls(folder)
            except FileExistsError:
                continue
            except OSError as error:
                raise cannot_write(folder, error) from None
        raise UserError(f"cannot write {root / name}: no free name is left there; give another --name or --runs")

    @property
    def seconds(self) -> float:
        """Of training, over all its processes."""
        return self._before + time.monotonic() - self._began

    def save(self, trainer: Trainer, now: bool = True) -> None:
        """Writes the checkpoint that `restore` goes back to; if not `now`, only where the last one is old."""
        if not now and time.monotonic() - self._saved <= CHECKPOINT_SECONDS:
            return
        if not self.folder.is_dir():  # writing would make it anew, without its configuration
            raise UserError(f"the run's folder {self.folder} is gone; start the run anew")
        state = trainer.state() | {"seconds": round(self.seconds), "format": FORMAT}
        write_atomically(self.checkpoint, lambda path: torch.save(state, path))
        self._saved, self.saved_step = time.monotonic(), trainer.step

    def restore(self, trainer: Trainer) -> None:
        """Goes back to the checkpoint, and cuts the log there; a `UserError` where there is none of this run."""
        path, log = self.checkpoint, self.folder / "log.csv"
        require_file(path, f"the run is finished if there is {self.weights}; if not, start it anew, without --resume")
        state = read_archive(path, "checkpoint", trainer.device)
        try:
            if state["format"] != FORMAT:
                raise ValueError("it was written by another version of tiny_jepa")
            trainer.load_state(state)
            for value in trainer.model.state_dict().values():
                numbers(value.cpu())
            self._before, self.saved_step = int(state["seconds"]), trainer.step
        except Exception as error:  # load_state takes all that it is given apart
            reason = " ".join(str(error).split())[:100]
            raise UserError(f"{path} is no checkpoint of this run ({reason}); start the run anew") from None
        if log.is_file():
            kept = rows_until(trainer.step, log.read_bytes())
            write_atomically(log, lambda path: path.write_bytes(kept))

    def log(self, step: int, phase: str, **figures: float) -> None:
        row = {"step": step, "phase": phase, "seconds": round(self.seconds, 2), **figures}
        path = self.folder / "log.csv"
        try:
            with path.open("a", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, row)
                if file.tell() == 0:
                    writer.writeheader()
                writer.writerow(row)
        except OSError as error:
            raise cannot_write(path, error) from None


def rows_until(step: int, log: bytes) -> bytes:
    """A log's head and its whole rows up to a step: a full disk leaves half of one."""
    head, *rows = log[: log.rfind(b"\n") + 1].splitlines(keepends=True) or [b""]
    numbers = [row.partition(b",")[0] if row.count(b",") == head.count(b",") else b"" for row in rows]
    kept = [row for row, at in zip(rows, numbers, strict=True) if at.isdigit() and len(at) < 19 and int(at) <= step]
    return head + b"".join(kept)


CURVES = {
    "one-step error in code space, px²": {"still": MISSED, "reckoned": TRUE, "one_step": OURS},
    "loss and learning rate": {"loss": OURS, "lr": THEIRS},
    "standard deviation of the codes, code units": {"std_x": OURS, "std_y": TRUE},
}
"""Titles, and the columns of log.csv beneath them."""


def draw_run(folder: Path) -> Path:
    """log.csv -> run.png beside it; a `UserError` where matplotlib is not installed."""
    with (folder / "log.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    steps = [int(row["step"]) for row in rows]
    starts = [int(row["step"]) for earlier, row in pairwise(rows) if row["phase"] != earlier["phase"]]
    figure, axes = pyplot().subplots(1, len(CURVES), figsize=(13, 3.8), layout="constrained")
    for axis, (title, curves) in zip(axes, CURVES.items(), strict=True):
        for name, colour in curves.items():
            axis.plot(steps, [float(row[name]) for row in rows], color=colour, label=name, lw=1)
        for start in starts:
            axis.axvline(start, color="black", lw=0.8, ls=":")
        axis.set(title=title, xlabel="step", yscale="log")
        axis.legend(fontsize=8)
    axes[-1].set(yscale="linear", ylim=(0, None))
    minutes = float(rows[-1]["seconds"]) / 60
    figure.suptitle(f"{folder.name}: {steps[-1]:,} steps in {minutes:.1f} minutes; dotted: phases begin")
    return save(figure, folder / "run.png")
