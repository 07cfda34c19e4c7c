"""What goes into a submission, and the rules that it must keep: read from files, nothing is run here."""

import re
import shlex
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tiny_jepa.budgets import parse_count
from tiny_jepa.course.metrics import NOT_AVAILABLE, disagreements, read_metrics
from tiny_jepa.errors import UserError
from tiny_jepa.files import read_text, write_atomically
from tiny_jepa.models.size import count_parameters
from tiny_jepa.weights import read_weights

TOP = "DL_Final_Proj"
"""The folder that the zip unpacks to."""
REQUIRED = (
    "main.py",
    "evaluator.py",
    "train.py",
    "count_params.py",
    "model_weights.pth",
    "requirements.txt",
    "metrics.txt",
)
FOLDERS = {"tiny_jepa": ("*.py", "*.csv"), "budgets": ("*.ini", "*.py"), "docs": ("*.md", "*.png")}
"""Folders that go along, with the files that are needed to run and to read."""
TO_READ = ("README.md", "LICENSE")
PLACEHOLDERS = {"", "team", "team name", "your team", "your team name", "placeholder", "name", "tiny jepa", "todo"}
NETID = re.compile(r"[a-z]{2,4}[0-9]{1,5}")


def refuse(broken: bool, reason: str) -> None:
    """Ends the submission where a rule is broken."""
    if broken:
        raise UserError(f"refused: {reason}")


def check_team(team: str, netids: Sequence[str]) -> None:
    """Refuses a placeholder for a name, and NetIDs that are none."""
    placeholder = re.sub(r"[\W_]+", " ", team).strip().lower() in PLACEHOLDERS
    refuse(placeholder, f"the team name '{team}' is a placeholder; give yours with --team \"NAME\"")
    refuse(not team.isprintable(), f"the team name {team!r} has a line break or another sign that does not print")
    refuse(not netids, "no member is named; give all NetIDs with --netids ab123 cd4567")
    for netid in netids:
        is_one = NETID.fullmatch(netid) is not None
        refuse(not is_one, f"'{netid}' is no NetID (a few small letters, then digits, such as ab1234)")
    refuse(len(set(netids)) < len(netids), "a NetID stands twice in --netids")


def check_files(root: Path) -> None:
    """Refuses when a file that graders expect is missing or empty."""
    for name in REQUIRED:
        refuse(not (root / name).is_file(), f"{name} is missing in {root.resolve()}")
        refuse(not (root / name).read_bytes().strip(), f"{name} is empty in {root.resolve()}")
    for name in ("tiny_jepa", "budgets"):
        there = (root / name).is_dir() and any((root / name).iterdir())
        refuse(not there, f"the folder {name}/ is missing or empty in {root.resolve()}")
    packages = read_text(root / "requirements.txt", "write the packages that it takes to run")
    names_torch = re.search(r"^torch\b", packages, re.MULTILINE) is not None
    refuse(not names_torch, "requirements.txt does not name torch, so nothing would run after installing it")


def check_rules(metadata: dict[str, Any], allow_generated: bool) -> None:
    """Refuses weights whose training broke a rule, as far as their metadata say."""
    sets = metadata.get("sets_read") or []
    refuse(not sets, "the weights do not say which sets their training read; train them with train.py")
    other = [name for name in sets if name != "train"]
    rule = "the rules allow the train folder and no label"
    refuse(bool(other) or "train" not in sets, f"training read {', '.join(other)}; {rule}")
    refuse(
        metadata.get("data_kind") != "folder" and not allow_generated,
        f"the weights were trained on {metadata.get('data', 'unknown')} data, not on the course's train folder, and "
        "the course allows its own data only; train with --data FOLDER, or say --allow-generated",
    )


def check_agreement(root: Path, parameters: int, metadata: dict[str, Any]) -> None:
    """Refuses when weights, metrics.txt and budget tell different stories."""
    stated, limit, budget = (metadata.get(key) for key in ("parameters", "budget_limit", "budget"))
    count = f"the weights hold {parameters:,} trainable parameters"
    refuse(stated != parameters, f"{count}, their metadata say {stated}; train them again")
    too_many = limit is None or parameters > limit
    refuse(too_many, f"{count}, over the limit of {limit} that their budget {budget} sets")
    metrics = read_metrics(root / "metrics.txt")
    found = "; ".join(disagreements(metrics, parameters, metadata.get("command")))
    again = "write it anew with: python main.py --write-metrics"
    refuse(bool(found), f"metrics.txt belongs to other weights: {found}; {again}")
    missing = metrics.losses["normal"] is None
    refuse(missing, f"metrics.txt says '{NOT_AVAILABLE}' for probe_normal; measure it where that set is")
    words = split_command(metrics.command)
    starts = words[:2] == ["python", "train.py"]
    refuse(not starts, f"the training command '{metrics.command}' does not start with python train.py")
    elsewhere = any(
        re.match(r"--(resume|runs|name|world|no.install|workers)\b", word.replace("_", "-")) for word in words
    )
    refuse(
        elsewhere, f"the training command '{metrics.command}' says where files go or which code to import; drop that"
    )
    named = [words[i + 1] for i, word in enumerate(words[:-1]) if word == "--budget"]
    named += [word.partition("=")[2] for word in words if word.startswith("--budget=")]
    wrong = bool(named) and parse_count(named[-1]) != limit
    refuse(wrong, f"the training command names the budget {''.join(named[-1:])}, the weights are of budget {budget}")


def split_command(command: str) -> list[str]:
    """The words of a stored command; a `UserError` where it cannot have been one."""
    try:
        return shlex.split(command)
    except ValueError as error:
        raise UserError(f"the stored training command {command!r} is none ({error}); train it again") from None


def check(root: Path, team: str, netids: Sequence[str], allow_generated: bool) -> None:
    """All that can be refused without running anything."""
    check_team(team, netids)
    check_files(root)
    model, metadata = read_weights(root / "model_weights.pth")
    check_rules(metadata, allow_generated)
    check_agreement(root, count_parameters(model), metadata)


def lower_bounds(requirements: str) -> str:
    """Requirements without caps: a grader's own versions stay."""
    return re.sub(r",?\s*(<=?|==)[^,;\n]+", "", requirements)


def write_zip(root: Path, team: str, netids: Sequence[str], path: Path) -> None:
    """Writes the zip: what is needed to run and to read, under `TOP`."""
    files = [root / name for name in (*REQUIRED, *TO_READ) if (root / name).is_file()]
    for folder, patterns in FOLDERS.items():
        files += [file for pattern in patterns for file in (root / folder).rglob(pattern) if file.is_file()]

    def write(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(files):
                content = file.read_bytes()
                if file == root / "requirements.txt":
                    content = lower_bounds(content.decode()).encode()
                archive.writestr(f"{TOP}/{file.relative_to(root).as_posix()}", content)
            archive.writestr(f"{TOP}/team_name.txt", f"{team}\n{' '.join(netids)}\n")

    write_atomically(path, write)
