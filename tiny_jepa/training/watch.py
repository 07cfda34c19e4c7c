"""Watches a run for collapse, and for the plateau at which walls do not exist."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from tiny_jepa.errors import UserError
from tiny_jepa.models.jepa import JEPA

COLLAPSED_STD = 0.1
"""Code units: a dimension that spreads less says nothing."""
PATIENCE = 6
"""Looks in a row that must find a collapse before the run is stopped."""
GRACE_STEPS = 200


class Seen(NamedTuple):
    """What a step looked at."""

    codes: Tensor  # of agents [B, T, 2]
    actions: Tensor  # [B, T-1, 2] px
    contexts: Callable[[], Tensor]  # maps [B, S, S]: few steps are looked at


def effective_rank(codes: Tensor) -> float:
    """exp(entropy) of the normalised singular values (Roy & Vetterli 2007): codes [N, D] -> 1 .. D; NaN of NaNs."""
    if not codes.isfinite().all():
        return math.nan  # no solver takes them
    values = torch.linalg.svdvals(codes - codes.mean(dim=0))
    share = values / values.sum().clamp_min(1e-12)
    return float(torch.exp(-(share * share.clamp_min(1e-12).log()).sum()))


@torch.no_grad()
def look(model: JEPA, seen: Seen) -> dict[str, float]:
    """Figures of a step, in code units (std, rank) and px² (one-step errors of the model and of the trivial
    predictors)."""
    before, after = seen.codes[:, :-1], seen.codes[:, 1:]
    guesses = {
        "one_step": model.step(before, seen.actions, seen.contexts()[:, None]),
        "still": before,
        "reckoned": before + model.predictor.action * seen.actions,
    }
    errors = {name: float((guess - after).square().mean()) * model.frame.unit**2 for name, guess in guesses.items()}
    agent = seen.codes.flatten(0, 1)
    std_x, std_y = agent.std(dim=0).tolist()
    return {"std_x": std_x, "std_y": std_y, "rank": effective_rank(agent), **errors}


class Watch:
    """Stops a run that learns nothing."""

    def __init__(self, judged: bool) -> None:
        self.found_collapsed, self.judged = 0, judged  # where codes are judged after phase 1, a collapse stops nothing

    def check(self, figures: dict[str, float], step: int) -> None:
        """Raises a `UserError` at once where a figure is no number, and where a collapse stays."""
        for name, value in figures.items():
            if not math.isfinite(value):
                raise UserError(
                    f"the run stopped: {name} is {value} at step {step}, and nothing is learned from that; "
                    "try smaller rates and weights, or look for faults in --data"
                )
        name = min("std_x", "std_y", key=figures.__getitem__)
        collapsed = not self.judged and step > GRACE_STEPS and figures[name] <= COLLAPSED_STD
        self.found_collapsed = self.found_collapsed + 1 if collapsed else 0
        if self.found_collapsed >= PATIENCE:
            raise UserError(
                f"collapsed: {name} is {figures[name]:.3f} at step {step} and stays there, so that code says nothing; "
                "try a larger --variance-weight, another --objective or another --seed"
            )


def plateau(figures: dict[str, float]) -> str | None:
    """A sentence where the predictor does no better than dead reckoning: the walls were not learned."""
    if figures["one_step"] < 0.5 * figures["reckoned"]:
        return None
    return (
        f"at dead reckoning: one-step error {figures['one_step']:.4f} px² against {figures['reckoned']:.4f} with walls "
        "ignored, so the walls were not learned; try another --seed or more --predict-steps"
    )
