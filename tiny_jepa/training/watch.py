"""Watches a run: what it logs, and the plateau at which walls do not exist."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from tiny_jepa.models.jepa import JEPA


class Seen(NamedTuple):
    codes: Tensor  # of agents [B, T, 2]
    actions: Tensor  # [B, T-1, 2] px
    contexts: Callable[[], Tensor]  # maps [B, S, S]: few steps are looked at


@torch.no_grad()
def look(model: JEPA, seen: Seen) -> dict[str, float]:
    """Figures of a step, in code units (std) and px² (one-step errors of the model and of the trivial
    predictors)."""
    before, after = seen.codes[:, :-1], seen.codes[:, 1:]
    guesses = {
        "one_step": model.step(before, seen.actions, seen.contexts()[:, None]),
        "still": before,
        "reckoned": before + model.predictor.move(seen.actions),
    }
    errors = {name: float((guess - after).square().mean()) * model.frame.unit**2 for name, guess in guesses.items()}
    std_x, std_y = seen.codes.flatten(0, 1).std(dim=0).tolist()
    return {"std_x": std_x, "std_y": std_y, **errors}


def plateau(figures: dict[str, float]) -> str | None:
    """A sentence where the predictor does no better than dead reckoning: the walls were not learned."""
    if figures["one_step"] < 0.5 * figures["reckoned"]:
        return None
    return (
        f"at dead reckoning: one-step error {figures['one_step']:.4f} px² against {figures['reckoned']:.4f} with walls "
        "ignored, so the walls were not learned; try another --seed or more --predict-steps"
    )
