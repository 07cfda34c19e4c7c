"""Claims: who does a job. A claim is a file that is created exclusively and touched by its holder every `BEAT` seconds;
one that nobody touches any more is taken over. The machines' clocks have to agree within a minute."""

import os
import platform
import time
from pathlib import Path

from tiny_jepa.errors import UserError
from tiny_jepa.files import cannot_write, read_text

BEAT = 10.0  # seconds between a holder's signs of life
STALE = 120.0  # seconds of silence after which a holder counts as dead


def take(claim: Path) -> str | None:
    """Claims a job -> what the claim says; None where another process holds it, or was faster."""
    slurm = f", SLURM job {os.environ['SLURM_JOB_ID']}" if "SLURM_JOB_ID" in os.environ else ""
    says = f"{time.time()} {platform.node()}, process {os.getpid()}{slurm}"
    try:
        claim.parent.mkdir(parents=True, exist_ok=True)
        if is_stale(claim):
            dead = claim.with_name(f"{claim.name}.{platform.node()}.{os.getpid()}")
            claim.rename(dead)  # which one only can do
            if not is_stale(dead):  # another had taken it over meanwhile
                dead.rename(claim)
                return None
            dead.unlink()
        with claim.open("x", encoding="utf-8") as file:
            file.write(says)
        return says
    except (FileExistsError, FileNotFoundError):
        return None
    except OSError as error:
        raise cannot_write(claim, error) from None


def is_stale(claim: Path) -> bool:
    """Whether a claim's holder is silent; False where there is no claim."""
    try:
        return abs(time.time() - claim.stat().st_mtime) >= STALE
    except FileNotFoundError:
        return False


def beat(claim: Path, says: str) -> bool:
    """Shows a sign of life; False where another process has taken the claim over."""
    try:
        if claim.read_text(encoding="utf-8") == says:
            os.utime(claim)
            return True
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    return False


def holder(claim: Path) -> tuple[float, str] | None:
    """For how many minutes somebody alive has held a claim, and who; None where nobody does."""
    if not claim.is_file() or is_stale(claim):
        return None
    try:
        since, _, who = read_text(claim, "").partition(" ")
        return (time.time() - float(since)) / 60, who
    except (UserError, ValueError):  # half written, or by another hand
        return 0.0, "an unknown machine"
