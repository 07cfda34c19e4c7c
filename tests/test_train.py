"""train.py as its users run it: repeatable, resumed to the same weights wherever it ends, and plain about bad runs."""

import copy
import csv
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from tiny_jepa import build_model
from tiny_jepa.commands import train as cli
from tiny_jepa.commands.train import read_options
from tiny_jepa.data import open_source
from tiny_jepa.data.writing import draft, write_sets
from tiny_jepa.errors import UserError
from tiny_jepa.training import run as runs
from tiny_jepa.training import train as training
from tiny_jepa.training.train import Trainer
from tiny_jepa.training.watch import plateau
from tiny_jepa.weights import read_weights
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, Geometry
from tiny_jepa.worlds.two_rooms.sets import ProceduralSet, SetRecipe

ROOT = Path(__file__).resolve().parent.parent
SHORT = ["--budget", "150", "--encode-steps", "30", "--encode-batch", "16", "--cached", "300", "--auditions", "1"]
SHORT += ["--predict-steps", "170", "--predict-batch", "64"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


OFTEN = "import tiny_jepa.errors, tiny_jepa.training.run as run; run.CHECKPOINT_SECONDS = 0.2"
OFTEN += "; tiny_jepa.errors.run_command('train')"


def started(folder, *arguments):
    command = [sys.executable, "-c", OFTEN, *arguments]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)


def train(folder, *arguments):
    done = started(folder, *arguments)
    assert done.returncode == 0, done.stderr[-2000:]
    return done


def state(path):
    return torch.load(path, weights_only=True)["state_dict"]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_a_run_leaves_weights_log_and_configuration_and_installs(tmp_path):
    done = train(tmp_path, *SHORT, "--seed", "5", "--runs=runs")
    run = tmp_path / "runs" / "150-seed5"
    assert "procedural" in done.stdout and "150 of 150 trainable parameters" in done.stdout
    model, metadata = read_weights(tmp_path / "model_weights.pth")
    assert same(model.state_dict(), state(run / "weights.pth"))
    assert metadata["command"] == "python train.py " + " ".join(SHORT) + " --seed 5"
    assert metadata["machine"]["host"] and metadata["machine"]["threads"] == 1
    assert metadata["sets_read"] == ["train"] and metadata["steps"] == 200 and metadata["parameters"] == 150
    config = json.loads((run / "config.json").read_text())
    assert config["training"]["seed"] == 5 and config["architecture"]["gate_widths"] == [9]
    rows = list(csv.DictReader((run / "log.csv").open()))
    assert [int(row["step"]) for row in rows] == [50, 100, 150, 200]
    assert [row["phase"] for row in rows] == ["predict"] * 4
    assert {"loss", "std_x", "std_y", "one_step", "reckoned", "still"} <= set(rows[0])
    assert not (run / "checkpoint.pth").exists()
    assert (run / "run.png").read_bytes().startswith(b"\x89PNG") and "run.png" in done.stdout
    # a second run gets its own folder, the same weights, and keeps the earlier file
    train(tmp_path, *SHORT, "--seed", "5")
    second = tmp_path / "runs" / "150-seed5-2"
    assert same(state(second / "weights.pth"), state(run / "weights.pth"))
    assert (second / "previous_model_weights.pth").read_bytes() == (run / "weights.pth").read_bytes()
    train(tmp_path, *SHORT, "--seed", "6", "--no-install")
    assert same(state(tmp_path / "model_weights.pth"), state(run / "weights.pth"))


