"""`python -m tiny_jepa submit`: the course's zip, refused where a rule is broken and proven to run."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from tiny_jepa.course.proof import prove
from tiny_jepa.course.submission import TOP, check, write_zip
from tiny_jepa.files import write_atomically
from tiny_jepa.options import parse, settings


@settings
class Options:
    team: str  # the team's name
    netids: tuple[str, ...] = ()  # its members' NetIDs
    out: Path = Path(f"{TOP}.zip")  # where the zip goes
    root: Path = Path()  # the project's root
    data: str | None = None  # the data to grade on, as main.py takes it; what main.py finds unless given
    allow_generated: bool = False  # accept weights not trained on the course's data
    python: str = getattr(sys, "_base_executable", sys.executable)  # interpreter that makes the virtual environment
    no_install: bool = False  # prove with this interpreter, without a new environment


def main(argv: list[str]) -> None:
    args = parse(Options, argv, "python -m tiny_jepa submit", __doc__ or "")
    check(args.root, args.team, args.netids, args.allow_generated)
    print("weights, metrics.txt, budget and rules agree; now the proof", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / f"{TOP}.zip"
        write_zip(args.root, args.team, args.netids, archive)
        found = shutil.which(sys.executable if args.no_install else args.python)  # it is started in another folder
        python = os.path.abspath(found) if found else args.python
        for line in prove(archive, python, not args.no_install, args.data, args.root / "requirements.txt"):
            print(f"- {line}", flush=True)
        content = archive.read_bytes()
    write_atomically(args.out, lambda temporary: temporary.write_bytes(content))
    print(f"wrote {args.out} ({len(content) / 1e6:.2f} MB)")
