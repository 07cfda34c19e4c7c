"""`python -m tiny_jepa sweep FILE.ini`: trains and scores all that a grid asks for, and writes its table."""

import re
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from tiny_jepa.errors import UserError
from tiny_jepa.files import read_text, require_name, write_text
from tiny_jepa.options import parse, settings, within
from tiny_jepa.sweep.grid import Row, read_grid
from tiny_jepa.sweep.jobs import jobs_of
from tiny_jepa.sweep.launchers import submit, work
from tiny_jepa.sweep.table import status, table
from tiny_jepa.tables import replaced


@settings
class Options:
    """What is swept, and where it runs."""

    file: tyro.conf.Positional[Path]  # the grid: an .ini file, a section a row
    launcher: Literal["local", "slurm"] = "local"  # where runs go: this machine, or a SLURM cluster
    jobs: Annotated[int, within(1, 10_000)] = 1  # runs at a time
    status: bool = False  # only say what is done, running, failed and left
    retry: bool = False  # try again what failed
    name: str | None = None  # of the folders in results/ and runs/; the file's name unless given
    common: str = ""  # --common="...": options of train.py that every row takes after its own; needs --name
    partition: str | None = None  # SLURM: partition; the cluster's default unless given
    time: str = "01:00:00"  # SLURM: limit of a job, [days-]hours:minutes:seconds; it goes on in a requeued one
    cpus: Annotated[int, within(1, 1_000)] = 2  # SLURM: cores of a job
    gpus: Annotated[int, within(0, 64)] = 0  # SLURM: GPUs of a job


def main(argv: list[str]) -> None:
    args = parse(Options, argv, "python -m tiny_jepa sweep", "Trains and scores a grid, and writes its table.")
    if not Path("train.py").is_file():
        raise UserError("run this in the project's root, where train.py is")
    if args.common and not args.name:
        raise UserError("--common makes other runs of the rows; give their results another --name")
    if args.name:
        require_name(args.name, "--name takes the name of a folder in results/")
    grid, minutes = read_grid(args.file, args.name, args.common), minutes_of(args.time)
    jobs = jobs_of(grid)
    if args.status:
        print(status(jobs))
        return
    if args.retry:
        for job in jobs:
            job.failure.unlink(missing_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill is a Ctrl-C
    if args.launcher == "local":
        work(jobs, args.jobs)
    else:
        submit(jobs, args.jobs, minutes, args.partition, args.cpus, args.gpus)
    show_table(grid, None if args.name else grid[0].page)
    if not all(job.done() for job in jobs):
        print(status(jobs))
        raise UserError("not every job is done; the same command goes on, with --retry it tries again what failed")


def show_table(grid: Sequence[Row], page: Path | None) -> None:
    """Writes the table into its page, or prints it where there is none."""
    if page is None:
        print(table(grid))
        return
    text = read_text(page, "make it, or leave `page` out of the grid")
    write_text(page, replaced(text, table(grid) + "\n", page, grid[0].grid))
    print(f"wrote the table of {page}")


def minutes_of(time: str) -> int:
    """ "1-02:00:30" -> minutes, rounded up."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)", time)
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0, 0)
    if not 0 < (total := (days * 24 + hours) * 60 + minutes + (seconds > 0)) < 10**7:
        raise UserError(f"--time must be [days-]hours:minutes:seconds such as 01:00:00, not '{time}'")
    return total
