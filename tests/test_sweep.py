"""Sweeps (tiny_jepa/sweep).

1. Every row of every grid is options that train.py and main.py take.
2. A run that is there is not trained again, an interrupted one is gone on with, a collapsed one is counted.
3. One process holds a job; a silent holder's claim is taken over, once.
4. Two sweeps at once, and sweeps that are killed, do everything once; a failed job stops no other.
5. The table is the mean and spread over training seeds of what is stored; the status says what is left.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from tiny_jepa.commands import sweep as command
from tiny_jepa.commands.evaluate import Options
from tiny_jepa.commands.train import read_options
from tiny_jepa.errors import UserError
from tiny_jepa.options import parse
from tiny_jepa.probing.results import Result, read_result, write_result
from tiny_jepa.sweep import claims, launchers
from tiny_jepa.sweep.grid import read_grid
from tiny_jepa.sweep.jobs import jobs_of
from tiny_jepa.sweep.table import status

ROOT = Path(__file__).resolve().parent.parent
TRAIN = """
import sys, time
from pathlib import Path
option = lambda name: sys.argv[sys.argv.index(name) + 1]
name = option("--resume") if "--resume" in sys.argv else option("--name")
if "forget" in sys.argv: sys.exit(print("trained, and lost it"))
folder = Path(option("--runs")) / name
folder.mkdir(parents=True, exist_ok=True)
(folder / "checkpoint.pth").write_text("")
if "collapse" in sys.argv: sys.exit(print("error: collapsed: std_x is 0.001") or 2)
if "fail" in sys.argv: sys.exit("error: no such data folder")
time.sleep(0.2)
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
from pathlib import Path
from tiny_jepa.sweep import claims, grid, jobs, launchers
launchers.POLL, claims.BEAT, claims.STALE = 0.05, 0.1, 1.5
launchers.work(jobs.jobs_of(grid.read_grid(Path("grid.ini"))), 2)
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder with a grid and with scripts that only pretend."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launchers, "POLL", 0.02)
    Path("train.py").write_text(TRAIN, encoding="utf-8")
    Path("main.py").write_text(MAIN, encoding="utf-8")
    write_result(Path("result.json"), stored(0.02, 6.0))
    Path("page.md").write_text("a\n<!-- grid:begin -->\nold\n<!-- grid:end -->\nb\n", encoding="utf-8")
    text = "[DEFAULT]\npage = page.md\nseeds = 0 1\ncommon = --budget 2k\n[a row]\nfactor = f\ntrain = --clip 2\n"
    Path("grid.ini").write_text(text + "[bare]\nof = a row\nscore = --no-lift\nseeds = 0\n", encoding="utf-8")
    return tmp_path


def stored(normal, minutes):
    losses = {"normal": [normal], "wall": [0.5], "wall_other": None, "expert": [1.0], "long": [2.0]}
    names = ("model", "fingerprint", "command", "trained_by", "trained_on", "data", "frames")
    numbers = {"sets_version": 2, "parameters": 7, "lift": True, "seeds": [0], "losses": losses}
    return Result(**dict.fromkeys(names, "") | {"kind": "trained"}, **numbers, minutes=minutes, score_minutes=0.5)


def small_grid(more=""):
    return read_grid(Path("grid.ini"), None, more)


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
    grid = small_grid()
    (first, _) = every = jobs_of(grid)
    bare = grid[1].result(0)
    launchers.work(every, 2)
    names = ["a-row-seed0", "a-row-seed0.json", "a-row-seed1", "a-row-seed1.json", "bare-seed0.json"]
    assert finished() == names and not list(Path("results/grid/.sweep").iterdir())
    assert first.weights.read_text() == "weights of a-row-seed0"
    launchers.work(every, 2)
    first.weights.unlink()
    assert finished() == names and first.done()  # no result needs the weights
    bare.unlink()
    launchers.work(every, 2)  # the run's weights are kept again, nothing is trained
    assert finished() == sorted([*names, bare.name]) and first.weights.is_file()


