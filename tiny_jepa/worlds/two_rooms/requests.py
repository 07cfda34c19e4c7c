"""What a user of the environment asks for, checked: a scene that cannot be is refused with a sentence, not lived in."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tiny_jepa.worlds.two_rooms.geometry import Geometry
from tiny_jepa.worlds.two_rooms.sets import SIZES
from tiny_jepa.worlds.two_rooms.walls import inside

OPTIONS = ("layout", "location", "goal", "radius")
"""Of `reset`."""


def read_side(name: str, value: Any) -> int:
    """The side of a frame, px; a `ValueError` for one in which the walls of the sets have no place."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value not in SIZES:
        raise ValueError(f"{name} must be a whole number from {SIZES[0]} to {SIZES[-1]}, not {value!r}")
    return int(value)


def read_options(options: Any) -> Mapping[str, Any]:
    """The options of `reset` by name; a `ValueError` for one that does not exist."""
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise ValueError(f"options must be a dictionary with any of {', '.join(OPTIONS)}, not {options!r}")
    if unknown := [str(name) for name in options if name not in OPTIONS]:
        raise ValueError(f"there is no option {', '.join(unknown)}; there are {', '.join(OPTIONS)}")
    return options


def read_pair(name: str, value: Any) -> np.ndarray:
    """Two finite numbers (x, y) -> [1, 2]; a `ValueError` for anything else."""
    try:
        pair = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        pair = np.empty(0)
    if pair.size != 2 or not np.isfinite(pair).all():
        raise ValueError(f"{name} must be two finite numbers (x, y), not {value!r}")
    return pair.reshape(1, 2)


def read_layout(world: Geometry, value: Any) -> np.ndarray:
    """Wall column and door row [1, 2] int64; a `ValueError` where no wall or door of the world can be."""
    pair = read_pair("layout", value)
    for name, number, allowed in zip(("column", "row"), pair[0], (world.wall_columns, world.door_rows), strict=True):
        if number not in allowed:
            what = f"whole {name} from {allowed[0]} to {allowed[-1]}"
            raise ValueError(f"layout must be (wall column, door row); {number:g} is no {what}")
    return pair.astype(np.int64)


def read_place(world: Geometry, walls: np.ndarray, name: str, value: Any) -> np.ndarray:
    """A place [1, 2] px between the borders and not inside a wall [1, K, 4]; a `ValueError` elsewhere."""
    place = read_pair(name, value)
    if (place <= world.border).any() or (place >= world.far_border).any():
        between = f"{world.border} and {world.far_border}"
        raise ValueError(f"{name} must be between the borders, {between} px, not {tuple(place[0].tolist())}")
    if inside(walls, place)[0]:
        raise ValueError(f"{name} {tuple(place[0].tolist())} is inside a wall; a place in a door would do")
    return place


def read_length(name: str, value: Any) -> float:
    """px, 0 or more; a `ValueError` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < np.inf:
        raise ValueError(f"{name} must be a finite number of px, 0 or more, not {value!r}")
    return float(value)
