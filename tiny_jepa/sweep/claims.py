"""Claims: who does a job. A claim is a file that is created exclusively and touched by its holder every `BEAT` seconds.
A job's claims are numbered: who takes over from a silent holder creates the next, which one only can do. Neither locks
are asked for, nor more of the machines' clocks than that they agree within a minute."""

import glob
import os
import platform
import time
from pathlib import Path

from tiny_jepa.errors import UserError
from tiny_jepa.files import cannot_write, read_text

BEAT = 10.0  # seconds between a holder's signs of life
STALE = 120.0  # seconds of silence after which a holder counts as dead


def claims(job: Path) -> list[Path]:
    """The claims of a job, which is given by what their names begin with; the last one counts."""
    found = [path for path in job.parent.glob(f"{glob.escape(job.name)}.claim*") if path.suffix[6:].isdecimal()]
    return sorted(found, key=lambda path: int(path.suffix[6:]))


def holder(job: Path) -> tuple[float, str] | None:
    """For how many minutes somebody alive has held a job, and who; None where nobody does."""
    now = time.time()
    try:
        claim = claims(job)[-1]
        if abs(now - claim.stat().st_mtime) >= STALE:
            return None
        since, _, who = read_text(claim, "").partition(" ")
        return (now - float(since)) / 60, who
    except (IndexError, FileNotFoundError):
        return None
    except (UserError, ValueError):  # half written, or by another hand
        return 0.0, "an unknown machine"


def take(job: Path) -> Path | None:
    """Claims a job -> the claim; None where another process holds it, or was faster."""
    before = claims(job)
    if holder(job):
        return None
    claim = job.with_name(f"{job.name}.claim{int(before[-1].suffix[6:]) + 1 if before else 1}")
    slurm = f", SLURM job {os.environ['SLURM_JOB_ID']}" if "SLURM_JOB_ID" in os.environ else ""
    try:
        claim.parent.mkdir(parents=True, exist_ok=True)
        with claim.open("x", encoding="utf-8") as file:
            file.write(f"{time.time()} {platform.node()}, process {os.getpid()}{slurm}")
    except FileExistsError:
        return None
    except OSError as error:
        raise cannot_write(claim, error) from None
    return claim


def beat(claim: Path) -> bool:
    """Shows a sign of life; False where another process has taken the job over."""
    last = claims(claim.with_suffix(""))[-1:] == [claim]
    if last:
        os.utime(claim)
    return last


def release(claim: Path) -> None:
    """Gives a job back, with the claims that were taken over."""
    for each in claims(claim.with_suffix("")):
        if int(each.suffix[6:]) <= int(claim.suffix[6:]):
            each.unlink(missing_ok=True)
