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
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tiny_jepa import build_model
from tiny_jepa.commands import train as cli
from tiny_jepa.commands.train import read_options
from tiny_jepa.data import open_source
from tiny_jepa.data.writing import draft, write_sets
from tiny_jepa.errors import UserError
from tiny_jepa.files import locked
from tiny_jepa.models import Architecture
from tiny_jepa.models.map import Maps
from tiny_jepa.models.predictor import GatedCell
from tiny_jepa.settings import TrainingConfig
from tiny_jepa.training import predict
from tiny_jepa.training.codes import Codes
from tiny_jepa.training.examples import Draws, Examples, fit_action, merged
from tiny_jepa.training.one_step import one_step_error, one_step_terms
from tiny_jepa.training.phase import scheduled_lr
from tiny_jepa.training.run import essential
from tiny_jepa.training.trainer import Trainer
from tiny_jepa.training.watch import Seen, Watch, effective_rank, plateau
from tiny_jepa.weights import read_weights
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, UNIT, Geometry, render_layouts
from tiny_jepa.worlds.two_rooms.sets import ProceduralSet, SetRecipe

ROOT = Path(__file__).resolve().parent.parent
SHORT = ["--budget", "150", "--encode-steps", "30", "--encode-batch", "16", "--cached", "300"]
SHORT += ["--predict-steps", "170", "--predict-batch", "64", "--auditions", "1"]


def train(folder, *arguments):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "train.py"), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done


def state(path):
    return torch.load(path, weights_only=True)["state_dict"]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_a_run_leaves_weights_log_and_configuration_and_installs(tmp_path):
    done = train(tmp_path, *SHORT, "--seed", "5")
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
    assert {"loss", "std_x", "std_y", "rank", "one_step", "reckoned", "still"} <= set(rows[0])
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


def test_a_lock_has_one_holder_and_ends(tmp_path):
    for _ in range(2):
        with (
            locked(tmp_path / ".lock", "taken"),
            pytest.raises(UserError, match="taken"),
            locked(tmp_path / ".lock", "taken"),
        ):
            pass


def test_weights_are_the_same_however_many_processes_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drawn = ProceduralSet("train", SetRecipe("explore", 300), Geometry(size=65), 0, "float32")
    write_sets([draft(drawn, tmp_path / "files/train", {})])
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


def test_a_collapse_that_stays_is_named():
    watch, flat = Watch(), {"std_x": 0.05, "std_y": 1.0}
    for step in range(250, 500, 50):
        watch.check(flat, step)
    with pytest.raises(UserError, match=r"collapsed: std_x is 0\.050 at step 500 .* --variance-weight"):
        watch.check(flat, 500)


@pytest.mark.parametrize("settings", [["barlow"], ["byol", "--teacher-weight", "0"]])
def test_other_objectives_train(tmp_path, settings):
    train(tmp_path, *SHORT, "--objective", *settings)
    assert read_weights(tmp_path / "model_weights.pth")[1]["steps"] == 200


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--budget 3", "smallest buildable one has 22"),
        ("--bugdet 5", "Unrecognized options: --bugdet, 5; did you mean --budget"),
        ("--gate-widths 500,500", "the budget allows 2,000"),
        ("--data nowhere", "no such data folder: nowhere"),
        ("--resume nothing", "no run in runs/nothing"),
        ("--device warp", "no device 'warp' here"),
    ],
)
def test_bad_input_gets_one_sentence(tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=says) as raised:
        cli.main(arguments.split())
    assert "\n" not in str(raised.value) and not list(tmp_path.rglob("*.pth"))


def test_an_unwritable_runs_folder_is_said_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="cannot write taken"):
        cli.main([*SHORT, "--runs", "taken"])


def moving_cell(width=4, gates=1, seed=0):
    torch.manual_seed(seed)
    cell = GatedCell(Architecture(gate_widths=(width,)), replace(TWO_ROOMS.frame, gates=gates))
    cell.action.data.fill_(1 / UNIT)
    return cell


