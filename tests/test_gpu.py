"""Where the data of phase 2 lies, and that no step waits for a copy of it; on a GPU, too (`pytest -m gpu`)."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from plain_protocol import plain
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from tiny_jepa import build_model, load_model
from tiny_jepa.commands import train as cli
from tiny_jepa.data import Loader
from tiny_jepa.models import JEPA
from tiny_jepa.planning import plan
from tiny_jepa.probing.protocol import ProbingEvaluator
from tiny_jepa.settings import TrainingConfig
from tiny_jepa.training.examples import Draws
from tiny_jepa.training.train import Trainer
from tiny_jepa.weights import read_weights
from tiny_jepa.worlds.two_rooms.sets import ProceduralSet, SetRecipe

GPU = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]
SETTINGS = TrainingConfig(encode_steps=2, encode_batch=8, cached=64, predict_steps=6, predict_batch=32)
WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "unique_dim"}
"""Operators whose results the host waits for."""


class Waits(TorchDispatchMode):
    """Notes what makes the host wait for the device."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        name = function.overloadpacket.__name__
        masks = name == "index" and any(index is not None and index.dtype == torch.bool for index in args[1])
        moved = isinstance(result, torch.Tensor) and result.device.type == "cpu"
        copied = moved and any(isinstance(each, torch.Tensor) and each.device.type != "cpu" for each in args)
        if name in WAITS or masks or copied:
            self.seen.append(name)
        return result


class NoDoubles(TorchFunctionMode):
    """Stands in for a device without float64, as MPS is: what the host has lies apart, up to `Tensor.to`."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            made = any(getattr(each, "apart", False) for each in args) and function is not torch.Tensor.to
            result.apart = made or function in (torch.Tensor.cpu, torch.from_numpy)
            assert result.dtype != torch.float64 or result.apart, f"{function.__name__} gives float64 on the device"
        return result


def trainer(device):
    torch.manual_seed(0)
    dataset = ProceduralSet("train", SetRecipe("explore", 100))
    return Trainer(build_model("150"), dataset, SETTINGS, torch.device(device))


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=GPU)])
def test_no_step_of_phase_2_waits_for_a_copy(device, monkeypatch):
    drawn, steps, original = [], [], Draws.draw
    monkeypatch.setattr(Draws, "draw", lambda draws, rng: drawn.append(draws.examples) or original(draws, rng))
    with Waits() as waits:
        for _ in trainer(device).run():
            steps.append(list(waits.seen))
            waits.seen.clear()
    assert steps[2]  # the phase's start: the mode sees what waits
    assert steps[3:] == [[]] * 5
    assert {part.device.type for part in drawn[-1]} == {device}


def test_nothing_needs_float64_on_the_device():
    train, val = (ProceduralSet(name, SetRecipe("explore", 128)) for name in ("a", "b"))
    with NoDoubles():
        doubles = plain(Loader(val), changes={"locations": torch.from_numpy(np.zeros((64, 17, 2)))})
        list((training := trainer("cpu")).run())
        evaluator = ProbingEvaluator("cpu", training.model, Loader(train), {"val": doubles}, quick_debug=True)
        evaluator.evaluate_all(evaluator.train_pred_prober())
        frames = val.frames(np.arange(2), 0, 1)[:, 0]
        plan(load_model("250"), frames, frames.flip(0)).act(frames)


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=GPU)])
def test_a_gpu_trains_and_scores(device, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = "--encode-steps 30 --encode-batch 16 --cached 300 --predict-steps 170 --predict-batch 64"
    assert cli.main(["--budget", "150", *words.split(), "--device", device, "--name", "there", "--no-install"]) == 0
    model, metadata = read_weights(Path("runs/there/weights.pth"), device)
    assert metadata["steps"] == 200 and isinstance(model, JEPA)
    train, val = (ProceduralSet(name, SetRecipe("explore", 128)) for name in ("a", "b"))
    losses = []
    for each in (device, "cpu"):
        evaluator = ProbingEvaluator(each, model, Loader(train), {"val": Loader(val)}, quick_debug=True)
        losses.append(evaluator.evaluate_all(evaluator.train_pred_prober())["val"])
    assert math.isclose(*losses, rel_tol=1e-2)
