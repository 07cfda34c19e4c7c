"""The protocol in tiny_jepa/probing.py.

1. It gives the losses of the plain protocol from the same seeds, to 1e-3 relative: short and long trajectories,
   lifted and foreign models, with a cache and without.
2. Each representation is computed once.
3. Equal columns are trained exactly, columns that look equal at first are told apart later.
4. A perfect model scores at the protocol's floor, a random one about what predicting the mean scores.
5. Anybody's module and loaders are evaluated, and our model by anybody's code.
"""

from __future__ import annotations

import pytest
import torch
from plain_protocol import StarterEvaluator
from torch import nn

from tiny_jepa.data import Loader, ProceduralSet, SetRecipe
from tiny_jepa.evaluation.comparisons import DeadReckoning
from tiny_jepa.probing import ProbingConfig, ProbingEvaluator

SHORT = SetRecipe("explore", 640)
SHORT_VAL = SetRecipe("explore", 150)
LONG = SetRecipe("explore", 256, steps=40)
LONG_VAL = SetRecipe("explore", 130, steps=40)


def simulated(recipe: SetRecipe, name: str) -> ProceduralSet:
    return ProceduralSet(name, recipe)


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


class PlainIterable:
    """A loader of which nothing is known but its batches and their size."""

    def __init__(self, loader: Loader) -> None:
        self.loader, self.batch_size = loader, loader.batch_size

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self):
        return iter(self.loader)


def plain_losses(model: nn.Module, train: ProceduralSet, val: ProceduralSet, epochs: int, seed: int) -> float:
    rng = torch.Generator().manual_seed(seed)
    evaluator = StarterEvaluator(
        model,
        Loader(train, shuffle=True, seed=seed),
        {"val": Loader(val)},
        epochs,
        draw=lambda steps: torch.rand(steps, generator=rng).argsort(),
    )
    torch.manual_seed(seed)
    return evaluator.evaluate_all(evaluator.train_pred_prober())["val"]


def our_losses(model: nn.Module, train: ProceduralSet, val: ProceduralSet, epochs: int, seed: int, wrap=lambda x: x):
    evaluator = ProbingEvaluator(
        "cpu",
        model,
        wrap(Loader(train, shuffle=True, seed=seed)),
        {"val": wrap(Loader(val))},
        ProbingConfig(epochs=epochs, seed=seed),
    )
    return evaluator.evaluate_all(evaluator.train_pred_prober())["val"]


@pytest.mark.parametrize("recipes", [(SHORT, SHORT_VAL), (LONG, LONG_VAL)], ids=["17 steps", "41 steps"])
@pytest.mark.parametrize("model", [DeadReckoning(), Foreign()], ids=["lifted", "foreign"])
def test_same_losses_as_the_plain_protocol(model, recipes):
    train, val = simulated(recipes[0], "train"), simulated(recipes[1], "val")
    plain = plain_losses(model, train, val, 3, seed=5)
    assert our_losses(model, train, val, 3, seed=5) == pytest.approx(plain, rel=1e-3)
    assert our_losses(model, train, val, 3, seed=5, wrap=PlainIterable) == pytest.approx(plain, rel=1e-3)
    assert our_losses(model, train, val, 3, seed=6) != pytest.approx(plain, rel=1e-4)


@pytest.mark.slow
def test_same_losses_over_the_whole_protocol():
    train, val = simulated(SetRecipe("explore", 10_000), "probe_normal/train"), simulated(SHORT_VAL, "val")
    model = DeadReckoning()
    assert our_losses(model, train, val, 20, 1) == pytest.approx(plain_losses(model, train, val, 20, 1), rel=1e-3)
