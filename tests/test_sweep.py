"""Sweeps do what is missing once, whoever is killed, and write the table of what is stored."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from tiny_jepa import sweep
from tiny_jepa.commands import sweep as command
from tiny_jepa.commands.evaluate import Options
from tiny_jepa.commands.train import read_options
from tiny_jepa.errors import UserError
from tiny_jepa.files import locked
from tiny_jepa.options import parse
from tiny_jepa.probing.results import Result, write_result
from tiny_jepa.sweep import Job, read_grid, work

ROOT = Path(__file__).resolve().parent.parent
TRAIN = """
import os, signal, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, signal.default_int_handler)
option = lambda name: sys.argv[sys.argv.index(name) + 1]
name = option("--resume") if "--resume" in sys.argv else option("--name")
if "forget" in sys.argv: sys.exit(print("trained, and lost it"))
folder = Path(option("--runs")) / name
folder.mkdir(parents=True, exist_ok=True)
try:
    (folder / "checkpoint.pth").write_text(str(os.getpid()))
    if "collapse" in sys.argv: sys.exit(print("error: collapsed: std_x is 0.001") or 2)
    if "fail" in sys.argv: sys.exit("error: no such data folder")
    for _ in range(3000 if "slow" in sys.argv else 2): time.sleep(0.1)  # a signal just before a sleep is seen after it
except KeyboardInterrupt: sys.exit((folder / "saved").touch() or 130)
(folder / "weights.pth").write_text(f"weights of {name}")
Path("done.txt").open("a").write(name + "\\n")
"""
MAIN = """
import sys
from pathlib import Path
path = Path(sys.argv[sys.argv.index("--store") + 1])
path.write_text(Path("result.json").read_text())
Path("done.txt").open("a").write(path.name + "\\n")
"""
WORK = """
import signal
from pathlib import Path
from tiny_jepa import sweep
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background is born deaf to it
sweep.POLL = 0.05
rows = sweep.read_grid(Path("grid.ini"))
sweep.work([sweep.Job(row, seed, rows) for row in rows if row.of == row.name for seed in row.seeds], 2)
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder with a grid and with scripts that only pretend."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep, "POLL", 0.02)
    Path("train.py").write_text(TRAIN, encoding="utf-8")
    Path("main.py").write_text(MAIN, encoding="utf-8")
    write_result(Path("result.json"), stored(0.02, 6.0))
    Path("page.md").write_text("a\n<!-- grid:begin -->\nold\n<!-- grid:end -->\nb\n", encoding="utf-8")
    text = "[DEFAULT]\npage = page.md\nseeds = 0 1 01\ncommon = --budget 2k\n[a row]\nfactor = f\ntrain = --clip 2\n"
    Path("grid.ini").write_text(text + "[bare]\nof = a row\nscore = --no-lift\nseeds = 0\n", encoding="utf-8")
    return tmp_path


def stored(normal, minutes):
    losses = {"normal": [normal], "wall": [0.5], "wall_other": None, "expert": [1.0], "long": [2.0]}
    names = ("model", "fingerprint", "command", "trained_by", "trained_on", "data", "frames")
    numbers = {"sets_version": 2, "parameters": 7, "lift": True, "seeds": [0], "losses": losses}
    return Result(**dict.fromkeys(names, "") | {"kind": "trained"}, **numbers, minutes=minutes, score_minutes=0.5)


def small_grid():
    grid = read_grid(Path("grid.ini"))
    return grid, [Job(row, seed, grid) for row in grid if row.of == row.name for seed in row.seeds]


def finished():
    return sorted(Path("done.txt").read_text(encoding="utf-8").split()) if Path("done.txt").exists() else []


def until(true):
    deadline = time.monotonic() + 300
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("name", ["ablations", "records"])
def test_every_row_is_options_that_the_scripts_take(name):
    grid = read_grid(ROOT / "benchmarks" / f"{name}.ini")
    assert grid[0].page and (ROOT / grid[0].page).is_file()
    for row in grid:
        if row.train is not None:
            read_options(list(row.train))
        parse(Options, row.score, "main.py", "")


def test_only_what_is_missing_is_done(root):
    (_, bare), (first, second) = small_grid()
    work([first, second], 2)
    names = ["a-row-seed0", "a-row-seed0.json", "a-row-seed1", "a-row-seed1.json", "bare-seed0.json"]
    assert finished() == names and first.weights.read_text() == "weights of a-row-seed0"
    first.weights.unlink()
    work([first, second], 2)
    assert finished() == names and first.done()  # no result needs the weights
    bare.result(0).unlink()
    work([first, second], 2)  # the run's weights are kept again, nothing is trained
    assert finished() == sorted([*names, "bare-seed0.json"]) and first.weights.is_file()


