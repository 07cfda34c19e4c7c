"""`python -m benchmarks.lift_floor`: the protocol's own floor, what a perfect model scores by the form of its
representation: the true location in units of 16 px, in px² on the procedural sets of the course."""

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.shared import run
from tiny_jepa.course import COURSE_SETS
from tiny_jepa.data import TrajectorySet
from tiny_jepa.data.source import Source
from tiny_jepa.models.lift import CENTRE, lift
from tiny_jepa.probing.measure import measure
from tiny_jepa.tables import markdown
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, UNIT
from tiny_jepa.worlds.two_rooms.sets import ProceduralSet

FORMS = {
    "2 numbers, centred": (2, lambda code: code - CENTRE),
    "2 numbers, anchored at pixel 0": (2, lambda code: code),
    "the lift": (512, lambda code: lift(code, 512)),
}


class TrueSet(ProceduralSet):
    """Its frames [B, T, 2, 1, 1] are its locations, and its actions the true displacements."""

    def frames(self, indices: np.ndarray, start: int = 0, stop: int | None = None) -> Tensor:
        return self.locations(indices)[:, start:stop, :, None, None]

    def actions(self, indices: np.ndarray) -> Tensor:
        return self.locations(indices).diff(dim=1)


class TrueSource(Source):
    def find(self, name: str) -> TrajectorySet | None:
        found = super().find(name)
        return TrueSet(name, found.recipe) if isinstance(found, ProceduralSet) else None


class Perfect(nn.Module):
    def __init__(self, form: str) -> None:
        super().__init__()
        self.repr_dim, self.form = FORMS[form]

    def forward(self, states: Tensor, actions: Tensor) -> Tensor:
        start = states[:, :1, :, 0, 0]
        return self.form(torch.cat([start, start + actions.cumsum(dim=1)], dim=1) / UNIT)


def main() -> None:
    rows, groups = [], [group.only(COURSE_SETS) for group in TWO_ROOMS.groups]
    for form in FORMS:
        losses = {
            name: each[0] for name, each, _ in measure(Perfect(form), TrueSource(TWO_ROOMS), groups=groups) if each
        }
        rows.append([form, *(f"{losses[name]:.5f}" for name in COURSE_SETS)])
    print(markdown(["representation of a perfect model", *COURSE_SETS], rows))


if __name__ == "__main__":
    run(main)