def interrupt_somewhere(folder, name, after, sign, options=SHORT):
    """Starts a run, ends it with a signal once its checkpoint has appeared and `after` seconds have passed."""
    arguments = ["--resume", name] if (folder / "runs" / name).exists() else [*options, "--name", name, "--no-install"]
    process = subprocess.Popen(
        [sys.executable, "-c", OFTEN, *arguments], cwd=folder, env=ENVIRONMENT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's `&` leaves it ignored
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (folder / "runs" / name / "checkpoint.pth").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(after)
    process.send_signal(sign)
    return process.communicate(timeout=60)[0], process.returncode


@pytest.mark.parametrize("seed", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in range(1, 6))])
def test_killed_and_resumed_runs_end_with_identical_weights(tmp_path, seed):
    train(tmp_path, *SHORT, "--name", "whole", "--no-install")
    rng, killed, whole = random.Random(seed), tmp_path / "runs" / "killed", tmp_path / "runs" / "whole"
    for _ in range(2 + 2 * (seed > 0)):
        if not (killed / "weights.pth").exists():
            interrupt_somewhere(tmp_path, "killed", rng.uniform(0.0, 4.0), signal.SIGKILL)
    if not (killed / "weights.pth").exists():
        train(tmp_path, "--resume", "killed", "--no-install")
    assert same(state(whole / "weights.pth"), state(killed / "weights.pth"))
    assert [row["step"] for row in csv.DictReader((killed / "log.csv").open())] == ["50", "100", "150", "200"]


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_saves_and_says_how_to_go_on(tmp_path, sign):
    endless = [*SHORT, "--encode-steps", "1000000"]  # it cannot have ended when the signal comes
    out, code = interrupt_somewhere(tmp_path, "stopped", 3.0, sign, endless)
    assert code == 130 and "go on with: python train.py --resume stopped" in out
    step = int(out.split("stopped at step ")[1].split(";")[0])
    assert step == torch.load(tmp_path / "runs" / "stopped" / "checkpoint.pth", weights_only=True)["step"]


def interrupted(monkeypatch, place, name, at, arguments):
    """Runs train.py; the call number `at` of a function is followed by Ctrl-C."""
    original, calls = getattr(place, name), []

    def wrapped(*given):
        done = original(*given)
        calls.append(name)
        if len(calls) == at:
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as patch:
        patch.setattr(place, name, wrapped)
        assert cli.main(arguments) == 130


def test_an_interrupt_leaves_a_checkpoint_of_whole_steps_alone(tmp_path, monkeypatch):
    """Ctrl-C where Adam has stepped and the step is not yet counted, or phase 2 has begun to change the gate. Frames
    are read from files."""
    monkeypatch.chdir(tmp_path)
    drawn = ProceduralSet("train", SetRecipe("explore", 300), Geometry(size=65), 0, "float32")
    write_sets([draft(drawn, tmp_path / "files/train", {})])
    arguments = [*SHORT, "--encode-steps", "4", "--predict-steps", "8", "--data", "files", "--no-install"]
    arguments += ["--auditions", "2", "--audition-steps", "3"]
    assert cli.main([*arguments, "--name", "whole"]) == 0
    wanted = state(tmp_path / "runs" / "whole" / "weights.pth")
    places = (torch.optim.Adam, "step", 2), (torch.optim.Adam, "step", 12), (training, "fit_action", 1)
    for number, place in enumerate((*places, (training, "best_gate", 1))):
        interrupted(monkeypatch, *place, [*arguments, "--name", f"run{number}"])
        assert cli.main(["--resume", f"run{number}", "--no-install"]) == 0
        assert same(state(tmp_path / "runs" / f"run{number}" / "weights.pth"), wanted)


def test_runs_resume_at_any_step():
    config = read_options([*SHORT, "--encode-steps", "2", "--predict-steps", "14"])[1].training
    dataset = open_source("procedural", TWO_ROOMS).require("train")

    def trainer():
        torch.manual_seed(0)
        return Trainer(build_model("150"), dataset, config, torch.device("cpu"))

    whole = trainer()
    states = [copy.deepcopy(whole.state()) for _ in whole.run()]
    for i in (0, 1, 4, 6, 10, 14):  # phase 1 ends after the second step
        again = trainer()
        again.load_state(states[i])
        assert len(list(again.run())) == 15 - i
        assert same(again.model.state_dict(), whole.model.state_dict())


CODES = {
    r"collapsed: codes spread by 0\.001": lambda n, t: 1e-3 * torch.randn(n, t, 2),
    "codes are not finite": lambda n, t: torch.full((n, t, 2), torch.nan),
    "nothing moves in the frames": lambda n, t: torch.randn(n, 1, 2).expand(n, t, 2),
}


@pytest.mark.parametrize("says", CODES)
def test_a_collapse_is_begun_again_and_then_named(monkeypatch, says):
    dataset = open_source("procedural", TWO_ROOMS).require("train")
    config = replace(read_options(SHORT)[1].training, encode_steps=2, cached=20)
    trainer = Trainer(build_model("150"), dataset, config, torch.device("cpu"))
    monkeypatch.setattr(trainer.model, "encode_agent", lambda frames: CODES[says](*frames.shape[:2]))
    with pytest.raises(UserError, match=f"3 starts: {says}"):
        list(trainer.run())


