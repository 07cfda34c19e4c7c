"""A submission that cannot fail: a good one is proven, each way to spoil one is refused with its own reason."""

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tiny_jepa.commands.submit import main as submit
from tiny_jepa.course.metrics import Metrics, read_metrics, write_metrics
from tiny_jepa.errors import UserError
from tiny_jepa.models import JEPA, Architecture
from tiny_jepa.weights import save_weights
from tiny_jepa.worlds.two_rooms import TWO_ROOMS

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "python train.py --budget 2k"
LOSSES = {"normal": 0.05, "wall": 0.2, "wall_other": None, "expert": 0.03}
MAIN = """
for name, loss in (("normal", "0.0501"), ("wall", "0.2"), ("wall_other", "not available"), ("expert", "0.03")):
    print(f"{name} loss: {loss}")
"""
TRAIN = """
import pathlib, time
folder = pathlib.Path("runs/a")
folder.mkdir(parents=True)
(folder / "log.csv").write_text("step,loss\\n")
time.sleep(0.5)
(folder / "log.csv").write_text("step,loss\\n3,0.5\\n4")
time.sleep(60)
"""


def write(root: Path, **changes) -> None:
    """Weights with metadata as train.py writes them, but for `changes`; None leaves a key out."""
    torch.manual_seed(0)
    model = JEPA(Architecture(gate_widths=(16,)), TWO_ROOMS.frame)
    count = sum(p.numel() for p in model.parameters())
    metadata = {"budget": "2k", "budget_limit": 2000, "parameters": count, "command": COMMAND}
    metadata |= {"data": "/scratch", "data_kind": "folder", "sets_read": ["train"], **changes}
    save_weights(root / "model_weights.pth", model, {k: v for k, v in metadata.items() if v is not None})
    write_metrics(root / "metrics.txt", Metrics(LOSSES, count, metadata["command"]))


@pytest.fixture
def project(tmp_path: Path, monkeypatch) -> Path:
    """A small project of the right form: stubs for the scripts, real weights and metrics."""
    root, code = tmp_path / "project", "'code'"
    texts = dict.fromkeys(("tiny_jepa/__init__.py", "budgets/2k.ini", "evaluator.py", "count_params.py"), code)
    texts |= {"main.py": MAIN, "train.py": TRAIN, "README.md": "read me", "tiny_jepa/junk.bin": "not needed"}
    for name, text in (texts | {"requirements.txt": "torch>=2.4,<=2.13.0\nnumpy\n"}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    write(root)
    monkeypatch.chdir(root)
    return root


def run(root: Path, *more: str, team: str = "Two Rooms", netids: tuple[str, ...] = ("ab1234", "cde56")) -> Path:
    out = root.parent / "out.zip"
    members = ["--netids", *netids] if netids else []
    submit(["--team", team, *members, "--out", str(out), "--no-install", *more])
    return out


def test_a_good_submission(project: Path, capsys):
    archive = zipfile.ZipFile(run(project))
    names = {name.removeprefix("DL_Final_Proj/") for name in archive.namelist()}
    assert names == {
        *("main.py", "evaluator.py", "train.py", "count_params.py", "model_weights.pth", "requirements.txt"),
        *("metrics.txt", "team_name.txt", "README.md", "tiny_jepa/__init__.py", "budgets/2k.ini"),
    }
    assert archive.read("DL_Final_Proj/requirements.txt") == b"torch>=2.4\nnumpy\n"
    assert archive.read("DL_Final_Proj/team_name.txt") == b"Two Rooms\nab1234 cde56\n"
    assert "reached step 3" in capsys.readouterr().out


def test_generated_data_needs_a_word_and_a_budget_may_be_a_number(project: Path):
    write(project, command="python train.py --budget 2000", data_kind="procedural")
    assert run(project, "--allow-generated").is_file()


def other_metrics(root: Path, **changes) -> None:
    write_metrics(root / "metrics.txt", replace(read_metrics(root / "metrics.txt"), **changes))


SPOILED = {
    "a script is empty": (lambda p: (p / "evaluator.py").write_text(""), "evaluator.py is missing or empty"),
    "the package is missing": (lambda p: shutil.rmtree(p / "tiny_jepa"), "tiny_jepa/__init__.py is missing"),
    "the weights are corrupt": (lambda p: (p / "model_weights.pth").write_bytes(b"x" * 99), "not a readable weights"),
    "trained on generated data": (lambda p: write(p, data_kind="procedural"), "not on the course's train folder"),
    "trained with a label": (lambda p: write(p, sets_read=["train", "train/locations"]), "no label"),
    "nobody knows on what": (lambda p: write(p, sets_read=None), "nobody knows what"),
    "over the budget": (lambda p: write(p, budget_limit=30), "over the limit of 30"),
    "another budget in the command": (lambda p: write(p, budget_limit=100_000), "names the budget 2k"),
    "metrics of another count": (lambda p: other_metrics(p, parameters=12), "it says 12 parameters"),
    "metrics of another training": (lambda p: other_metrics(p, command="python train.py"), "belongs to other weights"),
    "no first loss": (lambda p: other_metrics(p, losses={**LOSSES, "normal": None}), "has no probe_normal"),
    "a command that trains nothing": (lambda p: write(p, command="make"), "is not python train.py and its options"),
    "a command without an end": (lambda p: write(p, command=f"{COMMAND} 'x"), "is not python train.py and its options"),
    "a command that writes elsewhere": (lambda p: write(p, command=f"{COMMAND} --runs=/x"), "says where files go"),
    "a command that imports code": (lambda p: write(p, command=f"{COMMAND} --world evil:W"), "which code to import"),
    "losses that nobody gets": (lambda p: other_metrics(p, losses={**LOSSES, "wall": 0.02}), "wall is 0.0200 there"),
    "grading fails": (lambda p: (p / "main.py").write_text("raise SystemExit('no luck')"), "no luck"),
    "grading prints nothing": (lambda p: (p / "main.py").write_text("'nothing'"), "normal is 0.0500 there, not avail"),
    "training fails": (lambda p: (p / "train.py").write_text("print('no data')"), "made no progress: no data"),
}


@pytest.mark.parametrize("spoil, reason", SPOILED.values(), ids=SPOILED.keys())
def test_a_spoiled_submission_is_refused(project: Path, spoil, reason: str):
    spoil(project)
    with pytest.raises(UserError, match=reason):
        run(project)
    assert not (project.parent / "out.zip").exists()


@pytest.mark.parametrize(
    "members, reason",
    [
        ({"team": "TEAM NAME"}, "placeholder"),
        ({"team": "Two\nRooms"}, "does not print"),
        ({"netids": ()}, "--netids"),
        ({"netids": ("Ab12",)}, "no NetID"),
        ({"netids": ("ab1", "ab1")}, "stands twice"),
    ],
)
def test_team_and_members_are_checked(project: Path, members, reason: str):
    with pytest.raises(UserError, match=reason):
        run(project, **members)


@pytest.mark.slow
def test_the_real_thing(tmp_path: Path, monkeypatch):
    """The committed weights, a new virtual environment, an install, a grading and a start of training."""
    monkeypatch.chdir(ROOT)
    words = f"--netids ab1234 --out {tmp_path}/out.zip --allow-generated --data procedural"
    submit(["--team", "Two Rooms", *words.split()])
    assert (tmp_path / "out.zip").is_file()
