"""Codes of trajectories, and the transitions they are made of: what training keeps and what a world may vary."""

from typing import NamedTuple

from einops import rearrange, repeat
from torch import Tensor


class Codes(NamedTuple):
    """agent [N, T, 2], actions [N, T-1, 2] px, contexts [N, K]."""

    agent: Tensor
    actions: Tensor
    contexts: Tensor


class Transitions(NamedTuple):
    """Codes before and after [N, 2], actions [N, 2] px, contexts [N, K]."""

    before: Tensor
    after: Tensor
    actions: Tensor
    contexts: Tensor

    @classmethod
    def of(cls, codes: Codes) -> "Transitions":
        """All transitions of trajectories."""
        before, after, actions = (
            rearrange(each, "n t d -> (n t) d") for each in (codes.agent[:, :-1], codes.agent[:, 1:], codes.actions)
        )
        return cls(before, after, actions, repeat(codes.contexts, "n d -> (n t) d", t=codes.actions.shape[1]))

    def select(self, indices: Tensor) -> "Transitions":
        return Transitions(*(part[indices] for part in self))


def was_made(before: Tensor, after: Tensor, moves: Tensor) -> Tensor:
    """Which moves [N, 2] took codes [N, 2] along, rather than leaving them where they were -> [N] bool."""
    return (after - before).norm(dim=-1) > 0.5 * moves.norm(dim=-1)
