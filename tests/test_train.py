"""train.py as its users run it: a short run end to end, kill and resume, collapse, bad input."""

import copy
import csv
import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from tiny_jepa import build_model
from tiny_jepa.data import ProceduralSet, SetRecipe, open_source
from tiny_jepa.data.generate import write_set
from tiny_jepa.errors import UserError
from tiny_jepa.files import locked
from tiny_jepa.models.encoder import with_edges
from tiny_jepa.models.predictor import GatedCell
from tiny_jepa.settings import TrainingConfig
from tiny_jepa.training import cli, predict
from tiny_jepa.training.cli import read_options
from tiny_jepa.training.one_step import one_step_error, one_step_terms
from tiny_jepa.training.run import essential
from tiny_jepa.training.trainer import Trainer
from tiny_jepa.training.transitions import Strata, fit_action, undecided
from tiny_jepa.training.watch import Seen, Watch, effective_rank, plateau
from tiny_jepa.weights import read_weights
from tiny_jepa.worlds.codes import Codes, Transitions
from tiny_jepa.worlds.two_rooms import UNIT, Geometry
from tiny_jepa.worlds.two_rooms.dynamics import step
from tiny_jepa.worlds.two_rooms.vary import Variation

ROOT = Path(__file__).resolve().parent.parent
SHORT = ["--budget", "150", "--encode-steps", "30", "--encode-batch", "16", "--cached", "300"]
SHORT += ["--predict-steps", "170", "--predict-batch", "64", "--auditions", "1"]


def train(folder, *arguments, check=True, timeout=120):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "train.py"), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout)
    assert not check or done.returncode == 0, done.stderr[-2000:]
    return done


def state(path):
    return torch.load(path, weights_only=True)["state_dict"]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_a_run_leaves_weights_log_and_configuration_and_installs(tmp_path):
    done = train(tmp_path, *SHORT, "--seed", "5")
    run = tmp_path / "runs" / "150-seed5"
    assert "procedural" in done.stdout and "149 of 150 trainable parameters" in done.stdout
    model, metadata = read_weights(tmp_path / "model_weights.pth")
    assert same(model.state_dict(), state(run / "weights.pth"))
    assert metadata["command"] == "python train.py " + " ".join(SHORT) + " --seed 5"
    assert metadata["machine"]["host"] and metadata["machine"]["threads"] == 1
    assert metadata["sets_read"] == ["train"] and metadata["steps"] == 200 and metadata["parameters"] == 149
    config = json.loads((run / "config.json").read_text())
    assert config["training"]["seed"] == 5 and config["architecture"]["gate_widths"] == [7, 9]
    rows = list(csv.DictReader((run / "log.csv").open()))
    assert [int(row["step"]) for row in rows] == [50, 100, 150, 200]
    assert [row["phase"] for row in rows] == ["predict"] * 4
    assert {"loss", "std_x", "std_layout0", "rank", "one_step", "reckoned", "still"} <= set(rows[0])
    assert not (run / "checkpoint.pth").exists()
    assert (run / "run.png").read_bytes().startswith(b"\x89PNG") and "run.png" in done.stdout
    if importlib.util.find_spec("tensorboard"):
        assert list((run / "tensorboard").glob("events.*"))
    # a second run gets its own folder, the same weights, and keeps the earlier file
    train(tmp_path, *SHORT, "--seed", "5")
    assert same(state(tmp_path / "runs" / "150-seed5-2" / "weights.pth"), state(run / "weights.pth"))
    assert (tmp_path / "runs" / "150-seed5-2" / "previous_model_weights.pth").read_bytes() == (
        run / "weights.pth"
    ).read_bytes()
    train(tmp_path, *SHORT, "--seed", "6", "--no-install")
    assert same(state(tmp_path / "model_weights.pth"), state(run / "weights.pth"))


