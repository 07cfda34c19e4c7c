"""The course: stored results, the ranking, the README made from them; and a submission that cannot fail."""

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import readme
from benchmarks.ranking import Entry, our_entries, points, ranks, read_peers, read_results, score_table
from benchmarks.shared import RECORDS
from tiny_jepa import tables
from tiny_jepa.commands.submit import main as submit
from tiny_jepa.course import Metrics, differences, read_metrics, write_metrics
from tiny_jepa.errors import UserError
from tiny_jepa.models import JEPA, Architecture
from tiny_jepa.probing.results import Result, read_result, write_result
from tiny_jepa.tables import markdown, number
from tiny_jepa.weights import save_weights
from tiny_jepa.worlds.two_rooms import TWO_ROOMS
from tiny_jepa.worlds.two_rooms.sets import SETS_VERSION

ROOT = Path(__file__).resolve().parents[1]
LOSSES = {"normal": [0.05, 0.07], "wall": [0.2, 0.2], "wall_other": None, "expert": [0.03, 0.05], "long": [1.0, 2.0]}
TEXTS = ("fingerprint", "command", "trained_by", "trained_on", "data")


def result(**changes) -> Result:
    kept = {"model": "2k", "kind": "trained", "parameters": 1999, "sets_version": 2, "frames": "65 px float32"}
    return Result(**dict.fromkeys(TEXTS, "python") | kept | {"lift": True, "seeds": [0, 1], "losses": LOSSES} | changes)


def entry(name: str, size: int | None, *losses: float | None, mark: str = "fair") -> Entry:
    return Entry(name, size, dict(zip(("normal", "wall", "wall_other", "expert"), losses, strict=True)), mark)


def test_results_are_read_back(tmp_path: Path):
    write_result(tmp_path / "2k.json", result())
    write_result(tmp_path / "1k.json", result(model="1k", parameters=999, lift=False))
    assert read_result(tmp_path / "2k.json") == result()
    assert [r.model for r in read_results(tmp_path)] == ["1k", "2k"]
    few = {"seeds": [0], "losses": {"normal": [0.09], "wall": [0.2]}}
    write_result(tmp_path / "2k-seed1.json", result(fingerprint="def", **few))
    write_result(tmp_path / "2k-at-64.json", result(frames="64 px uint8", data="procedural:size=64"))
    small, other, both = read_results(tmp_path)
    assert small.model == "1k" and other.frames == "64 px uint8" and both.losses["normal"] == [0.09, 0.05, 0.07]
    assert len(both.seeds) == 3 and both.losses["wall_other"] is None
    assert result().mean("normal") == pytest.approx(0.06) and result().to_json()["losses"]["wall"]["std"] == 0
    assert result().mean("wall_other") is None


OTHERS = [
    ({"format": 1}, "format must be 2, not 1"),
    ({"seeds": [0]}, "has not one loss for each seed"),
    ({"losses": {"normal": {}}}, "losses.normal must be a valid list"),
    ({"losses": {"normal": {"seeds": [-1]}}}, "losses.normal must be greater than or equal to 0"),
    ({"losses": {"normal": {"seeds": [float("nan")]}}}, "holds no JSON object"),
]


@pytest.mark.parametrize("changes, says", OTHERS)
def test_other_files_are_no_results(tmp_path: Path, changes, says: str):
    (tmp_path / "r.json").write_text(json.dumps(result().to_json() | changes))
    with pytest.raises(UserError, match=rf"r\.json.*{says}"):
        read_results(tmp_path)


def test_ranks_and_points_by_hand():
    field = [entry("big", 9000, 1.0, 1.0, 1.0, 1.0), entry("small", 100, 2.0, 2.0, None, 2.0)]
    ours = entry("ours", 500, 1.0, 3.0, 0.5, 0.5, mark="ours")
    # ties go to fewer parameters; what has no figure comes last
    assert ranks(ours, field) == {"normal": 1, "wall": 3, "wall_other": 1, "expert": 1, "parameters": 2}
    assert points(ours, field) == pytest.approx(1 + 0 + 1 + 1 + 0.25 * 0.5)
    assert ranks(field[1], field) == {"normal": 2, "wall": 2, "wall_other": None, "expert": 2, "parameters": 1}
    assert points(field[1], field) == pytest.approx(0.25)
    assert points(entry("alone", 1, 1.0, 1.0, 1.0, 1.0), []) == 0


def test_our_rows_do_not_push_each_other():
    peers = [entry("p", 1000, 1.0, 1.0, 1.0, 1.0)]
    others = (result(model="500", parameters=455), result(lift=False), result(frames="64 px uint8"))
    ours = our_entries([result(), *others])
    assert len(ours) == 2  # the bare code and other frames are reported, not ranked
    tables = [score_table(rows, peers) for rows in (ours[:1], ours)]
    rows = [[line.split() for line in table.splitlines() if "tiny_jepa 2k" in line] for table in tables]
    assert rows[0] == rows[1] and len(rows[0]) == 1


