"""Weights as a safetensors file (huggingface.co/docs/safetensors): tensors by name, and what they are, as JSON; as
float32, float16 (half the bytes), or int8 with a scale (Jacob et al. 2018, arXiv:1712.05877)."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from torch import Tensor

from tiny_jepa.errors import UserError
from tiny_jepa.files import write_atomically
from tiny_jepa.models import JEPA, Architecture
from tiny_jepa.options import read
from tiny_jepa.worlds.contract import Frame

Kind = Literal["float32", "float16", "int8"]
SCALE = ".scale"  # ends the name of the tensor [rows, 1] that an int8 matrix is multiplied with, row by row
LEVELS = 127


def coded(state: Mapping[str, Tensor], kind: Kind) -> dict[str, Tensor]:
    """A state dict in numbers of fewer bits. int8 is for matrices: each row is rounded to a multiple of a 127th of its
    largest entry. Taps, biases and single numbers are few; they are float16 then."""
    found = {}
    for name, values in state.items():
        if kind == "int8" and values.ndim == 2:
            found[name + SCALE] = scale = (values.abs().amax(1, keepdim=True) / LEVELS).half()
            found[name] = (values / scale.float().clamp_min(1e-12)).round().clamp(-LEVELS, LEVELS).char()
        else:
            found[name] = values.float() if kind == "float32" else values.half()
    return found


def decoded(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict, in float32, that `coded` was given, but for its rounding."""
    named = {name: values.float() for name, values in found.items()}
    return {name: values * named.get(name + SCALE, 1) for name, values in named.items() if not name.endswith(SCALE)}


def save(model: JEPA, path: Path, kind: Kind = "float32") -> list[Path]:
    """Writes the whole model; architecture, frame and what is known of the training are metadata, each as JSON text."""
    from safetensors.torch import save_file

    known = {key: value for key, value in model.metadata.items() if key != "metrics"}
    described = {"architecture": asdict(model.architecture), "frame": asdict(model.frame), "metadata": known}
    tensors, texts = coded(model.state_dict(), kind), {key: json.dumps(value) for key, value in described.items()}
    if not all(values.isfinite().all() for values in tensors.values()):
        raise UserError(f"{path} is not written: weights are too large for {kind}; choose other --numbers")
    write_atomically(path, lambda temporary: save_file(tensors, temporary, texts))
    return [path]


def load(path: Path) -> JEPA:
    """The model that `save` wrote, in eval mode and without gradients, with its numbers as float32; a `UserError` for a
    file of another kind, or one cut short."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            described = {key: json.loads(text) for key, text in file.metadata().items()}
            state = decoded({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 - no mapping
        frame = read(Frame, described["frame"], str(path))
        model = JEPA(read(Architecture, described["architecture"], str(path)), frame)
        model.load_state_dict(state)
        model.metadata = dict(described["metadata"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        what = f"{path} is no safetensors file of a tiny_jepa model ({type(error).__name__})"
        raise UserError(f"{what}; write one with: python -m tiny_jepa export --out model.safetensors") from None
    return model.eval().requires_grad_(False)
