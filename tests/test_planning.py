"""Planning: it reaches goals behind walls, near borders and in worlds that slide or lie; it sees frames alone."""

import json
import re
import runpy
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tiny_jepa
from benchmarks.samplers import PLANNERS
from tiny_jepa.commands import plan as command
from tiny_jepa.errors import UserError
from tiny_jepa.planning import CostToGo, plan
from tiny_jepa.planning.episodes import record, run, score, wilson
from tiny_jepa.worlds.contract import Actions
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, Geometry, boxes_of, render_states, step

pytest.importorskip("gymnasium"), pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image")
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def model():
    return tiny_jepa.load_model("250")


def room(locations):
    """Frames of one layout [E, 2, H, W] and its walls."""
    walls = boxes_of(Geometry(), np.tile((30, 32), (len(locations), 1)))
    return render_states(Geometry(), np.asarray(locations, float)[:, None], walls)[:, 0], walls


MAPS = torch.zeros(1, 21, 21, dtype=torch.uint8)
"""A pixel is as far as an action goes."""


class Sliding:
    """A square of 1 by 1 with a wall across it, up to a height of 0.7, or of `seen` in the model's eyes. Frames hold
    codes. Each coordinate moves on its own, so that a blocked move loses one of them."""

    def __init__(self, seen=0.7, codes=2):
        self.seen, self.codes = seen, codes

    def encode_agent(self, frames):
        return torch.as_tensor(frames[:, 0, 0, : self.codes])

    def encode_context(self, frames):
        return MAPS.expand(len(frames), -1, -1)

    def code_range(self, frames):
        return 0.0, 1.0

    def step(self, code, action, context):
        return self.moved(*torch.broadcast_tensors(code, action), self.seen)

    def moved(self, code, action, wall=0.7):
        moves = 0.05 * action
        for axis in (0, 1):
            end = code.clone()
            end[..., axis] += moves[..., axis]
            in_wall = ((end[..., 0] - 0.5).abs() < 0.06) & (end[..., 1] < wall)
            inside = ((end > 0) & (end < 1)).all(-1) & ~in_wall
            code = torch.where(inside[..., None], end, code)
        return code


def as_frames(codes):
    return np.tile(np.pad(np.asarray(codes, np.float32), ((0, 0), (0, 2)))[:, None, None], (1, 1, 4, 1))


def act_out(world, agent, code, steps):
    """The codes [T + 1, E, D] that an agent's actions lead to in a world that does not lie."""
    codes = [torch.tensor(code)]
    for _ in range(steps):
        action = torch.from_numpy(agent.act(as_frames(codes[-1].tolist())))
        codes.append(world.moved(codes[-1], action))
    return torch.stack(codes)


@pytest.mark.parametrize("box", [False, True])
def test_actions_are_bounded_by_norm_or_by_number(box):
    actions = Actions(2.0, box)
    given = torch.tensor([[3.0, 3.0], [0.5, -1.0], [0.0, 0.0]])
    expected = torch.tensor([[2.0, 2.0] if box else [2**0.5] * 2, [0.5, -1.0], [0.0, 0.0]])
    assert torch.allclose(actions.clip(given), expected)
    spread = actions.spread(8, 3)
    assert spread.shape == (25, 2) and torch.equal(spread[0], torch.zeros(2))
    sizes = actions.size(spread[1:]).reshape(3, 8)
    assert torch.allclose(sizes, torch.tensor([[1 / 3], [2 / 3], [1.0]]).expand(3, 8))


@pytest.mark.parametrize("pixels", [10, 20, 40])  # an action is shorter than one, as long, longer
def test_costs_are_steps_where_nothing_is_in_the_way(pixels):
    world, goal = Sliding(seen=0), torch.tensor([[31 / 60, 25 / 60]])  # a node, where an action is 1.5 long
    maps = torch.zeros(1, pixels + 1, pixels + 1, dtype=torch.uint8)
    found = CostToGo(world, as_frames([[0.0, 0.0]]), maps, goal, Actions(1.0))
    codes = 0.1 + 0.8 * torch.rand(1, 200, 2, generator=torch.Generator().manual_seed(0))
    steps = (codes - goal[:, None]).norm(dim=-1) / 0.05
    assert ((found.at(codes) - steps).abs() < 0.04 * steps + 0.3).all()


