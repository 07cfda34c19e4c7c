"""What can go wrong with a run: files of another run, NaN, full disks, broken pictures."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tiny_jepa.commands import train as cli
from tiny_jepa.errors import UserError
from tiny_jepa.training.run import Run
from tiny_jepa.training.train import Trainer
from tiny_jepa.weights import read_weights

ROOT = Path(__file__).resolve().parent.parent
TINY = ["--budget", "150", "--encode-steps", "4", "--encode-batch", "4", "--cached", "40", "--predict-steps", "6"]
TINY += ["--predict-batch", "16", "--auditions", "1"]


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


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"[]"])
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
    "a gate beyond the limit": (lambda c: c | {"architecture": {"gate_widths": [99, 99]}}, "the budget allows 150"),
    "other data": (lambda c: c | {"data": "nowhere"}, "no such data folder: nowhere"),
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
    with pytest.raises(UserError, match="is finished: its weights are"):
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
    runs = [Run.new(tmp_path / "runs", "race") for _ in range(3)]
    assert [run.folder.name for run in runs] == ["race", "race-2", "race-3"]
    with pytest.raises(UserError, match="another process trains in"):
        Run(runs[0].folder)
    for run in runs:
        with run:
            pass
    with Run(runs[0].folder):
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
    with pytest.raises(UserError, match=r"model_weights\.pth is a folder"):  # before the work
        cli.main(TINY)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a small file system")
def test_a_full_disk_at_any_point_leaves_a_run_that_can_go_on(tmp_path):
    environment = {"PYTHONPATH": str(ROOT), "TINY_JEPA_CHECKPOINT_SECONDS": "0", "OMP_NUM_THREADS": "1"}

    def train(*arguments):
        command = [sys.executable, str(ROOT / "train.py"), *arguments]
        environ = os.environ | environment
        return subprocess.run(command, cwd=disk, env=environ, capture_output=True, text=True, timeout=600)

    disk, ended, long = tmp_path / "disk", 0, [*TINY, "--encode-steps", "60", "--predict-steps", "60"]
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("cannot mount")
    try:
        assert train(*long, "--name", "whole").returncode == 0
        whole = read_weights(disk / "runs" / "whole" / "weights.pth")[0].state_dict()
        for left in range(8, 44, 4):  # kB for the run: from nothing to nearly enough
            shutil.rmtree(disk / "runs")
            (disk / "model_weights.pth").unlink(missing_ok=True)
            (disk / "ballast").write_bytes(b"x" * (300 - left) * 1024)
            done = train(*long, "--name", "run")
            (disk / "ballast").unlink()
            if done.returncode:
                assert done.stderr.count("error:") == 1 and "cannot write" in done.stderr
                if (disk / "runs" / "run" / "checkpoint.pth").exists():
                    ended += 1
                    assert train("--resume", "run").returncode == 0
            if (path := disk / "runs" / "run" / "weights.pth").exists():
                found = read_weights(path)[0].state_dict()
                assert all(torch.equal(found[name], whole[name]) for name in whole)
        assert ended >= 3
    finally:
        subprocess.run(["umount", str(disk)], check=False)
