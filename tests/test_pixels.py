"""Worlds seen in pixels: dot and walls are told apart in any colours, moves are made along each axis on its own, and
data come from any environment. The real environment of stable-worldmodel is tested where it is installed (-m swm)."""

import importlib.util
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks.swm_harness import Policy
from tiny_jepa.budgets import find_budget, find_weights, list_budgets
from tiny_jepa.data import open_source
from tiny_jepa.data.collect import collect
from tiny_jepa.data.episodes import Collection, to_vary
from tiny_jepa.errors import UserError
from tiny_jepa.models import JEPA, Architecture, count_parameters
from tiny_jepa.models.colours import moving_colour, unmixed
from tiny_jepa.models.encoder import centroid, marginals
from tiny_jepa.models.map import Maps
from tiny_jepa.planning import plan
from tiny_jepa.probing.measure import measure
from tiny_jepa.probing.subjects import DeadReckoning
from tiny_jepa.settings import TrainingConfig
from tiny_jepa.training.examples import expressible
from tiny_jepa.training.train import Trainer
from tiny_jepa.weights import read_weights
from tiny_jepa.worlds import find_world
from tiny_jepa.worlds.contract import Actions
from tiny_jepa.worlds.pixels import pixel_world

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
stand_in = pytest.importorskip("stand_in")
gymnasium = stand_in.gymnasium
STAND_IN = pixel_world(stand_in.SIZE)
ENV = "stand_in:StandIn-v0"
WHITE, BLACK, RED, BROWN = (255, 255, 255), (0, 0, 0), (255, 0, 0), (90, 60, 30)
COLOURS = [(WHITE, BLACK, RED), (BROWN, WHITE, (0, 40, 250)), (WHITE, RED, RED), (BLACK, (40, 40, 40), BROWN)]
GREYS = [[(grey, grey, grey) for grey in greys] for greys in ((120, 220, 0), (0, 100, 255), (255, 0, 128))]


def collected(out, **settings):
    return Collection(**{"out": out, "env": ENV, "episodes": 120, "steps": 8, **settings})


def told_apart(frames, places, colour=None):
    """Which share of each pixel [N, H, W] is wall, once the dot is read where it is."""
    share, rest = unmixed(torch.from_numpy(frames.transpose(0, 3, 1, 2)), colour)
    read = torch.stack([centroid(profile, 1.0) for profile in marginals(rest).unbind(1)], dim=-1)
    assert (read - torch.from_numpy(places)).abs().max() < 0.5
    return share


@pytest.mark.parametrize("solid", [False, True])
@pytest.mark.parametrize("room, wall, dot", COLOURS + GREYS)
def test_dot_and_map_are_told_apart_in_any_colours(room, wall, dot, solid):
    if solid and dot in (wall, GREYS[1][2]):
        return  # nobody could; beside a grey wall, the rim of a white disc is as grey
    rng = np.random.default_rng(0)
    places = rng.uniform([5, 5], [12, 26], (60, 2))
    share = told_apart(
        np.stack([stand_in.draw(place, room=room, wall=wall, dot=dot, solid=solid) for place in places]), places
    )
    drawn = torch.from_numpy(stand_in.drawn()).float()
    wrong = (share - drawn).abs()
    away = np.indices(drawn.shape) - places[:, ::-1, None, None]
    near = torch.from_numpy(np.hypot(away[:, 0], away[:, 1]) < 5)
    assert wrong[~near].max() < 0.05 and wrong[near & (drawn == 0)].max() < 0.3


def test_a_drawn_door_is_neither_a_wall_nor_the_dot():
    """As in stable-worldmodel's rooms of other colours, whose doors stay white."""
    frame = stand_in.draw([8, 20], room=(90, 30, 160))
    frame[8:13, 15:17] = 255
    assert told_apart(frame[None], np.array([[8.0, 20.0]]))[0, 8:13, 15:17].max() < 1e-6


def test_what_moves_tells_the_dot_from_a_mark():
    """As in SimplePointMaze, whose goal is a pale disc, and whose agent is four equal pixels now and then."""
    places = np.random.default_rng(0).integers([5, 5], [11, 27], (40, 2)) + 0.5
    frames = np.stack([stand_in.draw(place, solid=True) for place in places])
    frames = np.minimum(frames, stand_in.draw((24.2, 16.4), dot=(127, 255, 127)))
    told = torch.from_numpy(frames.transpose(0, 3, 1, 2)).float()
    colour = moving_colour(told.split(10))
    assert torch.allclose(colour, torch.tensor([255.0, 0.0, 0.0]))
    assert not moving_colour(told.roll(k, 1) for k in range(3)).any()  # as many agents as colours
    with pytest.raises(AssertionError):
        told_apart(frames, places)
    told_apart(frames, places, colour)