@pytest.mark.parametrize("box", [False, True])
@pytest.mark.parametrize("planner", ["cost-to-go", "cem"])
def test_a_world_that_slides_is_planned_in_too(planner, box):
    world, start, goal = Sliding(), [[0.3, 0.1], [0.42, 0.3]], [[0.7, 0.1], [0.97, 0.03]]
    agent = PLANNERS[planner](world, as_frames(start), as_frames(goal), Actions(1.0, box))
    if not box:
        way = 2 * np.hypot(0.14, 0.6) + 0.12  # past the wall's corners
        assert way < 0.05 * float(agent.map.at(torch.tensor(start)[:, None])[0]) < 1.15 * way
    codes = act_out(world, agent, start, 50)
    assert (codes[-1] - torch.tensor(goal)).norm(dim=-1).max() < (0.001 if planner == "cost-to-go" else 0.15)
    moves = codes.diff(dim=0).norm(p=torch.inf if box else 2, dim=-1)
    assert moves.max() < 0.0501


def test_what_did_not_happen_is_not_tried_again():
    """The model sees a wider gap than there is. The agent finds the true one, and repeats no move that failed."""
    world, start, goal = Sliding(seen=0.66), [[0.3, 0.6]], [[0.7, 0.6]]
    agent = plan(world, as_frames(start), as_frames(goal), Actions(1.0))
    codes, failed = torch.tensor(start), []
    for _ in range(80):
        action = torch.from_numpy(agent.act(as_frames(codes.tolist())))
        free = codes + 0.05 * action
        if torch.isclose(world.moved(codes, action), free).all():
            codes = free
        else:  # stopped whole
            failed.append(tuple(torch.cat([codes, action], dim=1)[0].tolist()))
    assert 0 < len(failed) == len(set(failed)) and (codes - torch.tensor(goal)).norm() < 0.02


def test_an_agent_goes_straight_at_a_goal_that_the_model_knows_no_way_to():
    """The model takes the goal's place for wall; the agent slides as near as it can get, from before or behind."""
    world, start, goal = Sliding(), [[0.2, 0.3], [0.8, 0.1]], [[0.5, 0.5]] * 2
    agent = plan(world, as_frames(start), as_frames(goal), Actions(1.0, box=True))
    assert (act_out(world, agent, start, 20)[-1] - torch.tensor(goal)).norm(dim=-1).max() < 0.12


@pytest.mark.parametrize("size", [64, 65])
def test_a_quarter_of_a_thousand_parameters_reach_every_goal_in_rooms_never_seen_too(model, size):
    task = TWO_ROOMS.task
    for layouts in ("seen", "unseen", "rooms", "doors", "maze"):
        found = run(task, partial(plan, model), 4, 100, {"layouts": layouts, "image_size": size})
        assert found["last"]["1.5"][0] == 1.0 and found["median_way"] < 1.05


def test_goals_beside_borders_and_starts_beside_walls(model):
    near, far = 4.05, 58.95
    starts = [(28.9, 50.0), (4.1, 4.1), (31.1, 58.9), (30.0, 32.0), (10.0, 30.0)]
    goals = [(far, near), (near, far), (near, near), (31.1, 58.9), (28.9, 10.0)]
    locations, (goal_frames, walls) = np.array(starts), room(goals)
    agent = plan(model, room(starts)[0], goal_frames)
    for _ in range(100):
        actions = agent.act(room(locations)[0]).astype(float)
        assert (np.linalg.norm(actions, axis=1) < 1.8001).all()
        locations, _ = step(Geometry(), locations, actions, walls)
    assert np.linalg.norm(locations - goals, axis=1).max() < 1.5


def test_what_is_imagined_is_not_remembered(model):
    frames, goal_frames = room([(10.0, 20.0)])[0], room([(50.0, 50.0)])[0]
    agent, plain = plan(model, frames, goal_frames), plan(model, frames, goal_frames)
    imagined = agent.imagine(frames, 60)
    assert imagined.shape == (1, 61, 2)
    assert (imagined[0, -1] - agent.goal[0]).norm() < 0.1 / 16  # in thought it is there already
    assert np.array_equal(agent.act(frames), plain.act(frames)) and agent.steps == plain.steps == 1
    for steps in (1.5, -1, "3", None, 10**400):
        with pytest.raises(UserError, match="steps must be a whole number"):
            agent.imagine(frames, steps)