def true_codes(count, kind="explore", seed=0):
    """Codes that lie exactly where the agent is."""
    drawn = ProceduralSet("any", SetRecipe(kind, count), seed=seed).trajectories
    maps = Maps.of(torch.from_numpy(render_layouts(Geometry(), drawn.walls)))
    return Codes(torch.from_numpy(drawn.locations / UNIT), torch.from_numpy(drawn.actions), maps)


def random_examples(cell, count, seed=0):
    random, gates = torch.Generator().manual_seed(seed), cell.frame.gates
    sizes = (sum(cell.inputs), gates, gates)
    return Examples(*(torch.rand(count, size, generator=random) for size in sizes))


def test_one_step_losses_are_those_of_plain_formulas():
    cell, config = moving_cell(), TrainingConfig(teacher_weight=2.0, decision_weight=3.0)
    drawn, weights = random_examples(cell, 12), torch.full((12, 1), 1 / 12)
    gate, share = torch.sigmoid(cell.gate_logit(drawn.seen)), drawn.share
    terms = one_step_terms(cell, drawn, weights, config)
    assert terms["teacher"].item() == pytest.approx(2 * (gate - share).square().mean().item())
    log_loss = -(share * gate.log() + (1 - share) * (1 - gate).log()).mean()
    assert terms["decision"].item() == pytest.approx(3 * log_loss.item(), rel=1e-5)
    assert set(one_step_terms(cell, drawn, weights, replace(config, teacher_weight=0.0))) == {"decision"}


@pytest.mark.parametrize("gates", [1, 2])
def test_the_error_of_examples_is_that_of_the_moves_that_they_were_made_from(gates):
    cell, codes = moving_cell(gates=gates), true_codes(50)
    maps = codes.maps._replace(whose=codes.maps.whose[:, None])
    off = cell(codes.agent[:, :-1], codes.actions, maps) - codes.agent[:, 1:]
    made = UNIT**2 * off.square().mean().item()
    assert one_step_error(cell, Examples.of(cell, codes)) == pytest.approx(made, rel=1e-3)


def test_equal_looks_are_one_whose_weights_add_up():
    seen = torch.tensor([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]])
    share, weight = torch.tensor([[1.0], [1.0], [0.0]]), torch.tensor([[3.0], [5.0], [1.0]])
    once = merged(Examples(seen, share, weight))
    assert once.seen.tolist() == seen[:2].tolist()
    assert once.share.tolist() == [[0.75], [1.0]] and once.weight.tolist() == [[4.0], [5.0]]
    cell, codes = moving_cell(), true_codes(100)
    squared = (codes.actions / UNIT).square().sum() / codes.actions[..., 0].numel()
    every = Examples.of(cell, codes)
    assert len(every.seen) < codes.actions[..., 0].numel() / 2
    assert every.weight.sum().item() == pytest.approx(squared.item(), rel=1e-3)


def test_moves_that_begin_or_end_within_noise_of_a_pixel_centre_are_left_out():
    """Of twenty moves of 1 px, each a code's error long or short, two end and one begins at one."""
    error = 1e-3 * torch.tensor([1.0, -1.0]).repeat(10)
    x = torch.full((20,), 20.3)
    x[:3] = torch.tensor([20.001, 19.002, 25.0])
    before, moved = torch.stack([x, torch.full((20,), 7.4)], 1), torch.stack([1 + error, error], 1)
    codes = torch.stack([before, before + moved], 1) / UNIT
    empty = Maps.of(torch.zeros(20, 64, 64, dtype=torch.uint8))
    left = Examples.of(moving_cell(), Codes(codes, torch.tensor([1.0, 0.0]).expand(20, 1, 2), empty))
    assert left.weight.sum().item() == pytest.approx(1 / UNIT**2) and len(left.seen) == 1


