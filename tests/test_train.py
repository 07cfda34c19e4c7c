"""train.py as its users run it: repeatable, resumed to the same weights wherever it ends, and plain about bad runs."""

import copy
import csv
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
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


def train(folder, *arguments):
    command = [sys.executable, str(ROOT / "train.py"), *arguments]
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
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
        [sys.executable, str(ROOT / "train.py"), *arguments],
        cwd=folder, env=ENVIRONMENT | {"TINY_JEPA_CHECKPOINT_SECONDS": "0.2"}, text=True,
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


def test_a_run_from_files_resumes_to_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drawn = ProceduralSet("train", SetRecipe("explore", 300), Geometry(size=65), 0, "float32")
    write_sets([draft(drawn, tmp_path / "files/train", {})])
    arguments = [*SHORT, "--encode-steps", "8", "--predict-steps", "4", "--data", "files", "--no-install"]
    assert cli.main([*arguments, "--name", "whole"]) == 0
    monkeypatch.setattr(runs, "CHECKPOINT_SECONDS", 0.0)
    interrupted(monkeypatch, torch.optim.Adam, "step", 5, [*arguments, "--name", "resumed"])
    assert cli.main(["--resume", "resumed", "--no-install"]) == 0
    assert same(*(state(tmp_path / "runs" / name / "weights.pth") for name in ("whole", "resumed")))


def test_an_interrupt_leaves_a_checkpoint_of_whole_steps_alone(tmp_path, monkeypatch):
    """Ctrl-C where Adam has stepped and the step is not yet counted, or phase 2 has begun to change the gate."""
    monkeypatch.chdir(tmp_path)
    arguments = [*SHORT, "--encode-steps", "4", "--predict-steps", "8", "--no-install"]
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


@pytest.mark.parametrize("spread", [1e-3, float("nan")])
def test_a_collapse_is_begun_again_and_then_named(monkeypatch, spread):
    dataset = open_source("procedural", TWO_ROOMS).require("train")
    config = replace(read_options(SHORT)[1].training, encode_steps=2, cached=20)
    trainer = Trainer(build_model("150"), dataset, config, torch.device("cpu"))
    monkeypatch.setattr(trainer.model, "encode_agent", lambda frames: spread * torch.randn(*frames.shape[:2], 2))
    with pytest.raises(UserError, match=r"3 starts: (collapsed: codes spread by 0\.001|codes are not finite)"):
        list(trainer.run())


def test_a_plateau_says_what_it_is():
    assert plateau({"one_step": 0.01, "reckoned": 0.1}) is None
    assert "walls were not learned" in plateau({"one_step": 0.09, "reckoned": 0.1})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--gate-widths 500,500", "the budget allows 2,000"),
        ("--resume nothing", "no run in runs/nothing"),
        ("--budget 150 --runs taken", "cannot write taken"),
    ],
)
def test_bad_input_gets_one_sentence(tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match=says) as raised:
        cli.main(arguments.split())
    assert "\n" not in str(raised.value) and not list(tmp_path.rglob("*.pth"))


def test_options_override_the_budget_and_name_the_command_that_trains_the_same_weights():
    where = ["--name", "x", "--runs=a", "--no-install"]
    what = ["--cached", "9", "--agent_kernel", "3", "--clip", "3", "--budget", "777", "--gate-widths", "3,3"]
    _, budget, command = read_options([*where, *what, "--data", "my data"])
    assert budget.training.cached == 9 and budget.training.clip == 3.0 and budget.architecture.agent_kernel == 3
    assert command == (
        "python train.py --budget 777 --data 'my data' --cached 9 --clip 3.0 --agent-kernel 3 --gate-widths 3,3"
    )
    assert read_options(shlex.split(command)[2:])[1] == budget
