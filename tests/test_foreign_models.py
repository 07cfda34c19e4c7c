"""A stranger's model or loader that cannot be probed is told so in one sentence, before anything is fitted."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from plain_protocol import plain
from torch import nn

from tiny_jepa.data import Loader
from tiny_jepa.errors import UserError
from tiny_jepa.probing import Prober, ProbingEvaluator
from tiny_jepa.worlds.two_rooms.sets import ProceduralSet, SetRecipe

TRAIN, VAL = (ProceduralSet(name, SetRecipe("explore", 8, steps=3)) for name in ("train", "val"))


class Model(nn.Module):
    """Returns what it is told to."""

    def __init__(self, returns=lambda batch: torch.zeros(batch, 4, 6), repr_dim=6):
        super().__init__()
        self.returns, self.repr_dim = returns, repr_dim

    def forward(self, states, actions):
        return self.returns(len(states))


class OtherNames(Model):
    def forward(self, frames, moves):
        return self.returns(len(frames))


class Called(nn.Module):
    repr_dim = 6

    def __call__(self, states, actions):
        return torch.zeros(len(states), 4, 6)


MODELS = {
    "a function": (lambda states, actions: None, "is no torch.nn.Module"),
    "no width": (Model(repr_dim=None), "repr_dim is the width"),
    "a width of 0": (Model(repr_dim=0), r"= \(8, 4, 0\)"),
    "another width": (Model(repr_dim=7), r"returns \(8, 4, 6\) torch.float32, not floats \[B, T, D\] = \(8, 4, 7\)"),
    "other argument names": (OtherNames(), "fails: .*unexpected keyword argument 'states'"),
    "a tuple": (Model(lambda b: (torch.zeros(b, 4, 6),)), "returns a tuple"),
    "time first": (Model(lambda b: torch.zeros(4, b, 6)), r"returns \(4, 8, 6\)"),
    "whole numbers": (Model(lambda b: torch.zeros(b, 4, 6, dtype=torch.long)), "torch.int64, not floats"),
    "not finite": (Model(lambda b: torch.full((b, 4, 6), float("nan"))), "that are not finite"),
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
    with pytest.raises(UserError, match="that are not finite"):
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


def test_other_forms_that_work_are_taken():
    for model in (Model(repr_dim=np.int64(6)), Called(), torch.compile(Model(), backend="eager")):
        evaluator = evaluate(model, val={"val": [SimpleNamespace(**batch._asdict()) for batch in Loader(VAL)]})
        assert evaluator.evaluate_all(evaluator.train_pred_prober())["val"] > 0
