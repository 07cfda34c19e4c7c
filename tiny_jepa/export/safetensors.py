"""Weights as a safetensors file: a length, a JSON header, then the numbers (huggingface.co/docs/safetensors).

Written and read with nothing but numpy, so that the page can carry the same bytes without a further package.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tiny_jepa.errors import UserError
from tiny_jepa.export.quantise import Kind, coded, decoded
from tiny_jepa.models.jepa import JEPA, Architecture
from tiny_jepa.options import read_settings
from tiny_jepa.worlds import DEFAULT
from tiny_jepa.worlds.contract import Frame

DTYPES: dict[str, Any] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "I8": np.dtype("i1")}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def to_bytes(model: JEPA, kind: Kind = "float32") -> bytes:
    """The whole file. Its metadata hold architecture, frame and what is known of the training, each as JSON text."""
    known = {key: value for key, value in model.metadata.items() if key != "metrics"}
    settings = {"architecture": asdict(model.architecture), "frame": asdict(model.frame)}
    described = {**settings, "metadata": known}
    header: dict[str, Any] = {"__metadata__": {key: json.dumps(value) for key, value in described.items()}}
    body = b""
    for name, array in coded(model.state_dict(), kind).items():
        data = array.tobytes()
        offsets = [len(body), len(body) + len(data)]
        header[name] = {"dtype": NAMES[array.dtype], "shape": list(array.shape), "data_offsets": offsets}
        body += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the numbers start at a multiple of 8
    return len(text).to_bytes(8, "little") + text + body


def from_bytes(content: bytes, where: Path | str) -> JEPA:
    """The model that `to_bytes` wrote, in eval mode and without gradients, with its numbers as float32.

    Raises:
        UserError: a file of another kind, or cut short; `where` names it.
    """
    try:
        length = int.from_bytes(content[:8], "little")
        header, body = json.loads(content[8 : 8 + length]), content[8 + length :]
        described = {name: json.loads(text) for name, text in header.pop("__metadata__").items()}
        arrays = {}
        for name, entry in header.items():
            numbers = np.frombuffer(body[slice(*entry["data_offsets"])], DTYPES[entry["dtype"]])
            arrays[name] = numbers.reshape(entry["shape"])
        architecture = read_settings(Architecture, described["architecture"], str(where), Architecture())
        model = JEPA(architecture, read_settings(Frame, described["frame"], str(where), DEFAULT.frame))
        model.load_state_dict(decoded(arrays))
        model.metadata = described["metadata"]
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise UserError(
            f"{where} is no safetensors file of a tiny_jepa model ({type(error).__name__}); "
            "write one with: python -m tiny_jepa export --out model.safetensors"
        ) from None
    return model.eval().requires_grad_(False)
