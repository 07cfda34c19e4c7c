"""A model elsewhere: onnxruntime gives what torch does, and what cannot be written is said."""

import sys

import numpy as np
import pytest

from tiny_jepa import load_model
from tiny_jepa.commands.export import main
from tiny_jepa.errors import UserError
from tiny_jepa.export.onnx import agreement


def test_what_cannot_be_written_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for name, says in {
        "m.bin": r"ends in \.onnx, such as model\.onnx, not '.*m\.bin'",
        "m.onnx": r"needs onnx.*; install it with: pip install 'tiny_jepa\[export\]'",
    }.items():
        with pytest.raises(UserError, match=says):
            main(["--budget", "500", "--out", f"{tmp_path}/{name}"])
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