def interrupt_somewhere(folder, name, after, sign, options=SHORT):
    """Starts a run, ends it with a signal once its checkpoint has appeared and `after` seconds have passed."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "TINY_JEPA_CHECKPOINT_SECONDS": "0.2"}
    arguments = ["--resume", name] if (folder / "runs" / name).exists() else [*options, "--name", name, "--no-install"]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *arguments],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's `&` leaves it ignored
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (folder / "runs" / name / "checkpoint.pth").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(after)
    process.send_signal(sign)
    return process.communicate(timeout=60)[0], process.returncode


def resume_until_done(folder, name, kills, rng):
    for _ in range(kills):
        if not (folder / "runs" / name / "weights.pth").exists():
            interrupt_somewhere(folder, name, rng.uniform(0.0, 4.0), signal.SIGKILL)
    if not (folder / "runs" / name / "weights.pth").exists():
        train(folder, "--resume", name, "--no-install")


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_and_resumed_runs_end_with_identical_weights(tmp_path, kills):
    train(tmp_path, *SHORT, "--name", "whole", "--no-install")
    rng = random.Random(kills)
    for i in range(max(1, kills // 4)):
        resume_until_done(tmp_path, f"killed{i}", 4 if kills > 2 else kills, rng)
        assert same(state(tmp_path / "runs" / "whole" / "weights.pth"), state(tmp_path / f"runs/killed{i}/weights.pth"))
        steps = [row["step"] for row in csv.DictReader((tmp_path / f"runs/killed{i}/log.csv").open())]
        assert steps == ["50", "100", "150", "200"]


def test_a_lock_ends_though_a_reader_still_has_the_file_open(tmp_path):
    with locked(tmp_path / ".lock", "taken") as file:
        forked = os.dup(file.fileno())
    with (
        locked(tmp_path / ".lock", "taken"),
        pytest.raises(UserError, match="taken"),
        locked(tmp_path / ".lock", "taken"),
    ):
        pass
    os.close(forked)


def test_weights_are_the_same_however_many_processes_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = SetRecipe("explore", 300)
    write_set(tmp_path / "files", "train", recipe, Geometry(size=65), dtype="float32")
    arguments = [*SHORT, "--encode-steps", "8", "--predict-steps", "4", "--data", "files", "--no-install"]
    for workers in ("0", "2"):
        assert cli.main([*arguments, "--workers", workers, "--name", workers]) == 0
    monkeypatch.setattr("tiny_jepa.training.run.CHECKPOINT_SECONDS", 0.0)
    original, calls = torch.optim.Adam.step, []

    def interrupted(*given, **named):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return original(*given, **named)

    monkeypatch.setattr(torch.optim.Adam, "step", interrupted)
    assert cli.main([*arguments, "--workers", "1", "--name", "resumed"]) == 130
    assert cli.main(["--resume", "resumed", "--no-install", "--workers", "1"]) == 0
    weights = [state(tmp_path / "runs" / name / "weights.pth") for name in ("0", "2", "resumed")]
    assert all(same(weights[0], other) for other in weights[1:])
    assert essential("python train.py --workers 3 --seed 1 --workers=2") == "python train.py --seed 1"


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    endless = [*SHORT, "--encode-steps", "1000000"]  # it cannot have ended when the signal comes
    out, code = interrupt_somewhere(tmp_path, "stopped", 3.0, signal.SIGINT, endless)
    assert code == 130 and "go on with: python train.py --resume stopped" in out
    step = int(out.split("stopped at step ")[1].split(";")[0])
    assert step == torch.load(tmp_path / "runs" / "stopped" / "checkpoint.pth", weights_only=True)["step"]


def test_an_interrupt_leaves_a_checkpoint_of_whole_steps_alone(tmp_path, monkeypatch):
    """Ctrl-C where Adam has stepped and the step is not yet counted, or the action's scale is fitted again."""
    monkeypatch.chdir(tmp_path)
    arguments = [*SHORT, "--encode-steps", "4", "--predict-steps", "8", "--no-install"]
    assert cli.main([*arguments, "--name", "whole"]) == 0
    wanted = state(tmp_path / "runs" / "whole" / "weights.pth")

    def interrupted(place, name, at):
        original, calls = getattr(place, name), []

        def wrapped(*given):
            original(*given)
            calls.append(name)
            if len(calls) == at:
                raise KeyboardInterrupt

        return original, wrapped

    for run, place, name, at in (("a", torch.optim.Adam, "step", 6), ("b", predict, "fit_action", 1)):
        original, wrapped = interrupted(place, name, at)
        monkeypatch.setattr(place, name, wrapped)
        assert cli.main([*arguments, "--name", run]) == 130
        monkeypatch.setattr(place, name, original)
        assert cli.main(["--resume", run, "--no-install"]) == 0
        assert same(state(tmp_path / "runs" / run / "weights.pth"), wanted)


def test_a_checkpoint_of_another_version_is_said_to_be_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    interrupt_somewhere(tmp_path, "old", 0.0, signal.SIGKILL, [*SHORT, "--encode-steps", "1000000"])
    path = tmp_path / "runs" / "old" / "checkpoint.pth"
    torch.save(torch.load(path, weights_only=True) | {"format": 1}, path)
    with pytest.raises(UserError, match="written by another version"):
        cli.main(["--resume", "old"])


def test_a_collapsing_run_is_caught_and_named(tmp_path):
    """Nothing asks the layout's code to vary."""
    arguments = ["--budget", "200", "--variance-weight", "0", "--concentration-weight", "0", "--encode-steps", "1500"]
    done = train(tmp_path, *arguments, "--encode-batch", "32", check=False)
    assert done.returncode == 2 and "collapsed: std_layout" in done.stderr and "--variance-weight" in done.stderr
    assert not (tmp_path / "model_weights.pth").exists()


