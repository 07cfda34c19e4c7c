"""Sets of trajectories: from files in the course's layout, or drawn by the simulator."""

from tiny_jepa.data.course import CourseSet
from tiny_jepa.data.procedural import RECIPES, ProceduralSet, SetRecipe
from tiny_jepa.data.sets import Batch, Loader, TrajectorySet, read_batch
from tiny_jepa.data.sources import Source, open_source
