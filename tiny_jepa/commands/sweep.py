"""`python -m tiny_jepa sweep FILE.ini`: trains and scores all that a grid asks for, and writes its table."""

import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from tiny_jepa.course import SETS
from tiny_jepa.errors import UserError
from tiny_jepa.files import read_text, require_name, write_text
from tiny_jepa.options import parse, settings, within
from tiny_jepa.probing.results import read_result
from tiny_jepa.sweep import POLL, Job, Row, do, read_grid, work
from tiny_jepa.tables import markdown, mean, number, replaced, size


@settings
class Options:
    file: tyro.conf.Positional[Path]  # the grid: an .ini file, a section a row
    launcher: Literal["local", "slurm"] = "local"  # where runs go: this machine, or a SLURM cluster
    jobs: Annotated[int, within(1, 10_000)] = 1  # runs at a time
    status: bool = False  # only say what is done, running, failed and left
    retry: bool = False  # try again what failed
    name: str | None = None  # of the folders in results/ and runs/; the file's name unless given
    common: str = ""  # --common="...": options of train.py that every row takes after its own; needs --name
    world: str | None = None  # of every row, as train.py takes it; needs --name
    partition: str | None = None  # SLURM: partition; the cluster's default unless given
    time: Annotated[int, within(1, 10**7)] = 60  # SLURM: limit of a job in minutes; it goes on in a requeued one
    cpus: Annotated[int, within(1, 1_000)] = 2  # SLURM: cores of a job
    gpus: Annotated[int, within(0, 64)] = 0  # SLURM: GPUs of a job


def main(argv: list[str]) -> None:
    args = parse(Options, argv, "python -m tiny_jepa sweep", "Trains and scores a grid, and writes its table.")
    if not Path("train.py").is_file():
        raise UserError("run this in the project's root, where train.py is")
    if (args.common or args.world) and not args.name:
        raise UserError("--common and --world make other runs of the rows; give their results another --name")
    grid = read_grid(args.file, args.name, args.common, args.world)
    require_name(grid[0].grid, "--name takes the name of a folder in results/")
    jobs = [Job(row, seed, grid) for row in grid if row.of == row.name for seed in row.seeds]
    if args.status:
        print(status(jobs))
        return
    if args.retry:
        for job in jobs:
            job.failure.unlink(missing_ok=True)
    advice, page = "make it, or leave `page` out of the grid", None if args.name else grid[0].page
    if page:
        replaced(read_text(page, advice), "", page, grid[0].grid)  # says now what would stop it after the work
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill is a Ctrl-C
    if args.launcher == "local":
        work(jobs, args.jobs)
    elif left := [job for job in jobs if job.left()]:
        submit(left, args)
    if page:
        write_text(page, replaced(read_text(page, advice), f"{table(grid, jobs)}\n", page, grid[0].grid))
        print(f"wrote the table of {page}")
    else:
        print(table(grid, jobs))
    if not all(job.done() for job in jobs):
        print(status(jobs))
        raise UserError("not every job is done; the same command goes on, with --retry it tries again what failed")


def submit(jobs: Sequence[Job], args: Options) -> None:
    """Submits one job array and waits until it has left the queue; a `UserError` where there is no SLURM, or one that
    refuses the array."""
    from submitit import SlurmExecutor
    from submitit.helpers import Checkpointable

    class Element(Checkpointable):
        """Goes back into the queue when its time is up; `do` then ends the run, which saves its checkpoint."""

        __call__ = staticmethod(do)

    name = jobs[0].row.grid
    logs = Path("runs", name, "slurm").resolve()
    asked = {"time": args.time, "partition": args.partition, "cpus_per_task": args.cpus, "array_parallelism": args.jobs}
    more = {"gpus_per_node": args.gpus or None, "additional_parameters": {"requeue": True}}
    try:
        executor = SlurmExecutor(folder=logs, max_num_timeout=10_000)
        executor.update_parameters(job_name=f"sweep-{name}", **asked, **more)
        array = executor.map_array(Element(), jobs)[0].job_id.partition("_")[0]
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        raise UserError(f"SLURM takes no jobs here: {error}") from None
    print(f"submitted job array {array} of {len(jobs)}; logs in {logs}; stopping this command leaves it alone")
    words = ["squeue", "--noheader", "--jobs", array]
    while (queue := subprocess.run(words, capture_output=True, text=True, check=False)).stdout.strip() or (
        queue.returncode != 0 and "Invalid job id" not in queue.stderr
    ):
        time.sleep(10 * POLL)


def status(jobs: Sequence[Job]) -> str:
    """A line of counts, then one for each job that runs or failed."""
    left = [job for job in jobs if job.left()]
    running = [f"running  {job} ({job.log})" for job in left if job.lock.exists() and job.held()]
    failed = [job for job in jobs if not (job.left() or job.done())]
    counts = f"{len(jobs) - len(left) - len(failed)} of {len(jobs)} jobs done, {len(running)} running"
    said = [f"failed   {job}: {read_text(job.failure, '').strip()} ({job.log})" for job in failed]
    return "\n".join([f"{counts}, {len(failed)} failed", *running, *said])


def table(grid: Sequence[Row], jobs: Sequence[Job]) -> str:
    """Markdown, a row each of the grid: mean ± standard deviation over the training seeds, px², by one prober each; a
    run that train.py stopped is counted so."""
    lines = []
    for row in grid:
        results = [read_result(path) for seed in row.seeds if (path := row.result(seed)).is_file()]
        ended = sum(job.row.name == row.of and job.seed in row.seeds and job.stopped.is_file() for job in jobs)
        if results or ended:
            count = f"{len(results)}" + (f" ({ended} stopped)" if ended else "")
            minutes = [result.minutes for result in results if result.minutes is not None]
            losses = [[loss for result in results if (loss := result.mean(name)) is not None] for name in SETS]
            cells = [size(results[0].parameters if results else None), count, number(max(minutes, default=None))]
            lines.append([row.name, row.factor, *cells, *map(mean, losses)])
    return markdown(["row", "what differs", "parameters", "seeds", "minutes", *SETS], lines)
