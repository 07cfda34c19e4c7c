"""A model elsewhere: a page, one small file whose JavaScript predicts and plans as torch does; and onnxruntime."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.parity import APART, FRAMES, MENU, ROLLOUTS, by_torch, draw, farthest, node, sketch
from tiny_jepa import load_model
from tiny_jepa.commands.export import agreement
from tiny_jepa.commands.export import main as export
from tiny_jepa.commands.page import LIMIT, main, pack
from tiny_jepa.errors import UserError
from tiny_jepa.models import JEPA, Architecture
from tiny_jepa.planning import costtogo
from tiny_jepa.weights import save_weights
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, UNIT, Geometry, boxes_of, render_states
from tiny_jepa.worlds.two_rooms.walls import Cells

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
ROOT = Path(__file__).resolve().parent.parent


def test_a_page_is_one_file_with_all_presets_of_its_menu(tmp_path):
    main(["--weights", str(ROOT / "model_weights.pth"), "--out", str(tmp_path / "page.html")])
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert len(text.encode()) <= LIMIT
    assert not re.search(r"https?:|\bsrc=|<link|@import|url\(|^import |^export ", text, re.MULTILINE)
    assert "default-src 'none'" in text  # so that the browser, too, forbids any network
    data = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])
    assert [each["name"] for each in data["models"]] == [*MENU, "model_weights.pth"]
    assert data["chosen"] == "model_weights.pth"


def test_a_model_that_does_not_fit_is_refused(tmp_path):
    other = JEPA(Architecture(gate_widths=(16,)), replace(TWO_ROOMS.frame, gates=2))
    save_weights(tmp_path / "other.pth", other, {"budget": "2k"})
    for words, says in {
        "--budget 100k": "choose a smaller model",
        f"--weights {tmp_path}/other.pth": "frames of another form",
    }.items():
        with pytest.raises(UserError, match=says):
            main([*words.split(), "--out", str(tmp_path / "page.html")])
    assert not (tmp_path / "page.html").exists()


@needs_node
def test_the_scripts_pass_their_own_tests():
    scripts = sorted(map(str, (ROOT / "tests" / "page").glob("*.test.mjs")))
    done = subprocess.run(["node", "--test", *scripts], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


MOVES = """(given) => given.maps.map((map, i) => {
  const world = new tinyJepa.World(tinyJepa.data.geometry, tinyJepa.unpack(map));
  return given.starts[i].map((start, k) => world.step(start, given.actions[i][k]).location);
})"""


@needs_node
@pytest.mark.parametrize("size", [41, 64, 101])
def test_among_any_walls_the_dot_moves_as_the_worlds_does(size):
    world, rng = Geometry(size=size), np.random.default_rng(size)
    drawn = sketch(world, 60, rng)
    starts = rng.uniform(world.border + 1, world.far_border - 1, (60, 200, 2))
    actions = rng.normal(0, 2, starts.shape)
    starts[:, ::4], actions[:, ::2] = np.rint(starts[:, ::4]), np.rint(actions[:, ::2])
    ends, blocked = Cells.of(drawn[:, None]).step(starts, actions)
    assert 0.1 < blocked.mean() < 0.8
    given = {"maps": [pack(each) for each in drawn], "starts": starts.tolist(), "actions": actions.tolist()}
    np.testing.assert_array_equal(node(MOVES, given), ends)


COSTS = """(given) => {
  const {Model, CostToGo, data} = tinyJepa;
  const model = new Model(data.models.find(({name}) => name === given.budget));
  const solving = CostToGo.solve(model, Uint8Array.from(given.context), given.goal, data.planning);
  for (;;) {
    const {done, value} = solving.next();
    if (done) return given.codes.map((code) => value.at(code));
  }
}"""


@needs_node
@pytest.mark.parametrize("budget", MENU)
def test_predictions_are_torchs(budget):
    for frames in FRAMES:
        given, first, actions = draw(frames, 40)
        double, single = by_torch(budget, first, actions)
        ours = np.array(node(ROLLOUTS, {"budget": budget, **given})) * UNIT
        assert farthest(ours, double).max() < 1e-9
        # in single precision, a move that rounding decides can go either way, by torch itself
        beyond = farthest(ours, single) > APART
        assert beyond.mean() < 0.1 and (farthest(single, double)[beyond] > 0.9 * APART).all()


@needs_node
@pytest.mark.parametrize("budget", ["250", "2k"])
def test_the_cost_to_go_is_the_planners(monkeypatch, budget):
    # the page knows how far a free action goes from the weights, the planner from predictions: a lattice 0.1 % finer
    monkeypatch.setattr(costtogo, "action_per_code", lambda model, *_: torch.eye(2) / model.predictor.action)
    world, rng = Geometry(), np.random.default_rng(3)
    walls = boxes_of(world, np.array([[31, 20]]))
    frame, goal_frame = (
        render_states(world, np.array([[place]]), walls, np.uint8)[:, 0] for place in ((12.3, 50.1), (48.7, 44.4))
    )
    model = load_model(budget).requires_grad_(False)
    context, goal = model.encode_context(frame), model.encode_agent(goal_frame)
    solved = costtogo.CostToGo(model, frame, context, goal, TWO_ROOMS.task.actions)
    codes = rng.uniform(5, 58, (1, 2_000, 2)) / UNIT
    theirs = solved.at(torch.from_numpy(codes).float())[0].numpy()
    given = {"context": context.flatten().tolist(), "goal": goal[0].tolist(), "codes": codes[0].tolist()}
    ours = np.array(node(COSTS, {"budget": budget, **given}))
    assert (np.abs(ours - theirs) < 1e-4 * theirs).mean() > 0.99  # at a node or two, rounding decides


@pytest.mark.slow
@pytest.mark.parametrize("budget", ["50", "250", "2k"])
def test_onnxruntime_gives_what_torch_does(budget, tmp_path, capsys):
    onnx, onnxruntime, _ = (pytest.importorskip(name) for name in ("onnx", "onnxruntime", "onnxscript"))
    export(["--budget", budget, "--out", str(tmp_path / "m.onnx")])
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
    (other := load_model(budget)).predictor.action.data.mul_(1.001)
    with pytest.raises(UserError, match="disagrees with torch at 64 px"):
        agreement(other, tmp_path / "m.onnx", 64, count=20)
