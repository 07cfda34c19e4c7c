"""`python -m tiny_jepa submit`: the course's zip, refused where a rule is broken and proven to run."""

from pathlib import Path

from tiny_jepa.course.submission import TOP, check, prove, write_zip
from tiny_jepa.errors import UserError
from tiny_jepa.files import write_atomically
from tiny_jepa.options import parse, settings


@settings
class Options:
    team: str  # the team's name
    netids: tuple[str, ...]  # its members' NetIDs
    out: Path = Path(f"{TOP}.zip")  # where the zip goes
    data: str | None = None  # the data to grade on, as main.py takes it; what main.py finds unless given
    allow_generated: bool = False  # accept weights not trained on the course's data
    no_install: bool = False  # prove with this interpreter, without a new environment


def main(argv: list[str]) -> None:
    args = parse(Options, argv, "python -m tiny_jepa submit", __doc__ or "")
    if args.out.suffix != ".zip":
        raise UserError(f"--out takes a name that ends in .zip, not '{args.out}'")
    check(args.team, args.netids, args.allow_generated)
    print("weights, metrics.txt, budget and rules agree; now the proof", flush=True)

    def write(archive: Path) -> None:
        write_zip(args.team, args.netids, archive)
        prove(archive, not args.no_install, args.data)

    write_atomically(args.out, write)
    print(f"wrote {args.out} ({args.out.stat().st_size / 1e6:.2f} MB)")
