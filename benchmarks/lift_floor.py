"""`python -m benchmarks.lift_floor`: the protocol's own floor, what a perfect model scores by the form of its
representation. That is the true location in units of 16 px, lifted in several ways, and probed on the procedural sets;
px²."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.shared import course_losses, run
from tiny_jepa.course import COURSE_SETS
from tiny_jepa.data import TrajectorySet
from tiny_jepa.data.source import Source
from tiny_jepa.models.lift import CENTRE, lift
from tiny_jepa.tables import markdown
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, UNIT

FORMS: dict[str, tuple[int, Callable[[Tensor], Tensor]]] = {
    "2 numbers, centred": (2, lambda code: code - CENTRE),
    "2 numbers, anchored at pixel 0": (2, lambda code: code),
    "tiled to 512, anchored at pixel 0": (512, lambda code: code.repeat(1, 1, 256)),
    "tiled to 64, centred": (64, lambda code: (code - CENTRE).repeat(1, 1, 32)),
    "tiled to 512, centred": (512, lambda code: (code - CENTRE).repeat(1, 1, 256)),
    "the lift: 512, centred, with constants": (512, lambda code: lift(code, 512)),
}


class TrueLocations:
    """A set whose frames [B, T, 2, 1, 1] are its locations and whose actions are the true displacements."""

    def __init__(self, inner: TrajectorySet) -> None:
        self.inner, self.locations = inner, inner.locations
        self.name, self.image_size, self.length = inner.name, inner.image_size, inner.length

    def __len__(self) -> int:
        return len(self.inner)

    def frames(self, indices: np.ndarray, start: int = 0, stop: int | None = None) -> Tensor:
        return self.locations(indices)[:, start:stop, :, None, None]

    def actions(self, indices: np.ndarray) -> Tensor:
        return self.locations(indices).diff(dim=1)


class TrueSource(Source):
    """The simulator, for a model that is told the truth."""

    def find(self, name: str) -> TrajectorySet | None:
        found = super().find(name)
        return found and TrueLocations(found)


class Perfect(nn.Module):
    def __init__(self, repr_dim: int, form: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.repr_dim, self.form = repr_dim, form

    def forward(self, states: Tensor, actions: Tensor) -> Tensor:
        start = states[:, :1, :, 0, 0]
        return self.form(torch.cat([start, start + actions.cumsum(dim=1)], dim=1) / UNIT)


def main() -> None:
    rows = []
    for name, (width, form) in FORMS.items():
        losses = course_losses(Perfect(width, form), TrueSource(TWO_ROOMS))
        rows.append([name, *(f"{losses[column]:.5f}" for column in COURSE_SETS)])
    print(markdown(["representation of a perfect model", *COURSE_SETS], rows))


if __name__ == "__main__":
    run(main)