def test_a_run_begins_or_goes_on_or_begins_anew_and_then_is_scored(root):
    job = small_grid()[1][0]
    new = ["train.py", "--budget", "2k", "--clip", "2", "--seed", "0", "--name", "a-row-seed0"]
    tail = ["--runs", "runs/grid", "--no-install"]
    job.run.mkdir(parents=True)
    (job.run / "config.json").write_text("of a run that was killed before its first checkpoint")
    assert job.command() == [*new, *tail] and not job.run.exists()
    grid = read_grid(Path("grid.ini"), world="my:W")
    assert Job(grid[0], 0, grid).command() == [*new, "--world", "my:W", *tail]
    job.run.mkdir()
    (job.run / "checkpoint.pth").touch()
    assert job.command() == ["train.py", "--resume", "a-row-seed0", *tail]
    (job.run / "weights.pth").touch()
    scores = ["main.py", "--weights", "results/grid/a-row-seed0.pth"]
    for name, options in (("a-row-seed0", []), ("bare-seed0", ["--no-lift"])):
        assert job.command() == [*scores, *options, "--store", f"results/grid/{name}.json"]
        Path("results/grid", f"{name}.json").touch()
    assert job.command() is None and job.done()


def test_a_failed_job_stops_no_other_and_is_tried_again_on_request(root, capsys):
    rows = "".join(f"[{name}]\ntrain = {name}\nseeds = 0\n" for name in ("fail", "collapse", "forget"))
    Path("grid.ini").write_text(Path("grid.ini").read_text(encoding="utf-8") + rows, encoding="utf-8")
    with pytest.raises(UserError, match="--retry"):
        command.main(["grid.ini", "--name", "other", "--jobs", "2"])
    said = capsys.readouterr().out
    assert "3 of 5 jobs done, 0 running, 2 failed\n" in said
    assert "failed   fail, seed 0: error: no such data folder (runs/other/fail-seed0.log)" in said
    assert "failed   forget, seed 0: trained, and lost it (runs/other/forget-seed0.log)" in said
    assert "collapse, seed 0: stopped: error: collapsed: std_x" in said
    assert "std_x" in Path("results/other/collapse-seed0.stopped").read_text(encoding="utf-8") and len(finished()) == 5
    Path("train.py").write_text(TRAIN.replace('"fail"', '"never"').replace('"forget"', '"never"'), encoding="utf-8")
    with pytest.raises(UserError, match="--retry"):
        command.main(["grid.ini", "--name", "other"])
    assert len(finished()) == 5
    command.main(["grid.ini", "--name", "other", "--retry"])
    assert {"fail-seed0", "fail-seed0.json"} <= set(finished()) and len(finished()) == 9


def start_sweep():
    return subprocess.Popen([sys.executable, "-c", WORK], env=os.environ | {"PYTHONPATH": str(ROOT)})


def test_killed_sweeps_and_two_at_once_do_everything_once(root):
    rows = "".join(f"[row {i}]\ntrain = --clip {i}\n" for i in range(4))
    Path("grid.ini").write_text("[DEFAULT]\nseeds = 0 1\n" + rows, encoding="utf-8")
    rng = random.Random(0)
    for _ in range(3):
        process, before = start_sweep(), len(finished())
        until(lambda before=before: len(finished()) > before)
        time.sleep(rng.uniform(0.0, 0.3))
        process.kill()
        process.wait()
    before = Counter(finished())
    assert [process.wait(300) for process in (start_sweep(), start_sweep())] == [0, 0]
    runs = [f"row-{i}-seed{seed}" for i in range(4) for seed in (0, 1)]
    assert {*finished()} == {*runs, *(f"{name}.json" for name in runs)}
    assert {*(Counter(finished()) - before).values()} == {1}  # what a kill left unrecorded is done once more


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_a_script_ends_with_its_sweep_which_goes_on_later(root, sign):
    Path("grid.ini").write_text("[row]\ntrain = slow\nseeds = 0\n", encoding="utf-8")
    (_, (job,)), process = small_grid(), start_sweep()
    checkpoint = job.run / "checkpoint.pth"
    until(lambda: checkpoint.exists() and checkpoint.read_text(encoding="utf-8"))
    process.send_signal(sign)
    assert process.wait(60) != 0
    script = Path("/proc", checkpoint.read_text(encoding="utf-8"), "stat")
    until(lambda: not script.exists() or ") Z " in script.read_text(encoding="utf-8"))
    assert (job.run / "saved").exists() == (sign == signal.SIGINT) and job.left() and not job.held()
    work([job], 1)
    assert job.done()


