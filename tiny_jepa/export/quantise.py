"""Weights of fewer bits: float16 (half the bytes), or int8 with a scale (Jacob et al. 2018, arXiv:1712.05877)."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Kind = Literal["float32", "float16", "int8"]
KINDS: tuple[Kind, ...] = ("float32", "float16", "int8")
SCALE = ".scale"
"""Ends the name of the tensor [rows, 1] that an int8 matrix is multiplied with, row by row."""
LEVELS = 127


def coded(state: Mapping[str, Tensor], kind: Kind) -> dict[str, np.ndarray]:
    """A state dict in numbers of fewer bits, by name.

    int8 is for matrices: each row is rounded to a multiple of a 127th of its largest entry. Taps, biases and single
    numbers are few; they are float16 then.
    """
    arrays = {}
    for name, tensor in state.items():
        values = tensor.detach().cpu().numpy()
        if kind == "int8" and values.ndim == 2:
            scale = (np.abs(values).max(1, keepdims=True) / LEVELS).astype("<f2")
            arrays[name + SCALE] = scale
            arrays[name] = np.rint(values / np.maximum(scale.astype("<f4"), 1e-12)).clip(-LEVELS, LEVELS).astype("i1")
        else:
            arrays[name] = values.astype("<f4" if kind == "float32" else "<f2")
    return arrays


def decoded(arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """The state dict, in float32, that `coded` was given, but for its rounding."""
    scales = {name.removesuffix(SCALE): array.astype("f4") for name, array in arrays.items() if name.endswith(SCALE)}
    named = {name: array for name, array in arrays.items() if not name.endswith(SCALE)}
    return {
        name: torch.from_numpy(np.asarray(array.astype("f4") * scales.get(name, 1))) for name, array in named.items()
    }


def byte_count(arrays: Mapping[str, np.ndarray]) -> int:
    """Bytes of the numbers alone, scales included."""
    return sum(array.nbytes for array in arrays.values())