def test_a_run_begins_or_goes_on_or_begins_anew_and_then_is_scored(root):
    job = jobs_of(small_grid("--corners 0"))[0]
    new = ["train.py", "--budget", "2k", "--clip", "2", "--corners", "0", "--seed", "0", "--name", "a-row-seed0"]
    tail = ["--runs", "runs/grid", "--no-install"]
    job.run.mkdir(parents=True)
    (job.run / "config.json").write_text("of a run that was killed before its first checkpoint")
    assert job.command() == [*new, *tail] and not job.run.exists()
    job.run.mkdir()
    (job.run / "checkpoint.pth").write_text("")
    assert job.command() == ["train.py", "--resume", "a-row-seed0", *tail]
    (job.run / "weights.pth").write_text("")
    scores = ["main.py", "--weights", "results/grid/a-row-seed0.pth"]
    assert job.command() == [*scores, "--store", "results/grid/a-row-seed0.json"]
    shutil.copy("result.json", "results/grid/a-row-seed0.json")
    assert job.command() == [*scores, "--no-lift", "--store", "results/grid/bare-seed0.json"]
    shutil.copy("result.json", "results/grid/bare-seed0.json")
    assert job.command() is None and job.done()


def test_a_failed_job_stops_no_other_and_is_tried_again_on_request(root, capsys):
    rows = "".join(f"[{name}]\ntrain = {name}\nseeds = 0\n" for name in ("fail", "collapse", "forget"))
    Path("grid.ini").write_text(Path("grid.ini").read_text(encoding="utf-8") + rows, encoding="utf-8")
    with pytest.raises(UserError, match="--retry"):
        command.main(["grid.ini", "--name", "other", "--jobs", "2"])
    said = capsys.readouterr().out
    assert "3 of 5 jobs done, 0 running, 2 failed; about" in said
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


def test_one_process_holds_a_job_and_one_takes_a_silent_one_over(root, monkeypatch):
    state = jobs_of(small_grid())[0].state.with_name("2k [new]")
    claim = claims.take(state)
    assert claim and claims.take(state) is None and claims.beat(claim)
    minutes, who = claims.holder(state)
    assert 0 <= minutes < 1 and who.endswith(f"process {os.getpid()}")
    for age in (1, -1, 1):  # long ago, in a time to come, long ago
        os.utime(claim, (0, time.time() - age * (claims.STALE + 1)))
        assert claims.holder(state) is None
        with ThreadPoolExecutor(8) as pool:
            (taken,) = (each for each in pool.map(claims.take, [state] * 32) if each)
        assert not claims.beat(claim) and claims.beat(taken)
        claim = taken
    claim.write_text("of another hand")
    assert claims.take(state) is None and claims.holder(state) == (0.0, "an unknown machine")
    claims.release(claim)
    assert claims.holder(state) is None and not list(state.parent.iterdir())
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert claims.take(state).read_text().endswith(", SLURM job 7")


def test_a_lost_job_is_left_to_who_took_it(root, monkeypatch):
    monkeypatch.setattr(claims, "BEAT", 0.0)
    Path("train.py").write_text("import time; time.sleep(60)", encoding="utf-8")
    job, started, start = jobs_of(small_grid())[0], [], subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(start(*a, **k)) or started[-1])
    attempt = launchers.attempt(job)
    next(attempt)
    (claim,) = claims.claims(job.state)
    os.utime(claim, (before := time.time() - 60,) * 2)
    next(attempt)
    assert claim.stat().st_mtime > before + 50  # a sign of life
    os.utime(claim, (0, 0))
    other = claims.take(job.state)
    assert next(attempt, "lost") == "lost" and other.is_file() and started[0].returncode == -signal.SIGKILL


def test_what_was_done_or_failed_meanwhile_is_not_begun(root):
    job = jobs_of(small_grid())[0]
    job.failure.parent.mkdir(parents=True)
    job.failure.write_text("by another process")
    assert list(launchers.attempt(job)) == [] and not job.log.exists()


def start_sweep():
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", WORK], env=environment, stdout=subprocess.PIPE, text=True)