def test_the_table_is_the_mean_and_spread_of_what_is_stored(root, capsys, monkeypatch):
    (row, bare), (first, _) = small_grid()
    for path, normal, minutes in ((row.result(0), 0.02, 1.0), (row.result(1), 0.04, 2.0)):
        write_result(path, stored(normal, minutes))
    monkeypatch.setattr(sweep, "WORDLESS", 1)
    monkeypatch.setattr(time, "sleep", lambda _: 1 / 0)
    with locked(first.lock, ""), pytest.raises(ZeroDivisionError):
        command.main(["grid.ini", "--status"])
        work([first], 1)
    running = "running  a row, seed 0 (runs/grid/a-row-seed0.log)"
    waits = "\nwaits for other processes, which do a row, seed 0\n"
    assert capsys.readouterr().out == f"1 of 2 jobs done, 1 running, 0 failed\n{running}{waits}"
    write_result(bare.result(0), stored(0.02, 1.0))
    command.main(["grid.ini"])
    text = Path("page.md").read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith("| a row")]
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    assert cells[:5] == ["a row", "f", "7", "2", "2.00"]
    assert cells[5:] == ["0.0300 ± 0.0141", "0.500 ± 0.000", "–", "1.00 ± 0.00", "2.00 ± 0.00", *"–––"]
    assert text.startswith("a\n") and text.endswith("b\n") and "old" not in text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seeds = 0\n[row]\ntrian = --clip 2\n", "row 'row': unknown key 'trian'"),
        ("seeds = 0\n[row]\nof = nobody\n", "row 'nobody' does not train its weights"),
        ("seeds = 0\n[a]\ntrain =\n[b]\nof = a\nseeds = 0 1\n", "row 'b': row 'a' does not .* of all seeds"),
        ("seeds = 0\n[é b]\ntrain =\n[E\u0301  b]\ntrain =\n", "its files would have the names of row 'é b'"),
        ("seeds = 0\n[a]\ntrain = --world=evil:W\n", "row 'a': a sweep says --world itself"),
        ("seeds = 0\n[a]\ntrain =\nscore = --weights b.pth\n", "a sweep says --weights itself"),
        ("seeds = 0\n", "no rows"),
        ("seeds = 0\n[../row]\ntrain =\n", "a printable name without /"),
        ("seeds", "grid.ini.*such as"),
    ],
)
def test_bad_grids_are_named(root, text, says):
    Path("grid.ini").write_text("[DEFAULT]\n" + text, encoding="utf-8")
    with pytest.raises(UserError, match=says):
        small_grid()


def test_bad_options_are_named(root):
    Path("page.md").unlink()
    bad = {"none.ini": "none.ini is missing", "grid.ini --common=x": "another --name", "grid.ini": "page.md is missing"}
    for words, says in bad.items():
        with pytest.raises(UserError, match=says):
            command.main(words.split())
    assert not finished()
    Path("train.py").unlink()
    with pytest.raises(UserError, match="in the project's root"):
        command.main(["grid.ini"])


@pytest.mark.slow
def test_a_real_slurm_goes_on_where_elements_were_stopped(root, monkeypatch):
    pytest.importorskip("submitit")
    if not all(map(shutil.which, ("slurmctld", "slurmd", "munged"))) or os.geteuid():
        pytest.skip("needs root, and slurmctld, slurmd and munged: apt-get install slurm-wlm munge")
    Path("grid.ini").write_text("[row]\ntrain = slow\nseeds = 0 1\n", encoding="utf-8")
    cluster, said = ROOT / "tests" / "slurm.sh", partial(subprocess.run, check=True, capture_output=True, text=True)
    subprocess.run([cluster, "start", "one"], check=True)
    monkeypatch.setenv("SLURM_CONF", str(root / "one" / "slurm.conf"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    words = "sweep grid.ini --launcher slurm --jobs 2 --cpus 1 --partition main --time 10"
    process = subprocess.Popen([sys.executable, "-m", "tiny_jepa", *words.split()])
    try:
        until(lambda: all((job.run / "checkpoint.pth").exists() for job in small_grid()[1]))
        array = said(["squeue", "--noheader", "--format=%F"]).stdout.split()[0]
        killed, late = ["scontrol", "requeue", f"{array}_0"], ["scancel", "--signal=USR2", f"{array}_1"]
        asking = [subprocess.Popen(each) for each in (killed, late)]
        waiting = ["squeue", "--noheader", "--array", "--states=PENDING", "--format=%F_%K"]
        until(lambda: {f"{array}_0", f"{array}_1"} <= {*said(waiting).stdout.split()})
        for i, each in enumerate(asking):
            each.kill()  # scancel would signal again
            said(["scontrol", "update", f"JobId={array}_{i}", "StartTime=now"])
        assert process.wait() == 0 and len(finished()) == 4
    finally:
        process.kill()
        subprocess.run([cluster, "stop", "one"], check=True)
