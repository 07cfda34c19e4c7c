"""The probing protocol: the losses of the plain one, each representation computed once, for anybody's models."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from plain_protocol import StarterEvaluator, plain
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from tiny_jepa.data import Batch, Loader, read_batch
from tiny_jepa.errors import UserError
from tiny_jepa.models import JEPA, Architecture
from tiny_jepa.probing import Prober
from tiny_jepa.probing.protocol import ProbingConfig, ProbingEvaluator
from tiny_jepa.probing.representations import collect, is_indexed
from tiny_jepa.probing.subjects import DeadReckoning
from tiny_jepa.worlds.two_rooms import TWO_ROOMS
from tiny_jepa.worlds.two_rooms.sets import ProceduralSet, SetRecipe

SHORT, SHORT_VAL = SetRecipe("explore", 640), SetRecipe("explore", 150)
LONG, LONG_VAL = SetRecipe("explore", 256, steps=40), SetRecipe("explore", 130, steps=40)
RECKONING = DeadReckoning(512, TWO_ROOMS.frame)


class Foreign(nn.Module):
    """Somebody else's world model: nothing of ours in it, and columns that are all different."""

    def __init__(self, repr_dim: int = 48) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.repr_dim = repr_dim
        self.encoder = nn.Linear(2 * 64, repr_dim)
        self.predictor = nn.GRUCell(2, repr_dim)
        self.calls = 0

    def forward(self, states, actions):
        assert states.shape[1] == 1
        self.calls += len(states)
        frame = states[:, 0, 0].float() / 255
        code = torch.tanh(self.encoder(torch.cat([frame.sum(1), frame.sum(2)], dim=1)))
        codes = [code]
        for action in actions.unbind(1):
            codes.append(self.predictor(action, codes[-1]))
        return torch.stack(codes, dim=1)


def scored(evaluator) -> float:
    return evaluator.evaluate_all(evaluator.train_pred_prober())["val"]


def plain_loss(model: nn.Module, train: ProceduralSet, val: ProceduralSet, epochs: int, seed: int) -> float:
    rng, loader = torch.Generator().manual_seed(seed), Loader(train, shuffle=True, seed=seed)
    torch.manual_seed(seed)
    draw = {"draw": lambda steps: torch.rand(steps, generator=rng).argsort()}
    return scored(StarterEvaluator(model, loader, {"val": Loader(val)}, epochs, **draw))


def our_loss(model: nn.Module, train, val, epochs: int = 20, seed: int = 0, wrap=lambda loader: loader) -> float:
    loader, config = Loader(train, shuffle=True, seed=seed), ProbingConfig(epochs=epochs, seed=seed)
    return scored(ProbingEvaluator("cpu", model, wrap(loader), {"val": wrap(Loader(val))}, config))


@pytest.mark.parametrize("recipes", [(SHORT, SHORT_VAL), (LONG, LONG_VAL)], ids=["17 steps", "41 steps"])
@pytest.mark.parametrize("model", [RECKONING, Foreign()], ids=["lifted", "foreign"])
def test_same_losses_as_the_plain_protocol(model, recipes):
    train, val = (ProceduralSet(name, recipe) for name, recipe in zip(("train", "val"), recipes, strict=True))
    expected = plain_loss(model, train, val, 3, seed=5)
    assert our_loss(model, train, val, 3, seed=5) == pytest.approx(expected, rel=1e-3)
    assert our_loss(model, train, val, 3, seed=5, wrap=plain) == pytest.approx(expected, rel=1e-3)
    assert our_loss(model, train, val, 3, seed=6) != pytest.approx(expected, rel=1e-4)


