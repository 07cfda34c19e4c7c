"""What goes into a submission, and the rules that it must keep: read from files, nothing is run here."""

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from tiny_jepa.budgets import parse_count
from tiny_jepa.course.metrics import NOT_AVAILABLE, differences, read_metrics
from tiny_jepa.errors import UserError
from tiny_jepa.files import read_text, write_atomically
from tiny_jepa.models.size import count_parameters
from tiny_jepa.weights import read_weights

TOP = "DL_Final_Proj"
"""The folder that the zip unpacks to."""
SCRIPTS = ("main.py", "evaluator.py", "train.py", "count_params.py")
REQUIRED = (*SCRIPTS, "tiny_jepa/__init__.py", "model_weights.pth", "requirements.txt", "metrics.txt")
FOLDERS = {
    "tiny_jepa": ("*.py", "*.csv"),
    "budgets": ("*.ini", "*.py"),
    "docs": ("*.md", "*.png"),
    "results": ("*.md",),
}
"""Folders that go along, with the files that are needed to run and to read."""
TO_READ = ("README.md", "LICENSE")
PLACEHOLDERS = {"", "team", "team name", "your team", "your team name", "placeholder", "name", "tiny jepa", "todo"}
ELSEWHERE = re.compile(r"--(resume|runs|name|world|no.install)\b")


def check(root: Path, team: str, netids: Sequence[str], allow_generated: bool) -> None:
    """Raises a `UserError` for the first rule that is broken."""
    for rule in chain(broken_by_form(root, team, netids), broken_by_weights(root, allow_generated)):
        raise UserError(f"refused: {rule}")


def broken_by_form(root: Path, team: str, netids: Sequence[str]) -> Iterator[str]:
    """Rules on names and files that are broken."""
    if re.sub(r"[\W_]+", " ", team).strip().lower() in PLACEHOLDERS:
        yield f"the team name '{team}' is a placeholder; give yours with --team \"NAME\""
    if not team.isprintable():
        yield f"the team name {team!r} has a line break or another sign that does not print"
    if not netids:
        yield "no member is named; give all NetIDs with --netids ab123 cd4567"
    for netid in netids:
        if not re.fullmatch(r"[a-z]{2,4}[0-9]{1,5}", netid) or netids.count(netid) > 1:
            yield f"'{netid}' is no NetID (a few small letters, then digits, such as ab1234), or stands twice"
    for name in REQUIRED:
        if not (root / name).is_file() or not (root / name).read_bytes().strip():
            yield f"{name} is missing or empty in {root.resolve()}"
    if not re.search(r"^torch\b", read_text(root / "requirements.txt", "write the packages it takes"), re.MULTILINE):
        yield "requirements.txt does not name torch, so nothing would run after installing it"


def broken_by_weights(root: Path, allow_generated: bool) -> Iterator[str]:
    """Rules that training broke, as far as the metadata of the weights say; and where weights, metrics.txt and budget
    tell different stories."""
    model, metadata = read_weights(root / "model_weights.pth")
    parameters, sets = count_parameters(model), metadata.get("sets_read") or []
    if set(sets) != {"train"}:
        yield f"training read {', '.join(sets) or 'nobody knows what'}; the rules allow the train folder and no label"
    if metadata.get("data_kind") != "folder" and not allow_generated:
        yield (
            f"the weights were trained on {metadata.get('data', 'unknown')} data, not on the course's train folder, "
            "and the course allows its own data only; train with --data FOLDER, or say --allow-generated"
        )
    limit, budget, metrics = metadata.get("budget_limit"), metadata.get("budget"), read_metrics(root / "metrics.txt")
    if limit is None or parameters > limit:
        yield f"the weights hold {parameters:,} parameters, over the limit of {limit} that their budget {budget} sets"
    found = differences(metrics, replace(metrics, parameters=parameters, command=metadata.get("command", "")))
    if found:
        yield f"metrics.txt belongs to other weights: {'; '.join(found)}; write it with: python main.py --write-metrics"
    if metrics.losses["normal"] is None:
        yield f"metrics.txt says '{NOT_AVAILABLE}' for probe_normal; measure it where that set is"
    if not metrics.command.startswith("python train.py "):
        yield f"the training command '{metrics.command}' does not start with python train.py"
    if ELSEWHERE.search(metrics.command.replace("_", "-")):
        yield f"the training command '{metrics.command}' says where files go or which code to import; drop that"
    for name in re.findall(r"--budget[ =](\S+)", metrics.command)[-1:]:
        if parse_count(name) != limit:
            yield f"the training command names the budget {name}, the weights are of budget {budget}"


def write_zip(root: Path, team: str, netids: Sequence[str], path: Path) -> None:
    """Writes the zip: what is needed to run and to read, under `TOP`. A grader's own versions of packages stay."""
    files = [root / name for name in (*REQUIRED, *TO_READ) if (root / name).is_file()]
    for folder, patterns in FOLDERS.items():
        files += [file for pattern in patterns for file in (root / folder).rglob(pattern) if file.is_file()]
    contents = {file.relative_to(root).as_posix(): file.read_bytes() for file in sorted(files)}
    uncapped = re.sub(r",?\s*(<=?|==)[^,;\n]+", "", contents["requirements.txt"].decode())
    contents |= {"requirements.txt": uncapped.encode(), "team_name.txt": f"{team}\n{' '.join(netids)}\n".encode()}

    def write(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in contents.items():
                archive.writestr(f"{TOP}/{name}", content)

    write_atomically(path, write)