@pytest.mark.parametrize("gates", [1, 2])
def test_batches_estimate_the_losses_of_all_looks(gates):
    cell, config = moving_cell(gates=gates), TrainingConfig()
    examples = random_examples(cell, 3200)
    every, few = Draws(examples, 3200), Draws(examples, 256)
    exact = one_step_terms(cell, *every.draw(np.random.default_rng(0)), config)
    drawn = [one_step_terms(cell, *few.draw(np.random.default_rng(i)), config) for i in range(200)]
    for name, value in exact.items():
        estimates = torch.stack([terms[name].detach() for terms in drawn])
        assert float((estimates.mean() - value.detach()).abs()) < 4 * float(estimates.std()) / 200**0.5


def test_a_tiny_gate_that_looks_from_true_places_decides_all_moves_of_fresh_rooms():
    cell = moving_cell(width=8, seed=3)  # one in four starts gets there
    draws, config = Draws(Examples.of(cell, true_codes(6_000)), 4_096), TrainingConfig()
    optimizer = torch.optim.Adam(cell.gate_parameters(), betas=(0.9, 0.99))
    for step in range(400):
        optimizer.param_groups[0]["lr"] = scheduled_lr(step, 400, 0.03)
        optimizer.zero_grad()
        sum(one_step_terms(cell, *draws.draw(np.random.default_rng(0)), config).values()).backward()
        optimizer.step()
    for kind in ("explore", "wall", "rooms", "doors"):
        fresh = Examples.of(cell, true_codes(1_000, kind, seed=1))
        wrong = (cell.gate_logit(fresh.seen) > 0) != (fresh.share > 0.5)
        assert fresh.weight[wrong].sum() < 1e-4 * fresh.weight.sum()


def test_the_actions_scale_is_that_of_the_moves_that_were_made():
    cell, count, random = moving_cell(), 200_000, torch.Generator().manual_seed(1)
    before, actions, noise = torch.randn(3, count, 2, generator=random)
    blocked = torch.rand(count, 1, generator=random) < 0.4
    after = before + torch.where(blocked, 0.0, 0.05 * actions) + 1e-3 * noise
    codes = Codes(torch.stack([before, after], dim=1), actions[:, None], Maps.of(torch.zeros(1, 64, 64)))
    fit_action(cell, codes)
    assert cell.action.item() == pytest.approx(0.05, abs=1e-5)
    fit_action(cell, codes._replace(actions=torch.zeros(count, 1, 2)))
    assert cell.action.item() == pytest.approx(0.05, abs=1e-5)  # nothing to go by


def test_runs_resume_at_any_step():
    config = read_options([*SHORT, "--encode-steps", "2", "--predict-steps", "14"])[1].training
    dataset = open_source("procedural", TWO_ROOMS).require("train")

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
            watch.check({"std_x": 1.0, "std_y": float("nan"), "rank": 1.0}, step)
    nothing = Seen(1, torch.full((3, 4, 2), float("nan")), torch.zeros(3, 3, 2), torch.zeros(3, 64, 64))
    assert all(np.isnan(watch.look(build_model("150"), nothing)[name]) for name in ("std_x", "rank", "one_step"))


def test_rank_and_plateau_say_what_they_measure():
    assert effective_rank(torch.randn(500, 2, generator=torch.Generator().manual_seed(0))) == pytest.approx(2, abs=0.01)
    assert effective_rank(torch.randn(500, 1) @ torch.ones(1, 2)) == pytest.approx(1, abs=0.01)
    assert plateau({"one_step": 0.01, "reckoned": 0.1}) is None
    assert "walls were not learned" in plateau({"one_step": 0.09, "reckoned": 0.1})


def test_auditions_choose_by_prediction_error_and_repeat():
    model, errors = build_model("150"), []
    model.predictor.action.data.fill_(1 / UNIT)
    draws = Draws(Examples.of(model.predictor, true_codes(300)), 512)
    for auditions in (1, 3, 3):
        config = TrainingConfig(auditions=auditions, audition_steps=40)
        model.predictor.load_state_dict(predict.best_gate(model, draws, config))
        errors.append(one_step_error(model.predictor, draws.examples))
    assert errors[0] > errors[1] == errors[2]