class CountedSet(ProceduralSet):
    """Counts how often each trajectory's frames are asked for."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self.asked = np.zeros(len(self), dtype=int)

    def frames(self, indices, start=0, stop=None):
        assert (start, stop) == (0, 1), "only first frames are seen by a model"
        self.asked[indices] += 1
        return super().frames(indices, start, stop)


def test_each_representation_is_computed_once():
    train, val, model = CountedSet("train", SHORT), CountedSet("val", SHORT_VAL), Foreign()
    scored = {"one": Loader(val), "again": Loader(val)}
    evaluator = ProbingEvaluator("cpu", model, Loader(train, shuffle=True), scored, ProbingConfig(epochs=3))
    for _ in range(2):
        losses = evaluator.evaluate_all(evaluator.train_pred_prober())
    assert losses["one"] == losses["again"]
    assert (train.asked == 1).all() and (val.asked == 1).all()
    assert model.calls == len(train) + len(val)


def test_columns_equal_at_first_are_told_apart_later():
    torch.manual_seed(0)
    drawn = [torch.rand(3, 4, 2) for _ in range(3)]
    batches = [torch.stack([a[..., 0], a[..., 1], a[..., 0], torch.zeros(3, 4)], dim=-1) for a in drawn]
    batches[2][..., 2] += 1  # the third column was the first's twin until now
    pairs = [(batch, batch[..., :2]) for batch in batches]
    for count, distinct in ((2, 3), (3, 4)):
        columns, groups, locations = collect(pairs[:count], 4)
        assert columns.shape[-1] == distinct and torch.equal(columns[..., groups], torch.cat(batches[:count]))
    assert torch.equal(locations, torch.cat(batches)[..., :2])


def test_the_prober_of_tied_columns_is_a_whole_one():
    train, val = Loader(ProceduralSet("train", SHORT)), Loader(ProceduralSet("val", SHORT_VAL))
    evaluator = ProbingEvaluator("cpu", RECKONING, train, {"val": val}, ProbingConfig(epochs=2))
    prober, batch = evaluator.train_pred_prober(), next(iter(val))
    assert prober.hidden.weight.shape == (256, 512) and evaluator.frozen.represent(train).columns.shape[-1] == 3
    read = prober(RECKONING(batch.states[:, :1], batch.actions)) * evaluator.std + evaluator.mean
    assert torch.allclose(read, next(iter(evaluator.read_out(prober, val)))[0], atol=1e-3)


class Told(ProceduralSet):
    """A set whose frame is its start location and whose actions are what really happened."""

    def frames(self, indices, start=0, stop=None):
        return self.locations(indices)[:, start:stop, :, None, None]

    def actions(self, indices):
        return self.locations(indices).diff(dim=1)


class Perfect(nn.Module):
    """The true location, centred and in units of 16 px, tiled."""

    repr_dim = 512

    def forward(self, states, actions):
        start = states[:, :1, :, 0, 0]
        locations = torch.cat([start, start + actions.cumsum(1)], dim=1)
        return ((locations - 32) / 16).repeat(1, 1, 256)


def test_a_perfect_model_scores_at_the_floor():
    train = Told("probe_normal/train", SetRecipe("explore", 10_000))
    assert our_loss(Perfect(), train, Told("val", SHORT_VAL)) < 0.03


def test_a_random_model_scores_what_predicting_the_mean_scores():
    torch.manual_seed(0)
    train, val = ProceduralSet("train", SetRecipe("explore", 2_000)), ProceduralSet("val", SHORT_VAL)
    places = val.trajectories.locations
    random = Model(lambda batch: torch.randn(batch, 17, 6))
    assert our_loss(random, train, val) == pytest.approx(np.square(places - places.mean((0, 1))).mean(), rel=0.15)


def course_loader(drawn: ProceduralSet, shuffle: bool = False) -> DataLoader:
    """The course's own: of a set that gives one sample an index."""
    samples = [Batch(*sample) for sample in zip(*read_batch(drawn, np.arange(len(drawn))), strict=True)]
    return DataLoader(samples, 64, shuffle=shuffle, drop_last=True)


def test_somebody_elses_model_and_loaders():
    train, val = course_loader(ProceduralSet("train", SHORT), True), course_loader(ProceduralSet("val", SHORT_VAL))
    model = Foreign()
    loss = scored(ProbingEvaluator(torch.device("cpu"), model, train, {"val": val}, ProbingConfig(epochs=2)))
    assert 0 < loss < 400 and model.calls == 640 + 150


def test_what_has_no_order_is_not_cached():
    stream = type("Stream", (IterableDataset,), {"__iter__": lambda self: iter(())})()
    unordered = SimpleNamespace(batch_size=64, dataset=[1], batch_sampler=[[0]])
    assert not any(map(is_indexed, (DataLoader(stream, 64), DataLoader([1], batch_size=None), unordered)))


def test_quick_debug_takes_three_steps(monkeypatch):
    evaluator = ProbingEvaluator("cpu", RECKONING, Loader(ProceduralSet("train", SHORT)), {}, quick_debug=True)
    rates = []
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self, *_: rates.append(self.param_groups[0]["lr"]))
    evaluator.train_pred_prober()
    assert rates == [2e-4, 0, 5e-5]  # warm-up: int(0.1 * 10) is one step; the first runs at the base rate


