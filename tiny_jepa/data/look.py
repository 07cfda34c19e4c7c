"""A cheap look at a folder's set before hours are spent on it: what is wrong with most trajectories is wrong with a few
of them."""

from tiny_jepa.data.check import begin_inspection, inspect
from tiny_jepa.data.folder import CourseSet
from tiny_jepa.errors import UserError
from tiny_jepa.worlds.contract import TrajectorySet

ROWS = 16


def look_at(dataset: TrajectorySet) -> None:
    """Raises a `UserError` that names what most of a few trajectories suffer from, as far as a model minds it."""
    if not isinstance(dataset, CourseSet) or dataset.world.inspect is None:
        return
    inspect(inspection := begin_inspection(dataset), dataset, ROWS)
    for fault, count in inspection.faults.items():
        if 2 * count > inspection.read and not fault.startswith(inspection.harmless):
            raise UserError(
                f"{dataset.folder}: {fault} ({count} of {inspection.read} trajectories looked at); mend it, and see "
                "all with: python -m tiny_jepa data check FOLDER"
            )