def test_killed_sweeps_and_two_at_once_do_everything_once(root):
    rows = "".join(f"[row {i}]\ntrain = --clip {i}\n" for i in range(1, 5))
    Path("grid.ini").write_text("[DEFAULT]\nseeds = 0 1\n" + rows, encoding="utf-8")
    rng = random.Random(0)
    for _ in range(3):
        sweep, before = start_sweep(), len(finished())
        until(lambda before=before: len(finished()) > before)
        time.sleep(rng.uniform(0.0, 0.3))
        sweep.kill()
        sweep.wait()
    before = Counter(finished())
    both = [start_sweep(), start_sweep()]
    assert [sweep.communicate(timeout=300) and sweep.returncode for sweep in both] == [0, 0]
    wanted = [f"row-{i}-seed{seed}" for i in range(1, 5) for seed in (0, 1)]
    assert sorted({*finished()}) == sorted(wanted + [f"{name}.json" for name in wanted])
    again = Counter(finished()) - before  # what a kill left unrecorded is done once more
    assert all(count == 1 for count in again.values())


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_a_process_ends_with_its_parent():
    says = "import subprocess, time; from tiny_jepa.processes import end_with_parent;"
    says += "print(subprocess.Popen(['sleep', '60'], preexec_fn=end_with_parent).pid, flush=True); time.sleep(60)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", says], env=environment, stdout=subprocess.PIPE, text=True) as parent:
        child = Path("/proc") / parent.stdout.readline().strip()
        assert child.is_dir()
        parent.kill()
    until(lambda: not child.is_dir() or ") Z " in (child / "stat").read_text())


def test_the_table_is_the_mean_and_spread_of_what_is_stored(root):
    grid = small_grid()
    for seed, normal in ((0, 0.02), (1, 0.04)):
        write_result(grid[0].result(seed), stored(normal, seed + 1.0))
    command.show_table(grid, grid[0].page)
    text = Path("page.md").read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith("| a row")]
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    assert cells[:5] == ["a row", "f", "7", "2", "2.00"]
    assert cells[5:] == ["0.0300 ± 0.0141", "0.500 ± 0.000", "–", "1.00 ± 0.00", "2.00 ± 0.00", *"–––"]
    assert "| bare" not in text and text.startswith("a\n") and text.endswith("b\n") and "old" not in text


def test_the_status_says_what_is_left(root):
    grid = small_grid()
    first, second = every = jobs_of(grid)
    unknown = "0 of 2 jobs done, 0 running, 0 failed; minutes left are unknown until a job is done"
    assert status(every) == unknown
    write_result(grid[0].result(1), stored(0.02, 6.0))
    claims.take(first.state)
    counts, running = status(every).splitlines()
    assert second.done() and counts == "1 of 2 jobs done, 1 running, 0 failed; about 6 minutes left, 1 at a time"
    assert running.startswith("running  a row, seed 0: 0.0 minutes on ") and f"process {os.getpid()}" in running


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seeds = 0\n[row]\ntrian = --clip 2\n", "row 'row': unknown key 'trian'"),
        ("seeds = 0\n[row]\ntrain = '\n", "row 'row': --train No closing quotation"),
        ("seeds = 0 x\n[row]\ntrain =\n", "row 'row': .*seeds.* must be a valid integer"),
        ("seeds = 0 0\n[row]\ntrain =\n", "row 'row': --seeds must be different whole numbers"),
        ("[row]\ntrain =\n", "row 'row': missing key 'seeds'"),
        ("seeds = 0\n[row]\nof = nobody\n", "row 'row': it cannot score the weights of row 'nobody'"),
        ("seeds = 0\n[a]\ntrain =\n[b]\nof = a\nseeds = 0 1\n", "row 'a' has not all of its seeds"),
        ("seeds = 0\n[a b]\ntrain =\n[A  b]\ntrain =\n", "'A  b': its files would have the names of row 'a b'"),
        ("seeds = 0\n[a]\ntrain =\n[a]\ntrain =\n", "is no grid .*already exists"),
        ("seeds = 0\n", "no rows"),
        ("seeds = 0\n[../row]\ntrain =\n", "a printable name without /"),
        ("seeds = 0\n[a\x1b[2Jb]\ntrain =\n", "a printable name without /"),
        (f"seeds = 0\n[{'a' * 250}]\ntrain =\n", "at most 100 characters"),
        ("seeds", "is no grid"),
    ],
)
def test_bad_grids_are_named(root, text, says):
    Path("grid.ini").write_text("[DEFAULT]\n" + text, encoding="utf-8")
    with pytest.raises(UserError, match=says):
        small_grid()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("nothing.ini", "nothing.ini is missing"),
        ("grid.ini --common=--clip=3", "give their results another --name"),
        ("grid.ini --name ../x", "--name takes the name of a folder"),
        ("grid.ini --launcher slurm --time 1h", "--time must be"),
        ("grid.ini --launcher slurm --time 00:00:00", "--time must be"),
    ],
)
def test_bad_options_are_named(root, words, says):
    with pytest.raises(UserError, match=says):
        command.main(words.split())
    assert command.minutes_of("1-02:00:30") == 1561
    Path("train.py").unlink()
    with pytest.raises(UserError, match="in the project's root"):
        command.main(["grid.ini"])


