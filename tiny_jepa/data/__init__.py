"""Sets of trajectories: from files in the course's layout, or drawn by the simulator."""

from tiny_jepa.data.folder import CourseSet, look_at
from tiny_jepa.data.source import Loader, Source, open_source
from tiny_jepa.worlds.contract import Batch, TrajectorySet, read_batch
