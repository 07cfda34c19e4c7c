"""A cheap look at a folder's set before hours are spent on it: what is wrong with most trajectories is wrong with a few
of them."""

from tiny_jepa.data.check import Report, read_some
from tiny_jepa.data.folder import CourseSet
from tiny_jepa.errors import UserError
from tiny_jepa.worlds import DEFAULT
from tiny_jepa.worlds.contract import TrajectorySet

ROWS = 16
HARMLESS = ("the agent's peak", "the agent does not sum", "the layout has other values", "the agent starts inside")
"""Faults that a model does not mind: each frame is taken by its own scale."""


def look_at(dataset: TrajectorySet) -> None:
    """Raises a `UserError` that names what most of a few trajectories suffer from."""
    if not isinstance(dataset, CourseSet) or dataset.world.frame.world != DEFAULT.frame.world:
        return
    read_some(report := Report(dataset.name), dataset, ROWS)
    for fault, count in report.faults.items():
        if 2 * count > report.read and not fault.startswith(HARMLESS):
            raise UserError(
                f"{dataset.folder}: {fault} ({count} of {report.read} trajectories looked at); mend it, and see all "
                "with: python -m tiny_jepa data check FOLDER"
            )