def test_larger_frames_are_averaged_down():
    model = find_budget("200", STAND_IN).build()
    frames = torch.from_numpy(stand_in.draw([8, 9.5]).transpose(2, 0, 1))[None]
    larger = frames.repeat_interleave(3, dim=2).repeat_interleave(3, dim=3)
    assert torch.equal(model.encode_agent(frames), model.encode_agent(larger))
    assert torch.equal(model.encode_context(frames), model.encode_context(larger))


def test_one_gate_an_axis_lets_an_agent_slide():
    cell = JEPA(Architecture(gate_widths=(3, 3)), STAND_IN.frame).predictor
    cell.action.data.fill_(1.0)
    cell.out.weight.data.zero_()
    cell.out.bias.data.copy_(torch.tensor([-50.0, 50.0]))  # closed along x, open along y
    moved = cell(torch.ones(1, 2), torch.tensor([[0.5, 0.25]]), Maps.of(torch.zeros(1, 32, 32, dtype=torch.uint8)))
    assert torch.allclose(moved, torch.tensor([[1.0, 1.25]]))


def test_being_thrown_aside_counts_as_a_move_that_was_not_made():
    moved = torch.tensor([[1.0, 1.0], [0.0, 0.4], [-0.8, 1.0], [3.0, 1.0]])  # free, sliding, thrown back, thrown on
    seen = expressible(torch.ones(4, 2), moved)
    assert torch.equal(seen, torch.tensor([[1.0, 1.0], [0.0, 0.4], [0.0, 0.0], [0.0, 0.0]]))


def test_worlds_are_found_by_name_or_by_module():
    sys.modules["stand_in"].WORLD = STAND_IN
    assert find_world("stand_in:WORLD").frame == replace(STAND_IN.frame, world="stand_in:WORLD")
    for name in ("atlantis", "stand_in:ATLANTIS", "no_such_module:WORLD", "stand_in:SIZE"):
        with pytest.raises(UserError, match=r"no world|is no World"):
            find_world(name)


def test_collecting_gives_a_folder_that_is_read_and_says_what_it_saw(tmp_path, capsys):
    assert collect(collected(tmp_path)) == 0
    source = open_source(str(tmp_path), STAND_IN)
    train, labelled = source.require("train"), source.require("probe_normal/val")
    assert len(train) == 120 and train.frames(np.arange(2)).shape == (2, 9, 3, stand_in.SIZE, stand_in.SIZE)
    with pytest.raises(UserError, match=r"without locations\.npy"):
        train.locations(np.arange(1))
    moved = np.diff(labelled.locations(np.arange(12)).numpy(), axis=1)
    free = np.abs(moved - labelled.actions(np.arange(12)).numpy()).max(-1) < 1e-4
    assert free.mean() > 0.5
    record = json.loads((tmp_path / "train" / "metadata.json").read_text(encoding="utf-8"))
    assert record["settings"]["env"] == ENV and record["settings"]["seed"] == 0
    said = re.search(r"about (.*) px \(median\), (.*) px at most; (.*)% of the steps", capsys.readouterr().out)
    size = np.linalg.norm(train.actions(np.arange(120)), axis=-1)
    median, most, still = map(float, said.groups())
    assert 0.8 < median / np.median(size) < 1.4 and 0.8 < most / size.max() < 1.4 and 0 < still < 30


def test_an_environment_that_tells_no_location_gives_data_to_train_on(tmp_path, monkeypatch, capsys):
    step, reset = stand_in.StandIn.step, stand_in.StandIn.reset
    monkeypatch.setattr(stand_in.StandIn, "step", lambda self, action: (*step(self, action)[:4], {}))
    monkeypatch.setattr(stand_in.StandIn, "reset", lambda self, **given: (reset(self, **given)[0], {"other": 1}))
    monkeypatch.setattr(stand_in.StandIn, "render", lambda self: stand_in.draw((8, 8)))
    with pytest.raises(UserError, match="--location state: this environment tells of other"):
        collect(collected(tmp_path, location="state"))
    assert collect(collected(tmp_path)) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["train"]
    out = capsys.readouterr().out
    assert "only train/ is written" in out and "warning: no frame ever changes" in out


