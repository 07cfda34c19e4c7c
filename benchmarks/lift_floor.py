"""The protocol's own floor: what a perfect model scores, by the form of its representation.

    python -m benchmarks.lift_floor

The representation is the true location in units of 16 px, lifted in several ways; probed on the procedural sets by
the protocol. Prints a table in px².
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from tiny_jepa.data import Loader, open_source
from tiny_jepa.models.lift import CENTRE, lift
from tiny_jepa.probing import ProbingEvaluator
from tiny_jepa.worlds.two_rooms import TWO_ROOMS
from tiny_jepa.worlds.two_rooms.sets import ProceduralSet

FORMS: dict[str, tuple[int, Callable[[Tensor], Tensor]]] = {
    "2 numbers, centred": (2, lambda code: code - CENTRE),
    "2 numbers, anchored at pixel 0": (2, lambda code: code),
    "tiled to 512, anchored at pixel 0": (512, lambda code: code.repeat(1, 1, 256)),
    "tiled to 64, centred": (64, lambda code: (code - CENTRE).repeat(1, 1, 32)),
    "tiled to 512, centred": (512, lambda code: (code - CENTRE).repeat(1, 1, 256)),
    "the lift: 512, centred, with constants": (512, lambda code: lift(code, 512)),
}


class TrueLocations:
    """A set whose frames are its locations and whose actions are the true displacements."""

    def __init__(self, trajectories: ProceduralSet) -> None:
        self.inner, self.name = trajectories, trajectories.name
        self.image_size, self.length = trajectories.image_size, trajectories.length

    def __len__(self) -> int:
        return len(self.inner)

    def frames(self, indices: np.ndarray, start: int = 0, stop: int | None = None) -> Tensor:
        return self.inner.locations(indices)[:, start:stop, :, None, None]

    def actions(self, indices: np.ndarray) -> Tensor:
        return self.inner.locations(indices).diff(dim=1)

    def locations(self, indices: np.ndarray) -> Tensor:
        return self.inner.locations(indices)


class Perfect(nn.Module):
    def __init__(self, repr_dim: int, form: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.repr_dim, self.form = repr_dim, form

    def forward(self, states: Tensor, actions: Tensor) -> Tensor:
        start = states[:, :1, :, 0, 0]
        return self.form(torch.cat([start, start + actions.cumsum(dim=1)], dim=1) / 16)


def main() -> None:
    source = open_source("procedural", TWO_ROOMS)

    def loader(name: str, shuffle: bool = False) -> Loader:
        found = source.require(name)
        assert isinstance(found, ProceduralSet)
        return Loader(TrueLocations(found), shuffle=shuffle)

    print(f"{'representation of a perfect model':<40} {'normal':>9} {'wall':>9} {'wall_other':>10} {'expert':>9}")
    for name, (width, form) in FORMS.items():
        losses: dict[str, float] = {}
        for train, sets in (("probe_normal", ("normal", "wall", "wall_other")), ("probe_expert", ("expert",))):
            torch.manual_seed(0)
            scored = {key: loader(f"probe_{key}/val") for key in sets}
            evaluator = ProbingEvaluator("cpu", Perfect(width, form), loader(f"{train}/train", shuffle=True), scored)
            losses |= evaluator.evaluate_all(evaluator.train_pred_prober())
        print(
            f"{name:<40} " + " ".join(f"{losses[k]:>9.5f}" for k in ("normal", "wall", "wall_other", "expert")),
            flush=True,
        )


if __name__ == "__main__":
    main()
