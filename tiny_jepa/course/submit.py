"""`python -m tiny_jepa submit`: the course's zip, refused where a rule is broken and proven to run."""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tiny_jepa.course.proof import default_python, prove
from tiny_jepa.course.submission import TOP, check, write_zip
from tiny_jepa.files import write_atomically


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tiny_jepa submit", description=__doc__)
    option = parser.add_argument
    option("--team", required=True, help="the team's name")
    option("--netids", nargs="+", default=[], metavar="NETID", help="its members' NetIDs")
    option("--out", type=Path, default=Path(f"{TOP}.zip"), help="where the zip goes")
    option("--root", type=Path, default=Path(), help="the project's root")
    option("--data", help="the data to grade on, as main.py takes it (default: what main.py finds)")
    option("--allow-generated", action="store_true", help="accept weights not trained on the course's data")
    option("--python", default=default_python(), help="interpreter that makes the virtual environment")
    option("--no-install", action="store_true", help="prove with this interpreter, without a new environment")
    args = parser.parse_args(argv)
    data = []
    if args.data:
        data = ["--data", str(Path(args.data).resolve()) if Path(args.data).is_dir() else args.data]
    check(args.root, args.team, args.netids, args.allow_generated)
    print("weights, metrics.txt, budget and rules agree; now the proof", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / f"{TOP}.zip"
        write_zip(args.root, args.team, args.netids, archive)
        found = shutil.which(sys.executable if args.no_install else args.python)  # it is started in another folder
        python = os.path.abspath(found) if found else args.python
        for line in prove(archive, python, not args.no_install, data, args.root / "requirements.txt"):
            print(f"- {line}")
        content = archive.read_bytes()
    write_atomically(args.out, lambda temporary: temporary.write_bytes(content))
    print(f"wrote {args.out} ({len(content) / 1e6:.2f} MB)")
