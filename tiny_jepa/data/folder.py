"""Reader of the course's folder layout: `states.npy`, `actions.npy` and, in probing sets, `locations.npy`."""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tiny_jepa.data.npy import NpyFile
from tiny_jepa.errors import UserError
from tiny_jepa.files import read_json
from tiny_jepa.worlds.contract import World, as_tensor

FLOAT_MAX = float(np.finfo(np.float32).max)
NOISE = 1e-3
"""Share of the largest value, by which frames may be below black."""
METADATA = "metadata.json"
"""What `data generate` records beside the arrays."""


class CourseSet:
    """One folder of arrays: only what is asked for is read."""

    def __init__(self, folder: Path, name: str, labelled: bool, world: World) -> None:
        """Opens the set's files.

        Raises:
            UserError: a file is missing or broken, or their shapes do not go together.
        """
        self.folder, self.name, self.world = folder, name, world
        self.states_file = NpyFile(folder / "states.npy")
        self.actions_file = NpyFile(folder / "actions.npy")
        self.locations_file = NpyFile(folder / "locations.npy") if labelled else None
        check_shapes(self.states_file, self.actions_file, self.locations_file, world)
        self.length, self.image_size = self.states_file.shape[1], self.states_file.shape[-1]

    def __len__(self) -> int:
        return len(self.states_file)

    def frames(self, indices: np.ndarray, start: int = 0, stop: int | None = None) -> Tensor:
        states = as_tensor(self.states_file.read(indices, start, stop))
        return states if states.dtype == torch.uint8 else _within(self.states_file, states, 0.0, FLOAT_MAX)

    def actions(self, indices: np.ndarray) -> Tensor:
        side = float(self.image_size)
        return _within(self.actions_file, as_tensor(self.actions_file.read(indices)), -side, side)

    def locations(self, indices: np.ndarray) -> Tensor:
        if self.locations_file is None:
            raise UserError(f"{self.folder} was opened without locations.npy: it has nothing to probe with")
        side = float(self.image_size)
        return _within(self.locations_file, as_tensor(self.locations_file.read(indices)), 0.0, side)


def _within(file: NpyFile, values: Tensor, lowest: float, highest: float) -> Tensor:
    """`values`, if each is a number from `lowest` to `highest`, but for noise."""
    low, high = (float(end) for end in values.aminmax()) if values.numel() else (lowest, highest)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise UserError(f"{file.path} holds NaN or infinite values; write the file again")
    if low < lowest - NOISE * max(high, 0.0) or high > highest:
        says = "at least 0, black being 0" if highest == FLOAT_MAX else f"from {lowest:g} to {highest:g} px"
        raise UserError(f"{file.path} holds values from {low:.3g} to {high:.3g}, which must be {says}; write it again")
    return values


def check_shapes(states: NpyFile, actions: NpyFile, locations: NpyFile | None, world: World) -> None:
    """Raises a `UserError` that says which array has which shape and what was expected."""

    def fail(file: NpyFile, expected: str) -> None:
        raise UserError(f"{file.path} has shape {file.shape} and type {file.dtype}; expected {expected}")

    if states.ndim != 5:
        fail(states, "five axes (trajectories, frames, channels, height, width)")
    if states.shape[2] != world.frame.channels:
        fail(states, f"{world.frame.channels} channels on the third axis")
    sums = world.frame.agent is None and states.shape[3] == 2  # over rows and columns: what `data collect` writes
    if states.shape[3] != states.shape[4] and not sums:
        fail(states, "square images")
    if 0 in states.shape or states.shape[1] < 2:
        fail(states, "at least one trajectory of two frames")
    if states.dtype != (np.uint16 if sums else np.uint8) and not np.issubdtype(states.dtype, np.floating):
        fail(states, "uint8 or float values")
    for file, steps, dim in ((actions, states.shape[1] - 1, world.action_dim), (locations, states.shape[1], 2)):
        if file is not None and file.shape != (len(states), steps, dim):
            fail(file, f"{(len(states), steps, dim)}, to go with states.npy of shape {states.shape}")
        if file is not None and not np.issubdtype(file.dtype, np.floating):
            fail(file, "float values")


def recorded_version(folder: Path) -> int | None:
    """The version of the procedural sets that `data generate` recorded in `folder` (version 1 without saying so); None
    where it wrote nothing."""
    try:
        version = read_json(folder / METADATA, "")["settings"].get("sets_version", 1)
    except (UserError, KeyError, TypeError, AttributeError):
        return None
    return version if type(version) is int else None
