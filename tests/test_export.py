"""A model elsewhere: what is written is read back the same, fewer bits round, onnxruntime gives what torch does."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tiny_jepa import load_model
from tiny_jepa.commands import export as command
from tiny_jepa.errors import UserError
from tiny_jepa.export import onnx as graphs
from tiny_jepa.export.quantise import KINDS, SCALE, byte_count, coded, decoded
from tiny_jepa.models.size import count_parameters

pytest.importorskip("safetensors", reason="safetensors is not installed")
from tiny_jepa.export.safetensors import from_bytes, to_bytes


@pytest.fixture(scope="module")
def model():
    return load_model("250")


def test_a_safetensors_file_gives_the_model_back(model, tmp_path):
    command.main(["--budget", "250", "--out", str(tmp_path / "m.safetensors")])
    again = from_bytes((tmp_path / "m.safetensors").read_bytes(), "here")
    assert again.architecture == model.architecture and again.frame == model.frame
    assert again.metadata["seed"] == model.metadata["seed"] and "metrics" not in again.metadata
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in again.state_dict().items())
    assert not any(parameter.requires_grad for parameter in again.parameters())


def test_fewer_bits_take_fewer_bytes_and_round_by_half_a_step(model):
    state = model.state_dict()
    sizes = [byte_count(coded(state, kind)) for kind in KINDS]
    assert sizes[0] == 4 * count_parameters(model) and sizes[1] == sizes[0] / 2 and sizes[2] < sizes[1]
    for name, value in decoded(coded(state, "float16")).items():
        assert torch.allclose(value, state[name], rtol=2**-11, atol=1e-7)
    whole = coded(state, "int8")
    for name, value in decoded(whole).items():
        if state[name].ndim == 2:
            assert whole[name].dtype == np.int8 and np.abs(whole[name]).max() == 127
            step = torch.from_numpy(whole[name + SCALE].astype("f4"))
            assert bool(((value - state[name]).abs() <= 0.51 * step + 2**-10 * state[name].abs()).all())


def test_a_row_of_zeros_stays_zeros():
    zeros = {"weight": torch.zeros(2, 3)}
    assert torch.equal(decoded(coded(zeros, "int8"))["weight"], zeros["weight"])


@pytest.mark.parametrize("content", [b"", b"abc", to_bytes(load_model("50"))[:-20], b"\x02" + bytes(7) + b"{}"])
def test_another_file_is_refused_in_a_sentence(content: bytes):
    with pytest.raises(UserError, match=r"other\.safetensors is no safetensors file of a tiny_jepa model"):
        from_bytes(content, "other.safetensors")


def test_what_cannot_be_written_is_said(tmp_path: Path):
    with pytest.raises(UserError, match=r"must end in \.onnx or \.safetensors, not '\.bin'"):
        command.main(["--budget", "50", "--out", str(tmp_path / "m.bin")])
    with pytest.raises(UserError, match="written in float32"):
        command.main(["--budget", "50", "--out", str(tmp_path / "m.onnx"), "--numbers", "int8"])


def test_a_missing_package_is_named(model, tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(UserError, match=r"safetensors; install it with: pip install 'tiny_jepa\[export\]'"):
        to_bytes(model)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"onnx.*; install it with: pip install 'tiny_jepa\[export\]'"):
        graphs.write_onnx(model, tmp_path / "m.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("budget", ["50", "250", "2k"])
def test_onnxruntime_gives_what_torch_does(budget: str, tmp_path: Path, capsys):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    command.main(["--budget", budget, "--out", str(tmp_path / "m.onnx")])
    printed = capsys.readouterr().out
    assert printed.count("onnxruntime beside torch") == 2 and "65 px" in printed
    graph = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(graph, full_check=True)
    shapes = [[each.dim_param or each.dim_value for each in x.type.tensor_type.shape.dim] for x in graph.graph.input]
    assert shapes == [["B", 2, "S", "S"], ["B", "steps", 2]]
    assert {prop.key: prop.value for prop in graph.metadata_props} == {"unit": "16 px", "budget": budget}
    # no action at all is a rollout, too
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    fed = {"frames": np.ones((2, 2, 64, 64), np.float32), "actions": np.ones((2, 0, 2), np.float32)}
    assert session.run(None, fed)[0].shape == (2, 1, 2)
    # another model's graphs are found out
    with pytest.raises(UserError, match="disagrees with torch at 64 px"):
        graphs.agreement(load_model("500"), tmp_path / "m.onnx", 64, count=20)