def test_peers_have_sources_and_marks():
    peers = read_peers()
    assert len(peers) == 18 and all(peer.source for peer in peers)
    assert {peer.mark for peer in peers} == {"fair", "unchecked", "one-step", "reference"}
    assert readme.best_published(peers) == {"normal": 0.325, "wall": 0.742, "wall_other": 2.80, "expert": 1.23}


def test_numbers():
    shown = [number(v) for v in (None, 265.6, 24.71, 2.5, 0.325, 0.0593)]
    assert shown == ["–", "266", "24.7", "2.50", "0.325", "0.0593"]
    assert number(0.0593, 0.00042) == "0.0593 ± 0.0004"
    assert markdown(["a", "b"], [["x", "1"]]) == "| a | b |\n|---|--:|\n| x | 1 |"


def test_the_pages_are_written_between_their_marks(tmp_path: Path):
    pytest.importorskip("matplotlib")
    write_result(tmp_path / RECORDS / "2k.json", result())
    write_result(tmp_path / RECORDS / "10k.json", result(model="10k"))
    write_result(tmp_path / RECORDS / "bare.json", result(lift=False, model="bare"))
    (tmp_path / "docs").mkdir()
    for name in readme.tables(tmp_path / RECORDS):
        (tmp_path / name).write_text("before\n<!-- results:begin -->\nold\n<!-- results:end -->\nafter\n")
    readme.main(tmp_path)
    text, records = ((tmp_path / name).read_text() for name in readme.tables(tmp_path / RECORDS))
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text and "bare" not in records
    assert "**2k**" in text and "**10k**" not in text and "0.325" in text
    assert "**2k**" in records and "**10k**" in records and "0.325" not in records
    assert (tmp_path / readme.PICTURE).is_file()
    (tmp_path / "README.md").write_text("no marks\n")
    with pytest.raises(UserError, match="no place for the results"):
        readme.main(tmp_path)


def test_readme_and_stored_results_agree():
    """The test that fails when somebody edits a figure by hand, or stores a result and forgets the README."""
    for page, table in readme.tables(ROOT / RECORDS).items():
        text = (ROOT / page).read_text(encoding="utf-8")
        assert text == tables.replaced(text, f"{table}\n", page), "run: python -m benchmarks.readme"
    assert {stored.sets_version for stored in read_results(ROOT / RECORDS)} == {SETS_VERSION}
    image = pytest.importorskip("PIL.Image").open(ROOT / readme.PICTURE)
    assert image.text["Description"] == readme.digest(ROOT / RECORDS), "run: python -m benchmarks.readme"


def test_metrics_file(tmp_path: Path):
    path, losses = tmp_path / "metrics.txt", {"normal": 0.05, "wall": 0.2, "wall_other": None, "expert": 0.03}
    metrics = Metrics(losses, 1999, "python train.py")
    write_metrics(path, metrics)
    assert read_metrics(path) == metrics and differences(metrics, metrics) == ""
    with pytest.raises(UserError, match="no place for this training command"):
        write_metrics(path, replace(metrics, command="python\ntrain.py"))
    other = Metrics({"normal": 0.052, "wall": float("nan"), "wall_other": 0.05, "expert": 0.03}, 5, "make")
    assert [text.split(",")[0] for text in differences(metrics, other).split("; ")] == [
        "it says 1",  # 999 parameters
        "its training command is 'python train.py'",
        "wall is 0.2000 there",
        "wall_other is not available there",
    ]


def test_results_table_says_what_was_measured_where():
    other = result(frames="64 px uint8", losses={"normal": [0.02], "wall": [0.1]})
    shown = [result(), other, result(lift=False), result(kind="untrained", model="untrained 2k")]
    assert [row[:3] for row in readme.rows(shown)] == [["**2k**", "1,999", "0.0200 / 0.0600"]]
    assert json.dumps(result().to_json())  # plain values only


COMMAND = "python train.py --budget 2k"
GRADED = {"normal": 0.05, "wall": 0.2, "wall_other": None, "expert": 0.03}
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
    write_metrics(root / "metrics.txt", Metrics(GRADED, count, metadata["command"]))


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
    "no first loss": (lambda p: other_metrics(p, losses={**GRADED, "normal": None}), "has no probe_normal"),
    "a command that trains nothing": (lambda p: write(p, command="make"), "is not python train.py and its options"),
    "a command without an end": (lambda p: write(p, command=f"{COMMAND} 'x"), "is not python train.py and its options"),
    "a command that writes elsewhere": (lambda p: write(p, command=f"{COMMAND} --runs=/x"), "says where files go"),
    "a command that imports code": (lambda p: write(p, command=f"{COMMAND} --world evil:W"), "which code to import"),
    "losses that nobody gets": (lambda p: other_metrics(p, losses={**GRADED, "wall": 0.02}), "wall is 0.0200 there"),
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