def test_a_plateau_says_what_it_is():
    assert plateau({"one_step": 0.01, "reckoned": 0.1}) is None
    assert "walls were not learned" in plateau({"one_step": 0.09, "reckoned": 0.1})


def test_options_override_the_budget_and_name_the_command_that_trains_the_same_weights():
    where = ["--name", "x", "--runs=a", "--no-install"]
    what = ["--cached", "9", "--agent_kernel", "3", "--clip", "3", "--budget", "777", "--gate-widths", "3,3"]
    _, budget, command = read_options([*where, *what, "--data", "my data"])
    assert budget.training.cached == 9 and budget.training.clip == 3.0 and budget.architecture.agent_kernel == 3
    assert command == (
        "python train.py --budget 777 --data 'my data' --cached 9 --clip 3.0 --agent-kernel 3 --gate-widths 3,3"
    )
    assert read_options(shlex.split(command)[2:])[1] == budget


TINY = [*SHORT, "--encode-steps", "4", "--encode-batch", "4", "--cached", "40", "--predict-steps", "6"]
TINY += ["--predict-batch", "16"]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A folder with the run `a`, stopped after 7 of 10 steps as Ctrl-C stops it."""
    root, original = tmp_path_factory.mktemp("runs"), Trainer.run

    def stopping(trainer):
        for step in original(trainer):
            yield step
            if trainer.step == 7:
                raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(root)
        monkeypatch.setattr(Trainer, "run", stopping)
        assert cli.main([*TINY, "--name", "a"]) == 130
    return root


@pytest.fixture
def folder(stopped, tmp_path, monkeypatch):
    shutil.copytree(stopped / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs" / "a"


def resume(*more):
    return cli.main(["--resume", "a", "--no-install", *more])


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"[]", b'{"seed": 1, "seed": 2}'])
@pytest.mark.parametrize("name", ["checkpoint.pth", "config.json"])
def test_a_file_of_something_else_gets_a_sentence(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=name):
        resume()


CHECKPOINTS = {
    "no step": lambda c: {k: v for k, v in c.items() if k != "step"},
    "a step beyond the end": lambda c: c | {"step": 11},
    "no optimizer": lambda c: c | {"optimizer": None},
    "seconds that are none": lambda c: c | {"seconds": float("nan")},
    "a model of another shape": lambda c: c | {"model": {k: torch.ones(3, 3) for k in c["model"]}},
    "a model that is not finite": lambda c: c | {"model": {k: v * float("nan") for k, v in c["model"].items()}},
    "moments of another shape": lambda c: (
        [each.update(exp_avg=torch.ones(7)) for each in c["optimizer"]["state"].values()] and c
    ),
    "another version": lambda c: c | {"format": 1},
}


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_a_checkpoint_of_something_else_gets_a_sentence(folder, kind):
    path = folder / "checkpoint.pth"
    torch.save(CHECKPOINTS[kind](torch.load(path, weights_only=True)), path)
    with pytest.raises(UserError, match=r"checkpoint\.pth") as raised:
        resume()
    assert "\n" not in str(raised.value)


CONFIGS = {
    "nothing": (lambda c: {}, "config.json .*missing key"),
    "an unknown key": (lambda c: c | {"training": c["training"] | {"wings": 2}}, "unknown key 'training.wings'"),
    "another gate": (lambda c: c | {"architecture": {"gate_widths": [3, 3]}}, "no checkpoint of this run"),
    "a gate beyond all": (lambda c: c | {"architecture": {"gate_widths": [10**7] * 9}}, "config.json: .* allows 150"),
    "other data": (lambda c: c | {"data": "nowhere"}, "config.json: no such data folder: nowhere"),
    "a world that has to be imported": (lambda c: c | {"world": "evil:W"}, "if you trust its code"),
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_configuration_of_something_else_gets_a_sentence(folder, kind):
    path, (change, says) = folder / "config.json", CONFIGS[kind]
    path.write_text(json.dumps(change(json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")
    with pytest.raises(UserError, match=says) as raised:
        resume()
    assert "\n" not in str(raised.value)


def test_a_resumed_run_keeps_its_own_settings(folder, capsys):
    for words in (["--clip", "2"], ["--budget", "2k"], ["--gate-widths", "3"], ["--data", "procedural:seed=1"]):
        with pytest.raises(UserError, match=f"the run's own settings; leave out {words[0]}"):
            resume(*words)
    assert resume("--seed", "0", "--world", "two_rooms") == 0  # what is so anyway
    with pytest.raises(UserError, match="is missing; the run is finished"):
        resume()


def test_a_world_that_the_command_line_names_is_imported(folder, monkeypatch):
    root, path = folder.parent.parent, folder / "config.json"
    monkeypatch.syspath_prepend(root)
    (root / "evil.py").write_text("from tiny_jepa.worlds.two_rooms import TWO_ROOMS as W\n")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"world": "evil:W"}))
    assert resume("--world", "evil:W") == 0


def test_half_a_row_of_the_log_is_dropped(folder):
    log = folder / "log.csv"
    with log.open("a", encoding="utf-8") as file:
        file.write("step,phase,seconds,lr,loss\n5,encode,0.1,0.2,0.3\n1")  # a header, a row, and what a full disk left
    assert resume() == 0
    rows = list(csv.DictReader(log.open(encoding="utf-8")))
    assert [row["step"] for row in rows] == ["5", "10"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_stops_a_run_and_is_never_installed(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    original = torch.optim.Adam.step

    def explode(optimizer, *given):
        original(optimizer, *given)
        optimizer.param_groups[0]["params"][0].data.fill_(value)

    monkeypatch.setattr(torch.optim.Adam, "step", explode)
    with pytest.raises(UserError, match=r"the run stopped|not finite"):
        cli.main(TINY)
    assert not list(tmp_path.rglob("*weights.pth"))
    for path in tmp_path.rglob("checkpoint.pth"):
        assert all(part.isfinite().all() for part in torch.load(path, weights_only=True)["model"].values())


def test_a_folder_belongs_to_one_run_and_one_process(tmp_path):
    three = [runs.Run.new(tmp_path / "runs", "race") for _ in range(3)]
    assert [run.folder.name for run in three] == ["race", "race-2", "race-3"]
    with pytest.raises(UserError, match="another process trains in"):
        runs.Run(three[0].folder)
    (tmp_path / "b" / "log.csv").mkdir(parents=True)
    with pytest.raises(UserError, match=r"log\.csv is a folder"):
        runs.Run(tmp_path / "b")
    for run in three:
        with run:
            pass
    with runs.Run(three[0].folder):
        pass


def test_finished_work_is_installed_whatever_pictures_do(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "draw_run", lambda _: 1 // 0)
    assert cli.main(TINY) == 0
    assert read_weights(tmp_path / "model_weights.pth")[1]["steps"] == 10
    assert "no picture of the run" in capsys.readouterr().out


def test_a_folder_that_vanishes_and_one_that_cannot_be_written_are_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    original = Trainer.run
    monkeypatch.setattr(Trainer, "run", lambda trainer: (shutil.rmtree("runs"), original(trainer))[1])
    with pytest.raises(UserError, match=r"cannot write .*log\.csv|is gone"):
        cli.main(TINY)
    assert not (tmp_path / "model_weights.pth").exists()
    (tmp_path / "model_weights.pth").mkdir()
    with pytest.raises(UserError, match=r"--no-install .*model_weights\.pth is a folder"):  # before the work
        cli.main(TINY)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a small file system")
def test_a_full_disk_at_any_point_leaves_a_run_that_can_go_on(tmp_path):
    disk, ended, long = tmp_path / "disk", 0, [*TINY, "--encode-steps", "60", "--predict-steps", "60"]
    disk.mkdir()
    start = partial(started, disk)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("cannot mount")
    try:
        assert start(*long, "--name", "whole").returncode == 0
        whole = read_weights(disk / "runs" / "whole" / "weights.pth")[0].state_dict()
        for left in range(8, 44, 4):  # kB for the run: from nothing to nearly enough
            shutil.rmtree(disk / "runs")
            (disk / "model_weights.pth").unlink(missing_ok=True)
            (disk / "ballast").write_bytes(b"x" * (300 - left) * 1024)
            done = start(*long, "--name", "run")
            (disk / "ballast").unlink()
            if done.returncode:
                assert done.stderr.count("error:") == 1 and "cannot write" in done.stderr
                if (disk / "runs" / "run" / "checkpoint.pth").exists():
                    ended += 1
                    assert start("--resume", "run").returncode == 0
            if (path := disk / "runs" / "run" / "weights.pth").exists():
                found = read_weights(path)[0].state_dict()
                assert all(torch.equal(found[name], whole[name]) for name in whole)
        assert ended >= 3
    finally:
        subprocess.run(["umount", str(disk)], check=False)