def test_our_model_under_the_starters_evaluator():
    """The course's code: a DataLoader of float frames, its own prober, sampling by torch.randperm."""
    torch.manual_seed(3)
    model = JEPA(Architecture(gate_widths=(16,)), TWO_ROOMS.frame)
    train, val = (ProceduralSet(n, r, dtype="float32") for n, r in (("train", SHORT), ("val", SHORT_VAL)))
    starter = StarterEvaluator(model, course_loader(train, True), {"val": course_loader(val)}, epochs=3)
    torch.manual_seed(0)
    # the same start of the prober, other shuffles
    assert scored(starter) == pytest.approx(our_loss(model, train, val, 3), rel=0.05)


TRAIN, VAL = (ProceduralSet(name, SetRecipe("explore", 8, steps=3)) for name in ("train", "val"))


class Model(nn.Module):
    """Returns what it is told to."""

    def __init__(self, returns=lambda batch: torch.zeros(batch, 4, 6), repr_dim=6):
        super().__init__()
        self.returns, self.repr_dim = returns, repr_dim

    def forward(self, states, actions):
        return self.returns(len(states))


MODELS = {
    "a function": (lambda states, actions: None, "is no torch.nn.Module"),
    "no width": (Model(repr_dim=None), "repr_dim is the width"),
    "a width of 0": (Model(repr_dim=0), "repr_dim is the width"),
    "another width": (Model(repr_dim=7), r"returns must be of the form \[8, 4, 7\], not \[8, 4, 6\]"),
    "not finite": (Model(lambda b: torch.full((b, 4, 6), float("nan"))), "must be finite"),
}


def evaluate(model, train=None, val=None):
    train = Loader(TRAIN) if train is None else train
    return ProbingEvaluator("cpu", model, train, val or {"val": Loader(VAL)}, quick_debug=True)


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("wrap", [Loader, lambda dataset: plain(Loader(dataset))], ids=["indexed", "plain"])
@pytest.mark.parametrize("kind", MODELS)
def test_a_model_that_cannot_be_probed(kind, wrap, monkeypatch):
    model, says = MODELS[kind]
    monkeypatch.setattr(torch.optim.Adam, "step", lambda *_, **__: pytest.fail("began to fit"))
    with pytest.raises(UserError, match=says) as raised:
        evaluate(model, wrap(TRAIN)).train_pred_prober()
    assert "\n" not in str(raised.value)


def test_a_model_is_tried_on_every_set_before_anything_is_fitted(monkeypatch):
    monkeypatch.setattr(torch.optim, "Adam", lambda *_, **__: pytest.fail("began to fit"))
    seen = []
    model = Model(lambda b: torch.full((b, 4, 6), float("inf") if seen.append(b) or len(seen) > 1 else 0.0))
    with pytest.raises(UserError, match="must be finite"):
        evaluate(model).train_pred_prober()


LOADERS = {
    "no batch size": ({"batch_size": None}, "needs a loader's length and its batch_size"),
    "no length": ({"__len__": None}, "needs a loader's length and its batch_size"),
    "no batch": ({"__len__": lambda _: 0}, "has no batch"),
    "locations with depth": ({"changes": {"locations": torch.zeros(8, 4, 3)}}, r"locations of shape \(8, 4, 3\)"),
}


@pytest.mark.parametrize("kind", LOADERS)
def test_a_loader_that_cannot_train_a_prober(kind):
    other, says = LOADERS[kind]
    with pytest.raises(UserError, match=says):
        evaluate(Model(), plain(Loader(TRAIN), **other)).train_pred_prober()


def test_what_is_scored_is_finite_and_not_nothing():
    lost = plain(Loader(VAL), changes={"locations": torch.full((8, 4, 2), float("nan"))})
    for scored in ([], lost):
        with pytest.raises(UserError, match="val has no loss"):
            evaluate(Model(), val={"val": scored}).evaluate_all(Prober(6))


def test_other_forms_that_work_are_taken(request):
    request.addfinalizer(lambda: torch.set_default_dtype(torch.float32))
    torch.set_default_dtype(torch.float64)
    for model in (Model(repr_dim=np.int64(6)), torch.compile(Model(), backend="eager")):
        evaluator = evaluate(model, val={"val": [SimpleNamespace(**batch._asdict()) for batch in Loader(VAL)]})
        assert evaluator.evaluate_all(evaluator.train_pred_prober())["val"] > 0
