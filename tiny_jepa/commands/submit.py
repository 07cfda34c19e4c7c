"""`python -m tiny_jepa submit`: the course's zip, refused where a rule is broken and proven to run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from tiny_jepa.budgets import parse_count
from tiny_jepa.course import COURSE_SETS, METRICS, differences, read_metrics
from tiny_jepa.data.source import ENVIRONMENT
from tiny_jepa.errors import UserError
from tiny_jepa.files import write_atomically
from tiny_jepa.models import count_parameters
from tiny_jepa.options import named, parse, settings
from tiny_jepa.weights import ROOT_WEIGHTS, read_weights

TOP = "DL_Final_Proj"  # the folder that the zip unpacks to
FILES = ("model_weights.pth", "requirements.txt", "metrics.txt")
REQUIRED = ("main.py", "evaluator.py", "train.py", "count_params.py", "tiny_jepa/__init__.py", *FILES)
READ = ("README.md", "LICENSE", "results/**/*.md", "docs/**/*.md", "docs/**/*.png")
ALONG = (*READ, "tiny_jepa/**/*.py", "budgets/**/*.ini", "budgets/**/*.py")
PLACEHOLDERS = {"", "team", "team name", "your team", "your team name", "placeholder", "name", "tiny jepa", "todo"}
TRAINING_WAIT = 600.0  # seconds in which training has to show its first steps


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


def require(kept: object, rule: str) -> None:
    if not kept:
        raise UserError(f"refused: {rule}")


def check(team: str, netids: Sequence[str], allow_generated: bool) -> None:
    """Raises a `UserError` for the first rule that is broken: of names and files, then of what the metadata of the
    weights say of training, and where weights, metrics.txt and budget tell different stories."""
    placeholder = re.sub(r"[\W_]+", " ", team).strip().lower() in PLACEHOLDERS
    require(not placeholder, f"the team name '{team}' is a placeholder; give yours with --team \"NAME\"")
    require(team.isprintable(), f"the team name {team!r} has a line break or another sign that does not print")
    for netid in netids:
        valid = re.fullmatch(r"[a-z]{2,4}[0-9]{1,5}", netid) and netids.count(netid) == 1
        require(valid, f"'{netid}' is no NetID (a few small letters, then digits, such as ab1234), or stands twice")
    for name in REQUIRED:
        there = Path(name).is_file() and Path(name).read_bytes().strip()
        require(there, f"{name} is missing or empty; run this in the project's root")

    (model, metadata), metrics = read_weights(ROOT_WEIGHTS), read_metrics(METRICS)
    parameters, command, sets = count_parameters(model), metrics.command, metadata.get("sets_read") or []
    limit, budget = metadata.get("budget_limit"), metadata.get("budget")
    read, data = ", ".join(sets) or "nobody knows what", metadata.get("data", "unknown")
    require(set(sets) == {"train"}, f"training read {read}; the rules allow the train folder and no label")
    rule = f"the weights were trained on {data} data, not on the course's train folder; train with --data FOLDER"
    require(allow_generated or metadata.get("data_kind") == "folder", f"{rule}, or say --allow-generated")
    over = f"the weights hold {parameters:,} parameters, over the limit of {limit} that their budget {budget} sets"
    require(limit is not None and parameters <= limit, over)
    found = differences(metrics, replace(metrics, parameters=parameters, command=metadata.get("command", "")))
    require(not found, f"metrics.txt belongs to other weights: {found}; write it with: python main.py --write-metrics")
    require(metrics.losses["normal"] is not None, "metrics.txt has no probe_normal; measure it where that set is")
    says = f"the training command '{command}'"
    whole = re.fullmatch(r"""python train\.py ([^'"\\]|'[^']*'|"[^"]*")+""", command)
    require(whole, f"{says} is not python train.py and its options")
    elsewhere = named(shlex.split(command)) & {"--resume", "--runs", "--name", "--world", "--no-install"}
    require(not elsewhere, f"{says} says where files go or which code to import; drop that")
    for name in re.findall(r"--budget[ =](\S+)", command)[-1:]:
        require(parse_count(name) == limit, f"{says} names the budget {name}, the weights are of budget {budget}")


def write_zip(team: str, netids: Sequence[str], path: Path) -> None:
    """What is needed to run and to read, under `TOP`. A grader's own versions of packages stay."""
    files = {file for pattern in (*REQUIRED, *ALONG) for file in Path().glob(pattern) if file.is_file()}
    contents = {file.as_posix(): file.read_bytes() for file in sorted(files)}
    uncapped = re.sub(r",?\s*(<=?|==)[^,;\n]+", "", contents["requirements.txt"].decode())
    contents |= {"requirements.txt": uncapped.encode(), "team_name.txt": f"{team}\n{' '.join(netids)}\n".encode()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(f"{TOP}/{name}", content)


def prove(archive: Path, install: bool, data: str | None) -> None:
    """Does what a grader would do with `archive`, by this interpreter or, to `install`, in an environment that it
    makes, of the tested versions, and prints what is seen; a `UserError` where something does not run, or does not give
    what metrics.txt says. `data` is as main.py takes it."""
    with TemporaryDirectory(prefix="submission-") as folder:
        shutil.unpack_archive(archive, folder, "zip")
        top, python, tested = Path(folder, TOP), sys.executable, str(Path("requirements.txt").resolve())
        print(f"- unpacked to {TOP}/: {', '.join(sorted(path.name for path in top.iterdir()))}", flush=True)
        if install:
            run([python, "-m", "venv", "../venv"], top)
            python = str(Path(folder, "venv", "Scripts" if os.name == "nt" else "bin", "python"))
            run([python, "-m", "pip", "install", "-q", "-r", "requirements.txt", "-c", tested], top)
            print("- installed requirements.txt in a new virtual environment, in the tested versions", flush=True)
        output = run([python, "main.py", *(["--data", absolute(data)] if data else [])], top)
        metrics, printed = read_metrics(top / METRICS), dict(re.findall(r"(?m)^(\w+) loss: ([0-9.]+)", output))
        losses = {name: float(printed[name]) if name in printed else None for name in COURSE_SETS}
        found = differences(metrics, replace(metrics, losses=losses))
        require(not found, f"main.py does not give what metrics.txt says: {found}")
        print(f"- python main.py gives the losses of metrics.txt: {losses}", flush=True)
        print(f"- '{metrics.command}' reached step {start_training(python, top, metrics.command)}", flush=True)


def start_training(python: str, top: Path, command: str) -> str:
    """Starts the training command, waits for its first row in a run's log.csv, ends it -> the step it reached."""
    asked = shlex.split(command)
    words = [python, *(absolute(word) if before == "--data" else word for before, word in pairwise(asked))]
    step, until = None, time.monotonic() + TRAINING_WAIT
    with TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        process = subprocess.Popen(words, cwd=top, env=clean(), stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        try:
            while step is None and process.poll() is None and time.monotonic() < until:
                time.sleep(0.2)
                rows = "".join(log.read_text("utf-8", "replace") for log in top.glob("runs/*/log.csv"))
                step = re.search(r"(?m)^([1-9][0-9]{,17}),.*\n", rows)  # of a whole row
        finally:
            process.kill()
            process.wait()
        said.seek(0)
        require(step, f"the training command '{command}' made no progress: {said.read().strip()[-200:]}")
    return step[1] if step else ""


def run(command: Sequence[str], folder: Path) -> str:
    """Runs a command in `folder` -> its stdout."""
    done = subprocess.run(command, cwd=folder, env=clean(), stdin=subprocess.DEVNULL, capture_output=True)
    said, error = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
    what = f"{shlex.join(['python', *command[1:]])} fails in the unpacked submission"
    require(not done.returncode, f"{what}: {(error or said).strip()[-200:]}")
    return said


def clean() -> dict[str, str]:
    """The user's environment, without what belongs to this interpreter."""
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    return kept | {"PYTHONUTF8": "1", ENVIRONMENT: absolute(kept.get(ENVIRONMENT, ""))}


def absolute(data: str) -> str:
    """Data whose folder, if it is one, is found from any other folder, too."""
    return str(Path(data).resolve()) if data and Path(data).is_dir() else data
