"""A model elsewhere: what is written is read back the same, fewer bits round, onnxruntime gives what torch does."""

import sys
from typing import get_args

import numpy as np
import pytest
import torch

from tiny_jepa import load_model
from tiny_jepa.commands.export import main
from tiny_jepa.errors import UserError
from tiny_jepa.export.onnx import agreement
from tiny_jepa.export.safetensors import SCALE, Kind, coded, decoded, load, save
from tiny_jepa.models.size import count_parameters


@pytest.fixture(scope="module")
def model():
    return load_model("250")


@pytest.fixture
def path(tmp_path):
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    return tmp_path / "m.safetensors"


def test_a_safetensors_file_gives_the_model_back(model, path):
    main(["--budget", "250", "--out", str(path)])
    again = load(path)
    assert again.architecture == model.architecture and again.frame == model.frame
    assert again.metadata["command"] == model.metadata["command"] and "metrics" not in again.metadata
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in again.state_dict().items())
    assert not any(parameter.requires_grad for parameter in again.parameters())


def test_fewer_bits_take_fewer_bytes_and_round_by_half_a_step(model):
    state = {**model.state_dict(), "zeros": torch.zeros(2, 3)}
    kinds = {kind: coded(state, kind) for kind in get_args(Kind)}
    sizes = [sum(values.nbytes for values in found.values()) for found in kinds.values()]
    assert sizes[0] == 4 * (count_parameters(model) + 6) and sizes[1] == sizes[0] / 2 and sizes[2] < sizes[1]
    for name, value in decoded(kinds["float16"]).items():
        assert torch.allclose(value, state[name], rtol=2**-11, atol=1e-7)
    found = decoded(kinds["int8"])
    assert torch.equal(found["zeros"], state["zeros"])
    for name in ("predictor.cell.weight", "predictor.start.weight", "predictor.out.weight"):
        assert kinds["int8"][name].dtype == torch.int8 and kinds["int8"][name].abs().max() == 127
        off = (found[name] - state[name]).abs()
        assert (off <= 0.51 * kinds["int8"][name + SCALE].float() + 2**-10 * state[name].abs()).all()


def test_weights_that_do_not_fit_their_numbers_are_not_written(path):
    large = load_model("50")
    large.predictor.action.fill_(1e5)
    with pytest.raises(UserError, match="not written: weights are too large for float16"):
        save(large, path, "float16")
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"abc", None, b"\x02" + bytes(7) + b"{}"])
def test_another_file_is_refused_in_a_sentence(model, path, content):
    save(model, path)
    path.write_bytes(path.read_bytes()[:-20] if content is None else content)
    with pytest.raises(UserError, match=r"m\.safetensors is no safetensors file of a tiny_jepa model"):
        load(path)


def test_what_cannot_be_written_is_said(tmp_path, monkeypatch):
    for package in ("safetensors.torch", "onnxruntime"):
        monkeypatch.setitem(sys.modules, package, None)
    for words, says in {
        "m.bin": r"must end in \.onnx or \.safetensors, not '\.bin'",
        "m.onnx --numbers int8": "written in float32",
        "m.onnx --world tworoom": "the comparison with onnxruntime is for",
        "m.onnx": r"needs onnx.*; install it with: pip install 'tiny_jepa\[export\]'",
        "m.safetensors": r"needs safetensors.*; install it with: pip install 'tiny_jepa\[export\]'",
    }.items():
        with pytest.raises(UserError, match=says):
            main(["--budget", "500", "--out", *f"{tmp_path}/{words}".split()])
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("budget", ["50", "250", "2k"])
def test_onnxruntime_gives_what_torch_does(budget, tmp_path, capsys):
    onnx, onnxruntime, _ = (pytest.importorskip(name) for name in ("onnx", "onnxruntime", "onnxscript"))
    main(["--budget", budget, "--out", str(tmp_path / "m.onnx")])
    assert capsys.readouterr().out.count("onnxruntime beside torch") == 2
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
    (other := load_model(budget)).predictor.action.mul_(1.001)
    with pytest.raises(UserError, match="disagrees with torch at 64 px"):
        agreement(other, tmp_path / "m.onnx", 64, count=20)