@pytest.mark.parametrize("settings", [["barlow", "--vary", "True"], ["byol", "--teacher-weight", "0"]])
def test_other_objectives_train(tmp_path, settings):
    train(tmp_path, *SHORT, "--objective", *settings)
    assert read_weights(tmp_path / "model_weights.pth")[1]["steps"] == 200


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--budget 3", "smallest buildable one has 29"),
        ("--bugdet 5", "Unrecognized options: --bugdet, 5; did you mean --budget?"),
        ("--gate-widths 500,500", "the budget allows 2,000"),
        ("--resume=", "--resume takes the name of a folder"),
        ("--data nowhere", "no such data folder: nowhere"),
        ("--resume nothing", "no run in runs/nothing"),
        ("--device warp", "no device 'warp' here"),
    ],
)
def test_bad_input_gets_one_sentence(tmp_path, arguments, says):
    done = train(tmp_path, *arguments.split(), check=False)
    assert done.returncode == 2 and says in done.stderr
    assert done.stderr.count("error:") == 1 and "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.pth"))


def test_an_unwritable_runs_folder_is_said_at_once(tmp_path):
    (tmp_path / "taken").write_text("")
    done = train(tmp_path, *SHORT, "--runs", "taken", check=False)
    assert done.returncode == 2 and "cannot write taken" in done.stderr


