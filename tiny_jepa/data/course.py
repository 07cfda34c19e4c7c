"""Reader of the course's folder layout: `states.npy`, `actions.npy` and, in probing sets, `locations.npy`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from tiny_jepa.data.sets import as_tensor
from tiny_jepa.errors import UserError


def load_array(path: Path) -> np.ndarray:
    """A memory-mapped array; a missing or broken file is a `UserError` that names it."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise UserError(
            f"{path} is missing: a set needs states.npy and actions.npy, a probing set locations.npy too"
        ) from None
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{path} is not a readable .npy array ({error}); copy or generate it again") from None


class CourseSet:
    """One folder of arrays, memory-mapped: only what is asked for is read."""

    def __init__(self, folder: Path, name: str, labelled: bool) -> None:
        self.folder, self.name = folder, name
        self.states_array = load_array(folder / "states.npy")
        self.actions_array = load_array(folder / "actions.npy")
        self.locations_array = load_array(folder / "locations.npy") if labelled else None
        check_shapes(folder, self.states_array, self.actions_array, self.locations_array)
        self.length, self.image_size = self.states_array.shape[1], self.states_array.shape[-1]

    def __len__(self) -> int:
        return len(self.states_array)

    def frames(self, indices: np.ndarray, start: int = 0, stop: int | None = None) -> Tensor:
        states = as_tensor(self.states_array[indices, start:stop])
        return self._finite(states, "states.npy")

    def actions(self, indices: np.ndarray) -> Tensor:
        return self._finite(as_tensor(self.actions_array[indices]).float(), "actions.npy")

    def locations(self, indices: np.ndarray) -> Tensor:
        if self.locations_array is None:
            raise UserError(f"{self.folder} was opened without locations.npy: it has nothing to probe with")
        return self._finite(as_tensor(self.locations_array[indices]).float(), "locations.npy")

    def _finite(self, values: Tensor, file: str) -> Tensor:
        if values.is_floating_point() and not bool(values.sum().isfinite()):
            raise UserError(f"{self.folder / file} holds NaN or infinite values; write the file again")
        return values


def check_shapes(folder: Path, states: np.ndarray, actions: np.ndarray, locations: np.ndarray | None) -> None:
    """Raises a `UserError` that says which array has which shape and what was expected."""

    def fail(file: str, array: np.ndarray, expected: str) -> None:
        raise UserError(f"{folder / file} has shape {array.shape} and type {array.dtype}; expected {expected}")

    if states.ndim != 5:
        fail("states.npy", states, "five axes (trajectories, frames, 2 channels, height, width)")
    if states.shape[2] != 2:
        fail("states.npy", states, "2 channels on the third axis: the agent, then the layout")
    if states.shape[3] != states.shape[4]:
        fail("states.npy", states, "square images")
    if len(states) == 0:
        fail("states.npy", states, "at least one trajectory")
    if states.dtype != np.uint8 and not np.issubdtype(states.dtype, np.floating):
        fail("states.npy", states, "uint8 or float values")
    for file, array, steps in (
        ("actions.npy", actions, states.shape[1] - 1),
        ("locations.npy", locations, states.shape[1]),
    ):
        if array is not None and array.shape != (len(states), steps, 2):
            fail(file, array, f"{(len(states), steps, 2)}, to go with states.npy of shape {states.shape}")
        if array is not None and not np.issubdtype(array.dtype, np.floating):
            fail(file, array, "float values")
