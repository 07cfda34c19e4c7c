"""What a sweep's files say of its jobs: done, running, failed, and the minutes left."""

import statistics
import time
from collections.abc import Sequence

from tiny_jepa.probing.results import read_result
from tiny_jepa.sweep.jobs import Job, last_line, latest_claim, read_claim


def status(jobs: Sequence[Job]) -> str:
    """A line of counts, then one for each job that runs or failed."""
    done = [job for job in jobs if job.done()]
    failed = [job for job in jobs if job.failed()]
    held = {job: holder for job in jobs if job.ready() and (holder := read_claim(latest_claim(job)))}
    counts = f"{len(done)} of {len(jobs)} jobs done, {len(held)} running, {len(failed)} failed"
    lines = []
    for job, holder in held.items():
        slurm = f", SLURM job {holder['slurm']}" if holder["slurm"] else ""
        since = (time.time() - holder["since"]) / 60
        lines.append(f"running  {job}: {since:.1f} minutes on {holder['host']}, process {holder['pid']}{slurm}")
    for job in failed:
        why = f"{last_line(job.failure)} ({job.log})" if job.failure.is_file() else "its training failed"
        lines.append(f"failed   {job}: {why}")
    open_jobs = [job for job in jobs if job not in done and job not in failed]
    elapsed = {job: (time.time() - holder["since"]) / 60 for job, holder in held.items()}
    return "\n".join([counts + minutes_left(jobs, open_jobs, elapsed), *lines])


def minutes_left(jobs: Sequence[Job], open_jobs: Sequence[Job], elapsed: dict[Job, float]) -> str:
    """By what jobs of the same row took, else all of the same kind; `elapsed` of those that run, in minutes."""
    if not open_jobs:
        return ""
    took: dict[tuple[str, ...], list[float]] = {}
    for job in jobs:
        if job.kind == "score" and (path := job.grid.result(job.row, job.seed)).is_file():
            result = read_result(path)
            for kind, row, minutes in (
                ("train", job.grid.source(job.row).name, result.minutes),
                ("score", job.row.name, result.score_minutes),
            ):
                if minutes is not None:
                    took.setdefault((kind, row), []).append(minutes)
                    took.setdefault((kind,), []).append(minutes)
    left = 0.0
    for job in open_jobs:
        seen = took.get((job.kind, job.row.name)) or took.get((job.kind,))
        if not seen:
            return "; minutes left are unknown until a job of each kind is done"
        left += max(0.0, statistics.fmean(seen) - elapsed.get(job, 0.0))
    return f"; about {left / max(1, len(elapsed)):.0f} minutes left, {max(1, len(elapsed))} at a time"