@pytest.mark.parametrize("formed", [lambda f: f.astype(">f4")[:, ::-1][:, ::-1], np.ndarray.tolist, torch.tensor])
def test_one_frame_or_many_in_any_form_give_the_same_actions(model, formed):
    frames, goals = room([(10.0, 20.0), (50.0, 40.0)])[0], room([(50.0, 50.0), (12.0, 12.0)])[0]
    frames.flags.writeable = False
    one = plan(model, frames[0], goals[0]).act(frames[0])
    many = plan(model, formed(frames), formed(goals)).act(formed(frames))
    assert one.shape == (2,) and many.shape == (2, 2) and np.allclose(many[0], one, atol=1e-4)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (lambda f: f[0], "must both be"),
        (lambda f: f.transpose(0, 2, 3, 1), "must both be"),
        (lambda f: f[..., :60], r"frames must be \[..., 2, S, S\], S from 2 px, not"),
        (lambda f: np.concatenate([f, f]), "must both be"),
        (lambda f: 0 * f, "of one colour"),
        (lambda f: f * np.array([0, 1], np.uint8)[:, None, None], "show something that moves"),
        (lambda f: f * 1e300, "finite real numbers"),
    ],
)
def test_frames_that_cannot_be_are_named(model, changed, says):
    frames, goal_frames = room([(10.0, 20.0)])[0], room([(50.0, 50.0)])[0]
    with pytest.raises(UserError, match=says):
        plan(model, frames, changed(goal_frames))
    agent = plan(model, frames, goal_frames)
    for bad in (changed(frames), frames[..., :60, :60]):
        with pytest.raises(UserError, match=r"^frame must"):
            agent.act(bad)


def test_bad_requests_are_named(model):
    frames = room([(10.0, 20.0)])[0]
    for arguments, message in (
        ({"model": tiny_jepa.build_model("250")}, "predicts no moves for actions of up to 1.8"),
        ({"model": tiny_jepa.load_model("250").double()}, "float32"),
        ({"model": "250", "actions": Actions(1.0)}, "a str is no model"),
        ({"actions": 1.8}, "say which actions"),
    ):
        given = {"model": model, "frame": frames, "goal_frame": frames, **arguments}
        with pytest.raises(UserError, match=message):
            plan(**given)
    for limits in ((1, True, 3), (), (0,)):
        with pytest.raises(UserError, match=r"^(Actions takes each of these once: limit, box|missing|--limit must be)"):
            Actions(*limits)


ODD = [None, "far", KeyError("one\ntwo"), torch.ones(1, 2, device="meta"), torch.eye(2).to_sparse()]
ANSWERS = st.sampled_from(ODD) | hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(max_dims=4, max_side=3))


@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(["encode_agent", "encode_context", "code_range", "step", "sees", "frame"]), answer=ANSWERS)
def test_with_a_model_of_anybodys_there_is_a_plan_or_a_sentence(name, answer):
    world, frames = Sliding(), as_frames([[0.3, 0.1]])
    answers = Mock(return_value=answer, side_effect=answer if isinstance(answer, Exception) else None)
    setattr(world, name, answer if name in ("sees", "frame") else answers)
    try:
        agent = plan(world, frames, as_frames([[0.3, 0.3]]), Actions(1.0))
        found = np.concatenate([agent.act(frames) for _ in range(2)])
    except UserError as error:
        assert re.match(rf"(what )?the model('s {name}| predicts)", str(error)) and "\n" not in str(error)
    else:
        assert found.shape == (2, 2) and np.isfinite(found).all()


def test_the_interval_is_wilsons():
    assert wilson(0.8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(1.0, 1000) == pytest.approx((0.9962, 1.0), abs=1e-4)


def test_the_last_step_and_any_step_are_two_rules():
    passes_stays_never = np.array([[0.0, 5, 9], [9, 7, 5], [0, 0, 0]])
    locations, goals = (np.stack([x, 0 * x], axis=-1) for x in (passes_stays_never, np.full(3, 5.0)))
    found = score((2.5, 1.0), locations, goals, np.array([5.0, 4, 5]))
    assert found["any"]["1"][0] == found["any"]["2.5"][0] == pytest.approx(2 / 3)
    assert found["last"]["1"][0] == pytest.approx(1 / 3)
    assert found["median_steps"] == 1.5 and found["median_way"] == 1.0
    assert score((1.0,), np.zeros((1, 2, 2)), np.zeros((1, 2)), np.zeros(1))["median_way"] == 1.0  # there before


def test_the_command_says_and_stores_how_episodes_end(tmp_path, capsys):
    options = "--budget 50 --episodes 2 --steps 3 --layouts unseen --noise 0.1 --json --store"
    command.main([*options.split(), str(tmp_path / "s.json")])
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert result == json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    found = result["scores"]["cost-to-go"]
    assert (found["episodes"], found["steps"], result["environment"]["noise"]) == (2, 3, 0.1)
    assert "at the last step" in said.err


def test_the_example_reaches_its_goal(capsys):
    runpy.run_path(str(ROOT / "examples" / "plan.py"))
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 3 and float(said[-1].split(" px away")[0].split()[-1]) < 1.5


def test_a_picture_shows_an_episode(model, tmp_path):
    shown = record(TWO_ROOMS, partial(plan, model), 3, "250", {}, tmp_path / "plan.gif")
    assert Image.open(shown).n_frames > 3