# With the real scripts.

TINY = "--encode-steps 5 --encode-batch 8 --cached 100 --predict-steps 440 --predict-batch 40000 --auditions 1"


def run(folder, *words, **environment):
    environment = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "TINY_JEPA_DATA": "tiny", **environment}
    command = [sys.executable, "-m", "tiny_jepa", *map(str, words)]
    with (folder / "said.txt").open("a") as said:
        return subprocess.Popen(command, cwd=folder, env=os.environ | environment, stdout=said, stderr=said)


def made_in(folder):
    """The weights and the losses of a sweep, by the names of their files."""
    weights = {path.name: torch.load(path, weights_only=True)["state_dict"] for path in folder.glob("*.pth")}
    return weights, {path.name: read_result(path).losses for path in folder.glob("*.json")}


def ask(environment, *command):
    """What a command of SLURM's says."""
    return subprocess.run(command, env=os.environ | environment, check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
def test_a_real_slurm_makes_the_same_weights(tmp_path):
    pytest.importorskip("submitit")
    if not all(map(shutil.which, ("slurmctld", "slurmd", "munged"))) or os.geteuid():
        pytest.skip("needs root, and slurmctld, slurmd and munged: apt-get install slurm-wlm munge")
    for name in ("train.py", "main.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    run(tmp_path, "data", "generate", "--out", "tiny", "--count", "130").wait()
    rows = "[100]\ntrain = --budget 100\n[500]\ntrain = --budget 500\n"
    (tmp_path / "four.ini").write_text(f"[DEFAULT]\nseeds = 0 1\ncommon = {TINY}\nscore = --course\n{rows}")
    one = tmp_path / "one"
    subprocess.run([ROOT / "tests" / "slurm.sh", "start", one], check=True)
    environment = {"SLURM_CONF": str(one / "slurm.conf"), "TINY_JEPA_CHECKPOINT_SECONDS": "0.5"}
    words = ("--launcher", "slurm", "--jobs", 2, "--cpus", 1, "--partition", "main", "--time", "00:10:00")
    sweep = run(tmp_path, "sweep", "four.ini", "--name", "slurm", *words, **environment)
    try:
        numbers, asking = {}, []
        stops = {"100-seed0": ("scontrol", "requeue"), "100-seed1": ("scancel", "--signal=USR2")}  # killed; time is up

        def stop_what_has_begun():
            for name in [name for name in stops if (tmp_path / "runs/slurm" / name / "log.csv").exists()]:
                claim = tmp_path / "results/slurm/.sweep" / f"{name}.claim1"
                numbers[name] = claim.read_text().partition("SLURM job ")[2]
                asking.append(subprocess.Popen([*stops.pop(name), numbers[name]], env=os.environ | environment))
            return not stops

        until(stop_what_has_begun)
        waiting = ("squeue", "--noheader", "--states=PENDING", "--format=%A", "--jobs", ",".join(numbers.values()))
        until(lambda: set(numbers.values()) <= set(ask(environment, *waiting).split()))
        for each in asking:
            each.kill()  # scancel would signal again
            each.wait()
        for name, number in numbers.items():
            first = tmp_path / "runs/slurm" / name
            assert (first / "checkpoint.pth").exists() and not (first / "weights.pth").exists()
            ask(environment, "scontrol", "update", f"JobId={number}", "StartTime=now")
        assert sweep.wait() == 0
    finally:
        sweep.kill()
        subprocess.run([ROOT / "tests" / "slurm.sh", "stop", one], check=True)
    assert run(tmp_path, "sweep", "four.ini", "--name", "local").wait() == 0
    (weights, losses), (others, other_losses) = (made_in(tmp_path / "results" / name) for name in ("local", "slurm"))
    torch.testing.assert_close(weights, others, rtol=0, atol=0)
    assert losses == other_losses and len(weights) == len(losses) == 4
    assert list((tmp_path / "runs" / "slurm" / "slurm").glob("*_log.out"))