def test_an_expert_leads_half_of_the_episodes(tmp_path):
    with pytest.raises(UserError, match="needs --expert"):
        collect(collected(tmp_path, policy="mixed"))
    collect(collected(tmp_path, policy="mixed", expert="stand_in:Expert"))
    actions = np.load(tmp_path / "train" / "actions.npy")
    assert actions[..., 0].mean() > 0.2 and abs(actions[..., 1].mean()) < 0.1


def test_what_is_to_vary_is_added_to_what_varies_anyway_and_has_to_be_there(monkeypatch):
    env = stand_in.StandIn()
    assert to_vary(env, ()) == []
    with pytest.raises(UserError, match="--vary door: this environment varies nothing"):
        to_vary(env, ("door",))
    monkeypatch.setattr(stand_in, "DEFAULT_VARIATIONS", ("place",), raising=False)
    monkeypatch.setattr(env, "variation_space", SimpleNamespace(names=lambda: ["place", "door"]), raising=False)
    assert to_vary(env, ("door",)) == ["place", "door"]
    with pytest.raises(UserError, match=r"--vary dor: .*place, door"):
        to_vary(env, ("dor",))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"env": "NoSuch-v0"}, "NoSuch-v0 fails with NameNotFound"),
        ({"env": "no_such:Room-v0"}, "no_such:Room-v0 fails with ModuleNotFoundError"),
        ({"env": "CartPole-v1"}, "a Box of two numbers|fails with"),
        ({"policy": "expert", "expert": "stand_in:Nobody"}, "write it as package"),
        ({"location": "place"}, "--location place: this environment tells of state"),
        ({"env": "tiny_jepa.worlds.two_rooms.env:TwoRooms-v0", "steps": 201}, "end after 200 steps; --steps 201"),
        ({"env": "tiny_jepa.worlds.two_rooms.maps:tiny_jepa/Map-v0"}, "Map-v0: missing key 'map'"),
        ({"side": 7}, "--side 7 does not divide the side of these frames, 32 px"),
    ],
)
def test_bad_wishes_are_refused_in_a_sentence(tmp_path, settings, says):
    with pytest.raises(UserError, match=says):
        collect(collected(tmp_path, **settings))


WRONG = [
    ("render", lambda self: np.zeros((32, 32, 3)), r"frames must be uint8 .*, not float64 \[32, 32, 3\]"),
    ("render", lambda self: np.zeros((32, 30, 3), np.uint8), r"square and of 2 to 257 px, not uint8 \[32, 30, 3\]"),
    ("render", lambda self: 1 / 0, "StandIn-v0 fails with ZeroDivisionError"),
    ("reset", lambda self, **_: (None, {"state": None}), "fails with AttributeError"),
    ("step", lambda self, action: (None, 0.0, False, False, {"state": np.array([3, np.nan])}), "from 0 to 32 px"),
    ("step", lambda self, action: (None, 0.0, True, False, {"state": self.place}), "shorter than --steps 8"),
    ("step", lambda self, action: (None, 0.0, False, False, {"state": -self.place}), "from 0 to 32 px"),
    ("step", lambda self, action: (None, 0.0, False, False, {"state": 99 * self.place}), "from 0 to 32 px"),
    ("reset", lambda self, **_: sys.exit(0), "StandIn-v0 fails with SystemExit"),
    ("action_space", gymnasium.spaces.Box(-np.inf, 1, (2,)), "StandIn-v0: its actions are Box.*finite limits"),
    ("get_action", lambda self, info: np.full(2, np.nan), "finite"),
    ("get_action", lambda self, info: np.array(1.0), "cannot reshape"),
    ("get_action", lambda self, info: [1j, 0], "the expert's action must be finite real numbers"),
]


@pytest.mark.parametrize(("method", "given", "says"), WRONG)
def test_what_an_environment_or_an_expert_does_wrong_is_said_in_a_sentence(tmp_path, monkeypatch, method, given, says):
    expert = {"policy": "expert", "expert": "stand_in:Expert"} if method == "get_action" else {}
    monkeypatch.setattr(stand_in.Expert if expert else stand_in.StandIn, method, given)
    with pytest.raises(UserError, match=says):
        collect(collected(tmp_path, **expert))


