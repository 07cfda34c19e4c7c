"""A stranger's model or loader that cannot be probed is told so in one sentence, before anything is fitted."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
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


class OneMore(Model):
    def forward(self, frames, actions, goals):
        return self.returns(len(frames))


class Called(nn.Module):
    repr_dim = 6

    def __call__(self, states, actions):
        return torch.zeros(len(states), 4, 6)


KINDS = {
    "a function": (lambda states, actions: None, {}, "is no torch.nn.Module"),
    "no width": (Model(repr_dim=None), {}, "has repr_dim = None"),
    "a width of 0": (Model(repr_dim=0), {}, "has repr_dim = 0"),
    "a width with a half": (Model(repr_dim=6.5), {}, "has repr_dim = 6.5"),
    "another width": (Model(repr_dim=7), {}, r"returns shape \(8, 4, 6\), not \[B, T, D\] = \(8, 4, 7\)"),
    "other arguments": (OneMore(), {}, "which its forward does not take"),
    "a tuple": (Model(lambda b: (torch.zeros(b, 4, 6),)), {}, "returns a tuple"),
    "an array": (Model(lambda b: np.zeros((b, 4, 6))), {}, "returns a ndarray"),
    "one step too few": (Model(lambda b: torch.zeros(b, 3, 6)), {}, r"returns shape \(8, 3, 6\)"),
    "time first": (Model(lambda b: torch.zeros(4, b, 6)), {}, r"returns shape \(4, 8, 6\)"),
    "whole numbers": (Model(lambda b: torch.zeros(b, 4, 6, dtype=torch.long)), {}, "returns torch.int64"),
    "not finite": (Model(lambda b: torch.full((b, 4, 6), float("nan"))), {}, "that are not finite"),
    "no batch size": (Model(), {"batch_size": None}, "has batch_size = None"),
    "no length": (Model(), {"__len__": None}, "has no length"),
    "no batch": (Model(), {"__len__": lambda _: 0}, "has no batch"),
    "locations with depth": (Model(), {"locations": torch.zeros(8, 4, 3)}, r"locations of shape \(8, 4, 3\)"),
}


def evaluate(model, train=None, val=None):
    train = Loader(TRAIN) if train is None else train
    return ProbingEvaluator("cpu", model, train, val or {"val": Loader(VAL)}, quick_debug=True)


def plain(loader, locations=None, **other):
    """A loader of which nothing is known but its batches, and what `other` says."""
    batches = list(loader) if locations is None else [batch._replace(locations=locations) for batch in loader]
    kinds = {"__iter__": lambda _: iter(batches), "__len__": lambda _: len(batches), "batch_size": 8}
    return type("Plain", (), {key: kind for key, kind in (kinds | other).items() if kind is not None})()


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_probed(kind, monkeypatch):
    model, other, says = KINDS[kind]
    with pytest.raises(UserError, match=says) as raised:  # a plain loader's batches are seen as they come
        evaluate(model, plain(Loader(TRAIN), **other)).train_pred_prober()
    assert "\n" not in str(raised.value)
    if not other:
        monkeypatch.setattr(torch.optim, "Adam", lambda *_, **__: pytest.fail("began to fit"))
        with pytest.raises(UserError, match=says):
            evaluate(model).train_pred_prober()


def test_a_model_is_tried_on_every_set_before_anything_is_fitted(monkeypatch):
    monkeypatch.setattr(torch.optim, "Adam", lambda *_, **__: pytest.fail("began to fit"))
    seen = []
    model = Model(lambda b: torch.full((b, 4, 6), float("inf") if seen.append(b) or len(seen) > 1 else 0.0))
    with pytest.raises(UserError, match="that are not finite"):
        evaluate(model).train_pred_prober()


def test_what_is_scored_is_finite_and_not_nothing():
    evaluator = evaluate(Model(), val={"val": []})
    with pytest.raises(UserError, match="val has no batch"):
        evaluator.evaluate_all(evaluator.train_pred_prober())
    lost = plain(Loader(VAL), locations=torch.full((8, 4, 2), float("nan")))
    with pytest.raises(UserError, match="loss of val is nan"):
        evaluate(Model(), val={"val": lost}).evaluate_all(Prober(6))


def test_other_forms_that_work_are_taken():
    for model in (Model(repr_dim=np.int64(6)), Called(), torch.compile(Model(), backend="eager")):
        evaluator = evaluate(model, val={"val": [SimpleNamespace(**batch._asdict()) for batch in Loader(VAL)]})
        assert evaluator.evaluate_all(evaluator.train_pred_prober())["val"] > 0