def random_transitions(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Transitions(*(torch.randn(count, size, generator=generator) for size in (2, 2, 2, 4)))


def moving_cell(widths=(4, 4), seed=0):
    torch.manual_seed(seed)
    cell = GatedCell(widths)
    cell.action.data.fill_(1.0)
    return cell


def test_one_step_losses_are_those_of_the_cell():
    cell, drawn = moving_cell(), random_transitions(12)
    both = one_step_terms(cell, drawn, TrainingConfig(teacher_weight=2.0))
    assert set(both) == {"teacher", "decision"}
    assert both["teacher"].item() == pytest.approx(2 * one_step_error(cell, drawn))
    before, after, actions, contexts = (part[3] for part in drawn)
    step = UNIT**2 * (cell(before, actions, contexts) - after).square().mean()
    assert one_step_error(cell, drawn.select(torch.tensor([3]))) == pytest.approx(step.item(), rel=1e-5)
    assert set(one_step_terms(cell, drawn, TrainingConfig(teacher_weight=0.0))) == {"decision"}


def test_strata_estimate_the_losses_of_all_transitions():
    cell, every, config = moving_cell((8, 8)), random_transitions(3200), TrainingConfig()
    cell.log_gain.data.fill_(2.0)
    doubtful = undecided(cell, every)
    assert 0.01 < float(doubtful.float().mean()) < 0.99  # both strata have members
    strata, exact = Strata(doubtful, 4096), one_step_terms(cell, every, config)
    drawn = [strata.draw(np.random.default_rng(i)) for i in range(200)]
    for name, value in exact.items():
        estimates = torch.stack([one_step_terms(cell, every.select(i), config, w)[name].detach() for i, w in drawn])
        assert float((estimates.mean() - value.detach()).abs()) < 4 * float(estimates.std()) / 200**0.5
    indices, weights = Strata(torch.zeros(3200, dtype=torch.bool), 64).draw(np.random.default_rng(0))
    assert len(indices) == 16 and (weights == 1).all()  # an empty stratum


def test_a_gate_is_asked_about_every_transition():
    cell, one, context = moving_cell(), torch.ones(1, 2), torch.ones(1, 4)
    torch.nn.init.zeros_(cell.out.weight)

    def doubt(bias, moves):
        torch.nn.init.constant_(cell.out.bias, bias)
        return bool(undecided(cell, Transitions(one, one + one if moves else one, one, context)))

    assert doubt(3.0, True) and not doubt(5.0, True) and doubt(5.0, False)  # unsure; sure and right; sure and wrong
    assert doubt(-3.0, False) and not doubt(-5.0, False) and doubt(-5.0, True)


def test_the_actions_scale_is_that_of_the_moves_that_were_made():
    cell, count = moving_cell(), 200_000
    drawn = random_transitions(count, seed=1)
    blocked = torch.rand(count, 1, generator=torch.Generator().manual_seed(2)) < 0.4
    after = drawn.before + torch.where(blocked, 0.0, 0.0625 * drawn.actions)
    noise = 1e-3 * torch.randn(count, 2, generator=torch.Generator().manual_seed(3))
    fit_action(cell, drawn._replace(after=after + noise))
    assert cell.action.item() == pytest.approx(0.0625, abs=1e-5)
    fit_action(cell, drawn._replace(after=drawn.before, actions=torch.zeros(count, 2)))
    assert cell.action.item() == pytest.approx(0.0625, abs=1e-5)  # nothing to go by


def test_runs_resume_between_two_looks_at_the_transitions(monkeypatch):
    monkeypatch.setattr(predict, "REFRESH", 4)
    monkeypatch.setattr(predict, "EVEN_STEPS", 4)
    config = read_options([*SHORT, "--encode-steps", "2", "--predict-steps", "14"])[1].training
    dataset = open_source("procedural").require("train")

    def trainer():
        torch.manual_seed(0)
        return Trainer(build_model("150"), dataset, config, torch.device("cpu"))

    whole, states = trainer(), []
    whole.run(lambda *_: states.append(copy.deepcopy(whole.state())))
    for state in [states[i] for i in (0, 1, 4, 6, 10, 14)]:  # phase 1 ends after the second step
        again = trainer()
        again.load_state(state)
        again.run(lambda *_: None)
        assert same(again.model.state_dict(), whole.model.state_dict())


@pytest.mark.parametrize("size", [64, 65])
def test_varied_transitions_are_those_that_the_simulator_would_make(size):
    """From true codes: wherever a transition is moved, the simulator moves on from there as it did before."""
    world = Geometry(size=size)
    drawn = ProceduralSet("any", SetRecipe("explore", 4_000), world, seed=3).trajectories
    codes = Codes(
        torch.from_numpy(drawn.locations / UNIT).double(),
        torch.from_numpy(drawn.actions).double(),
        with_edges(torch.from_numpy(drawn.layouts / UNIT), size, UNIT),
    )
    every = Transitions.of(codes)
    varied = Variation.within(every).vary(every, every.actions / UNIT, np.random.default_rng(0))
    before, after, actions, contexts = (part.numpy() for part in varied)
    moved, _ = step(world, before * UNIT, actions, contexts[:, :2] * UNIT)
    assert (np.abs(moved - after * UNIT).max(1) > 0.01).mean() < 1e-4
    assert torch.equal(varied.contexts[:, 2:], every.contexts[:, 2:])
    ratio = varied.actions.norm(dim=1) / every.actions.norm(dim=1).clamp_min(1e-6)
    assert (ratio < 0.99).double().mean() > 0.3 and (ratio > 1.01).double().mean() > 0.01
    assert varied.actions.norm(dim=1).max() <= every.actions.norm(dim=1).max() * (1 + 1e-6)
    shifted, blocked = (varied.before != every.before).any(1), (every.after == every.before).all(1)
    assert shifted.double().mean() > 0.8 and shifted[blocked].double().mean() > 0.7
    assert (varied.contexts != every.contexts).any(1).double().mean() > 0.7


def test_weights_name_the_command_that_trains_them_again():
    typed = "python train.py --budget 250 --name x --seed 3 --runs=a --runs 'b c' --no-install --data 'my data'"
    assert essential(typed) == "python train.py --budget 250 --seed 3 --data 'my data'"


def test_options_override_the_budget():
    budget = read_options(["--budget", "777", "--cached", "9", "--agent-kernel", "3", "--clip", "3"])[1]
    assert budget.training.cached == 9 and budget.training.clip == 3.0 and budget.architecture.agent_kernel == 3


def test_a_spread_that_is_nan_counts_as_collapsed_wherever_it_stands():
    watch = Watch()
    with pytest.raises(UserError, match="std_y is nan"):
        for step in range(300, 900, 50):
            watch.check({"std_x": 1.0, "std_y": float("nan"), "std_layout0": 0.5}, step)
    nothing = Seen(1, torch.full((3, 4, 2), float("nan")), torch.zeros(3, 3, 2), torch.zeros(3, 4))
    assert all(np.isnan(watch.look(build_model("150"), nothing)[name]) for name in ("std_x", "rank", "one_step"))


def test_rank_and_plateau_say_what_they_measure():
    assert effective_rank(torch.randn(500, 2, generator=torch.Generator().manual_seed(0))) == pytest.approx(2, abs=0.01)
    assert effective_rank(torch.randn(500, 1) @ torch.ones(1, 2)) == pytest.approx(1, abs=0.01)
    assert plateau({"one_step": 0.01, "reckoned": 0.1}) is None
    assert "walls were not learned" in plateau({"one_step": 0.09, "reckoned": 0.1})


def test_auditions_choose_by_prediction_error_and_repeat(tmp_path):
    arguments = [*SHORT, "--auditions", "3", "--audition-steps", "40", "--no-install"]
    train(tmp_path, *arguments, "--name", "a")
    train(tmp_path, *arguments, "--name", "b")
    train(tmp_path, *SHORT, "--no-install", "--name", "c")
    first, second, without = (state(tmp_path / "runs" / name / "weights.pth") for name in "abc")
    assert same(first, second) and not same(first, without)
