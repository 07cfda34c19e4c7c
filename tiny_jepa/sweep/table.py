"""What a sweep's files say: how far its jobs are, and the table of results."""

import statistics
from collections.abc import Sequence

from tiny_jepa.course import SETS
from tiny_jepa.probing.results import read_result
from tiny_jepa.sweep.claims import holder
from tiny_jepa.sweep.grid import Row
from tiny_jepa.sweep.jobs import Job, jobs_of, last_line
from tiny_jepa.tables import markdown, number, size


def status(jobs: Sequence[Job]) -> str:
    """A line of counts and the minutes left, then one for each job that runs or failed."""
    left, elapsed, lines = [job for job in jobs if job.left()], {}, []
    for job in left:
        if held := holder(job.state):
            elapsed[job], who = held
            lines.append(f"running  {job}: {elapsed[job]:.1f} minutes on {who}")
    failed = [f"failed   {job}: {last_line(job.failure)} ({job.log})" for job in jobs if not (job.left() or job.done())]
    counts = f"{len(jobs) - len(left) - len(failed)} of {len(jobs)} jobs done, {len(elapsed)} running"
    took = {job: minutes for job in jobs if job.done() and (minutes := minutes_of(job)) is not None}
    times = "minutes left are unknown until a job is done"
    if took:
        like = {job: [m for other, m in took.items() if other.row == job.row] or [*took.values()] for job in left}
        open_minutes = sum(max(0.0, statistics.fmean(like[job]) - elapsed.get(job, 0.0)) for job in left)
        at_once = max(1, len(elapsed))
        times = f"about {open_minutes / at_once:.0f} minutes left, {at_once} at a time"
    return "\n".join([f"{counts}, {len(failed)} failed; {times}", *lines, *failed])


def minutes_of(job: Job) -> float | None:
    """That a done job took, training and all scoring; None where that is not known."""
    results = [read_result(result) for result in job.results if result.is_file()]
    minutes = [result.score_minutes for result in results if result.score_minutes is not None]
    return sum(minutes, results[0].minutes or 0.0) if results and len(minutes) == len(results) else None


def table(grid: Sequence[Row]) -> str:
    """Markdown, a row each of the grid: mean ± standard deviation over the training seeds, px², by one prober each; a
    run that train.py stopped is counted so."""
    stopped = {(job.row.name, job.seed) for job in jobs_of(grid) if job.stopped.is_file()}
    lines = []
    for row in grid:
        results = [read_result(path) for seed in row.seeds if (path := row.result(seed)).is_file()]
        ended = sum((row.of, seed) in stopped for seed in row.seeds)
        if results or ended:
            count = f"{len(results)}" + (f" ({ended} stopped)" if ended else "")
            minutes = [result.minutes for result in results if result.minutes is not None]
            losses = [[mean for result in results if (mean := result.mean(name)) is not None] for name in SETS]
            shown = [number(statistics.fmean(each), spread(each)) if each else "–" for each in losses]
            parameters = size(results[0].parameters if results else None)
            lines.append([row.name, row.factor, parameters, count, number(max(minutes, default=None)), *shown])
    return markdown(["row", "what differs", "parameters", "seeds", "minutes", *SETS], lines)


def spread(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None
