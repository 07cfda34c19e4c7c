"""What can go wrong with a run, and does not go wrong in silence.

1. A checkpoint or config.json that is broken, or another run's, gets a sentence; a flipped byte is found or harmless.
2. What is not finite stops a run, and is never saved or installed.
3. A folder belongs to one run, and to one process.
4. Finished work is installed, whatever pictures and boards do.
5. A full disk, at any of ten points, leaves a checkpoint from which the run ends with the same weights.
"""

import copy
import csv
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tiny_jepa.commands import train as cli
from tiny_jepa.errors import UserError
from tiny_jepa.training.run import Run, read_config
from tiny_jepa.training.trainer import Trainer
from tiny_jepa.weights import read_weights

ROOT = Path(__file__).resolve().parent.parent
TINY = ["--budget", "150", "--encode-steps", "4", "--encode-batch", "4", "--cached", "40", "--predict-steps", "6"]
TINY += ["--predict-batch", "16", "--auditions", "1"]


def interrupted_at(step, run, monkeypatch, *arguments):
    """A run that is stopped after `step` steps, as Ctrl-C stops it."""
    original = Trainer.run

    def stopping(trainer, after_step):
        def count(*seen):
            after_step(*seen)
            if trainer.step == step:
                raise KeyboardInterrupt

        original(trainer, count)

    monkeypatch.setattr(Trainer, "run", stopping)
    assert cli.main([*TINY, "--name", run, *arguments]) == 130
    monkeypatch.setattr(Trainer, "run", original)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A folder with the run `a`, stopped in phase 2."""
    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(root)
        interrupted_at(7, "a", monkeypatch)
    return root


@pytest.fixture
def folder(stopped, tmp_path, monkeypatch):
    shutil.copytree(stopped / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs" / "a"


def resume(**changes):
    return cli.main(["--resume", "a", "--no-install"])


def flat(value):
    if isinstance(value, dict):
        return [part for key in value for part in flat(value[key])]
    return [value.tolist()] if isinstance(value, torch.Tensor) else [value]


BROKEN = {
    "empty": b"",
    "a text": b"hello",
    "no UTF-8": b"\xff\xfe\x00",
    "a list": b"[]",
    "a number": b"3",
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("name", ["checkpoint.pth", "config.json"])
def test_a_file_of_something_else_gets_a_sentence(folder, name, kind):
    (folder / name).write_bytes(BROKEN[kind])
    with pytest.raises(UserError, match=rf"{name}") as raised:
        resume()
    assert "\n" not in str(raised.value)


CHECKPOINTS = {
    "a list": lambda c: [c],
    "no step": lambda c: {k: v for k, v in c.items() if k != "step"},
    "no phases": lambda c: {k: v for k, v in c.items() if k != "phases"},
    "a negative step": lambda c: c | {"step": -1},
    "a step beyond the end": lambda c: c | {"step": 11},
    "a step that is a text": lambda c: c | {"step": "7"},
    "a step that is true": lambda c: c | {"step": True},
    "no optimizer": lambda c: c | {"optimizer": None},
    "an empty optimizer": lambda c: c | {"optimizer": {"state": {}, "param_groups": []}},
    "seconds that are none": lambda c: c | {"seconds": float("nan")},
    "no model": lambda c: c | {"model": {}},
    "a model of another shape": lambda c: c | {"model": {k: torch.ones(3, 3) for k in c["model"]}},
    "a model that is not finite": lambda c: c | {"model": {k: v * float("nan") for k, v in c["model"].items()}},
    "moments of another shape": lambda c: reshaped(c),
    "another phase": lambda c: c | {"phases": {"encode": c["phases"]["encode"]}},
    "another version": lambda c: c | {"format": 1},
}


def reshaped(content):
    content = copy.deepcopy(content)
    for moments in content["optimizer"]["state"].values():
        moments["exp_avg"] = torch.ones(7)
    return content


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_a_checkpoint_of_something_else_gets_a_sentence(folder, kind):
    path = folder / "checkpoint.pth"
    torch.save(CHECKPOINTS[kind](torch.load(path, weights_only=True)), path)
    with pytest.raises(UserError, match=r"checkpoint\.pth") as raised:
        resume()
    assert "\n" not in str(raised.value)


CONFIGS = {
    "nothing": lambda c: {},
    "no data": lambda c: {k: v for k, v in c.items() if k != "data"},
    "a budget that is a number": lambda c: c | {"budget": 150},
    "a limit that is true": lambda c: c | {"budget_limit": True},
    "an unknown key": lambda c: c | {"training": c["training"] | {"wings": 2}},
    "an infinite rate": lambda c: c | {"training": c["training"] | {"clip": float("inf")}},
    "a step that is a list": lambda c: c | {"training": c["training"] | {"predict_steps": [1]}},
    "a batch of nothing": lambda c: c | {"training": c["training"] | {"predict_batch": 0}},
    "another gate": lambda c: c | {"architecture": c["architecture"] | {"gate_widths": [3, 3]}},
    "a gate without width": lambda c: c | {"architecture": c["architecture"] | {"gate_widths": []}},
    "a gate beyond the limit": lambda c: c | {"architecture": c["architecture"] | {"gate_widths": [99, 99]}},
    "an open quote": lambda c: c | {"command": "python train.py --name 'x"},
    "other data": lambda c: c | {"data": "nowhere"},
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_configuration_of_something_else_gets_a_sentence(folder, kind):
    path = folder / "config.json"
    path.write_text(json.dumps(CONFIGS[kind](json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")
    with pytest.raises(UserError) as raised:
        resume()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_a_flipped_byte_of_a_checkpoint_is_found_or_harmless(folder, count):
    def restored():
        budget = cli.budget_of(read_config(folder))
        dataset = cli.open_source("procedural").require("train")
        trainer = Trainer(cli.build(budget.architecture, 150), dataset, budget.training, torch.device("cpu"))
        with Run(folder) as run:
            run.restore(trainer)
        return flat(trainer.state())

    path, rng, expected, refusals = folder / "checkpoint.pth", random.Random(0), restored(), 0
    content = path.read_bytes()
    for _ in range(count):
        flipped = bytearray(content)
        flipped[rng.randrange(len(flipped))] ^= rng.randrange(1, 256)
        path.write_bytes(flipped)
        try:
            assert restored() == expected
        except UserError:
            refusals += 1
    assert refusals > count / 3


def test_a_world_that_a_file_names_is_not_imported(folder, monkeypatch):
    root = folder.parent.parent
    monkeypatch.syspath_prepend(root)
    (root / "evil.py").write_text("open('ran', 'w')\nfrom tiny_jepa.worlds.two_rooms import TWO_ROOMS as W\n")
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"world": "evil:W"}))
    with pytest.raises(UserError, match="does not come with tiny_jepa; if you trust its code, say so"):
        resume()
    assert not (root / "ran").exists()
    assert cli.main(["--resume", "a", "--no-install", "--world", "evil:W"]) == 0
    assert (root / "ran").exists()


def test_a_finished_run_says_that_it_is_finished(folder, capsys):
    assert resume() == 0
    with pytest.raises(UserError, match="is finished: its weights are"):
        resume()


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
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="cannot write"):
        Run.new(tmp_path / "file", "x")


def broken(*_, **__):
    raise TypeError("Descriptors cannot be created directly\nIf this call came from a _pb2.py file")


def test_finished_work_is_installed_whatever_pictures_and_boards_do(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "draw_run", broken)
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = broken
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    assert cli.main(TINY) == 0
    assert read_weights(tmp_path / "model_weights.pth")[1]["steps"] == 10
    out = capsys.readouterr().out
    assert "TensorBoard does not work (TypeError: Descriptors" in out and "no picture of the run" in out
    module.SummaryWriter = type("Writer", (), {"__init__": lambda *_, **__: None, "add_scalar": broken})
    assert cli.main(TINY) == 0  # a board that breaks on the way
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard")
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    capsys.readouterr()
    assert cli.main(TINY) == 0 and "TensorBoard" not in capsys.readouterr().out  # absent: nothing to say


def test_a_folder_that_vanishes_and_one_that_cannot_be_written_are_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("tensorboard", "torch.utils.tensorboard"):  # it has a thread that writes, too
        monkeypatch.setitem(sys.modules, name, None)
    original = Trainer.run
    monkeypatch.setattr(Trainer, "run", lambda *given: (shutil.rmtree("runs"), original(*given)))
    with pytest.raises(UserError, match=r"cannot write .*log\.csv|is gone"):
        cli.main(TINY)
    assert not (tmp_path / "model_weights.pth").exists()
    (tmp_path / "model_weights.pth").mkdir()
    with pytest.raises(UserError, match=r"model_weights\.pth is a folder"):  # before the work
        cli.main(TINY)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a small file system")
def test_a_full_disk_at_any_point_leaves_a_run_that_can_go_on(tmp_path):
    def train(*arguments):
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "TINY_JEPA_CHECKPOINT_SECONDS": "0",
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, str(ROOT / "train.py"), *arguments]
        return subprocess.run(command, cwd=disk, env=environment, capture_output=True, text=True, timeout=600)

    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("cannot mount")
    try:
        long = ["--encode-steps", "60", "--predict-steps", "60"]
        assert train(*TINY, *long, "--name", "whole").returncode == 0
        whole = read_weights(disk / "runs" / "whole" / "weights.pth")[0].state_dict()
        shutil.rmtree(disk / "runs")
        (disk / "model_weights.pth").unlink()
        ended = 0
        for left in range(0, 100, 10):  # kB for the run: from nothing to nearly enough
            (disk / "ballast").write_bytes(b"x" * (300 - left) * 1024 if left else b"x" * 290 * 1024)
            done = train(*TINY, *long, "--name", f"run{left}")
            assert "Traceback" not in done.stderr, done.stderr
            if done.returncode:
                assert done.stderr.count("error:") == 1 and "cannot write" in done.stderr
            (disk / "ballast").unlink()
            if done.returncode and (disk / "runs" / f"run{left}" / "checkpoint.pth").exists():
                again = train("--resume", f"run{left}")
                assert again.returncode == 0, again.stderr
                ended += 1
            if (path := disk / "runs" / f"run{left}" / "weights.pth").exists():
                found = read_weights(path)[0].state_dict()
                assert all(torch.equal(found[name], whole[name]) for name in whole)
            shutil.rmtree(disk / "runs", ignore_errors=True)
            (disk / "model_weights.pth").unlink(missing_ok=True)
        assert ended >= 3
    finally:
        subprocess.run(["umount", str(disk)], check=False)