def test_what_is_recorded_is_what_was_played_and_shown(tmp_path, monkeypatch):
    """An environment of whole actions, which draws all frames into one buffer."""
    played, shown, step, render = [], np.zeros((32, 32, 3), np.uint8), stand_in.StandIn.step, stand_in.StandIn.render
    monkeypatch.setattr(stand_in.StandIn, "action_space", gymnasium.spaces.Box(-2, 2, (2,), np.int8))
    monkeypatch.setattr(stand_in.StandIn, "step", lambda self, action: played.append(action) or step(self, action))
    monkeypatch.setattr(stand_in.StandIn, "render", lambda self: np.copyto(shown, render(self)) or shown)
    collect(collected(tmp_path, episodes=2, steps=70))  # longer than episodes usually are
    actions = np.load(tmp_path / "train" / "actions.npy").reshape(-1, 2)
    assert {each.dtype for each in played} == {np.dtype(np.int8)} and (actions == np.rint(actions)).all()
    assert {*map(tuple, actions.tolist())} <= {*map(tuple, np.array(played, float).tolist())}
    assert np.diff(np.load(tmp_path / "train" / "states.npy").astype(int), axis=1).any()


SHORT = {"encode_steps": 200, "encode_frames": 2, "encode_lr": 0.02, "auditions": 2, "audition_steps": 200}
SHORT |= {"predict_steps": 700, "predict_batch": 512}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model of 300 parameters, trained for some seconds on the stand-in with drawn doors, and its data."""
    out = tmp_path_factory.mktemp("data")
    collect(collected(out, env="stand_in:StandInDoors-v0", episodes=600, policy="mixed", expert="stand_in:Expert"))
    source = open_source(str(out), STAND_IN)
    torch.manual_seed(0)
    model, config = find_budget("300", STAND_IN).build(), replace(TrainingConfig(), **SHORT)
    trainer = Trainer(model, source.require("train"), config, torch.device("cpu"))
    assert len(list(trainer.run())) == 900
    return model.eval().requires_grad_(False), source


def test_a_pixel_world_trains_with_the_same_loop(trained):
    model, source = trained
    dataset = source.require("probe_normal/val")
    everyone, unit = np.arange(len(dataset)), STAND_IN.frame.unit
    frames, where = dataset.frames(everyone), dataset.locations(everyone)
    read = model.encode_agent(frames) * unit
    offset = (read - where).mean((0, 1))
    assert (read - where - offset).square().mean() < 0.3**2
    codes = model.unroll(
        model.encode_agent(frames[:, 0]), dataset.actions(everyone), model.encode_context(frames[:, 0])
    )
    error = (codes * unit - where - offset)[:, -1].square().mean()
    reckoned = (where[:, 0] + dataset.actions(everyone).sum(1) - where[:, -1]).square().mean()
    assert error < 0.3 * reckoned
    assert next(measure(model, source, groups=STAND_IN.groups))[1][0] < 2 * reckoned


def test_actions_may_count_rows_upwards(tmp_path, monkeypatch):
    step = stand_in.StandIn.step
    monkeypatch.setattr(stand_in.StandIn, "step", lambda self, action: step(self, action * np.array([1, -1])))
    collect(collected(tmp_path))
    source, config = open_source(str(tmp_path), STAND_IN), replace(TrainingConfig(), **SHORT | {"predict_steps": 1})
    model = find_budget("300", STAND_IN).build()
    list(Trainer(model, source.require("train"), config, torch.device("cpu")).run())
    assert model.predictor.up and model.predictor.action > 0.1
    reckoned = DeadReckoning(0, STAND_IN.frame, model)(
        source.require("train").frames(np.arange(1)), torch.ones(1, 1, 2)
    )
    assert torch.allclose(
        reckoned[:, 1] - reckoned[:, 0], model.predictor.action * torch.tensor([[1.0, -1.0]]), atol=1e-6
    )


MISFITS = {
    "nothing moves": lambda place, action, rng: place,
    "actions do not move what the encoder follows": lambda place, action, rng: rng.uniform([4, 4], [11, 28]),
    "moves by itself": lambda place, action, rng: place + action + [0, 0.7],
    "more than one thing moves": lambda place, action, rng: place + action,
}


@pytest.mark.parametrize("says", MISFITS)
def test_a_world_that_cannot_be_learned_is_refused_in_a_sentence(tmp_path, monkeypatch, says):
    def step(self, action):
        self.place = np.clip(MISFITS[says](self.place, action, self.np_random), 4, [11, 28])
        self.other = np.clip(getattr(self, "other", [24, 16]) + self.np_random.normal(0, 0.7, 2), [20, 4], 28)
        return self.place.astype(np.float32), 0.0, False, False, {"state": self.place}

    def render(self):
        other = getattr(self, "other", [24, 16]) if says.startswith("more") else self.place
        return np.minimum(stand_in.draw(self.place), stand_in.draw(other))

    monkeypatch.setattr(stand_in.StandIn, "step", step)
    monkeypatch.setattr(stand_in.StandIn, "render", render)
    monkeypatch.setattr("tiny_jepa.training.train.STARTS", 2)
    collect(collected(tmp_path))
    budget = find_budget("300", STAND_IN)
    dataset = open_source(str(tmp_path), STAND_IN).require("train")
    config = replace(budget.training, encode_steps=200)
    with pytest.raises(UserError, match=says):
        list(Trainer(budget.build(), dataset, config, torch.device("cpu")).run())


@pytest.mark.parametrize("door, half", [(10, 2), (17, 4), (23, 3)])
def test_a_planner_walks_through_whatever_door_a_pixel_world_has(trained, door, half):
    model, _ = trained
    env = stand_in.StandIn()
    env.reset(seed=0)
    env.door, env.half = door, half
    env.place = np.array([24.0, 24.0])
    goal = env.render().transpose(2, 0, 1)
    env.place = np.array([7.0, 25.0])
    agent = plan(model, env.render().transpose(2, 0, 1), goal, Actions(1.0, box=True))
    for _ in range(70):
        env.step(agent.act(env.render().transpose(2, 0, 1)))
    assert np.linalg.norm(env.place - [24.0, 24.0]) < 3.0


def test_the_harness_gets_actions_in_the_shape_that_it_wants(trained):
    model, _ = trained
    start, goal = (np.stack([stand_in.draw(place)])[:, None] for place in ([7.0, 24.0], [7.0, 12.0]))
    action = Policy(model, "cost-to-go").get_action({"pixels": start, "goal": goal, "state": np.zeros((1, 1, 2))})
    assert action.shape == (1, 2) and action[0, 1] < -0.5


def test_budgets_are_solved_for_and_presets_ship_with_weights_of_their_size():
    world = find_world("tworoom")
    for budget in ("120", "2000", *list_budgets(world)):
        assert 0.8 * int(budget) < count_parameters(find_budget(budget, world).build()) <= int(budget)
    for budget in list_budgets(world):
        model, metadata = read_weights(find_weights(budget, world))
        assert count_parameters(model) <= int(budget) and model.frame == world.frame
        assert "--world tworoom " in metadata["command"]


def test_the_page_of_a_users_world_runs(tmp_path, monkeypatch):
    page = (HERE.parent / "docs" / "worlds.md").read_text(encoding="utf-8")
    world, _ = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "my_room.py").write_text(world, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    collect(Collection(out=tmp_path / "data", env="my_room:Room-v0", episodes=20))
    dataset = open_source(str(tmp_path / "data"), find_world("my_room:ROOM")).require("train")
    assert dataset.frames(np.arange(1)).shape == (1, 17, 3, 32, 32)


@pytest.mark.swm
@pytest.mark.skipif(importlib.util.find_spec("stable_worldmodel") is None, reason="needs stable-worldmodel")
def test_the_harness_of_stable_worldmodel_counts_our_successes(tmp_path, capsys):
    from benchmarks.swm import main

    store = tmp_path / "found.json"
    shared = {"budget": "500", "recordings": tmp_path, "store": store}
    main(**shared, episodes=10, recorded=20, planners=("cost-to-go", "random"))
    found = json.loads(store.read_text(encoding="utf-8"))
    assert found["success"]["cost-to-go"][0] >= 0.9 > found["success"]["random"][0]
    assert "cost-to-go" in capsys.readouterr().out
    picture = tmp_path / "ways.gif"
    vary = ("door.position", "door.size")
    main(**shared, episodes=20, recorded=40, planners=("cost-to-go",), vary=vary, record=picture)
    assert json.loads(store.read_text(encoding="utf-8"))["success"]["cost-to-go"][0] >= 0.9
    assert picture.read_bytes().startswith(b"GIF")
