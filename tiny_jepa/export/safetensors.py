"""Weights as a safetensors file (huggingface.co/docs/safetensors): tensors by name, and what they are, as JSON."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tiny_jepa.errors import UserError
from tiny_jepa.export.quantise import Kind, coded, decoded
from tiny_jepa.models import JEPA, Architecture
from tiny_jepa.options import read
from tiny_jepa.worlds.contract import Frame


def library() -> Any:
    """The format's own package, for numpy."""
    try:
        import safetensors.numpy
    except ImportError:
        raise UserError("this needs safetensors; install it with: pip install 'tiny_jepa[export]'") from None
    return safetensors


def to_bytes(model: JEPA, kind: Kind = "float32") -> bytes:
    """The whole file. Its metadata hold architecture, frame and what is known of the training, each as JSON text."""
    known = {key: value for key, value in model.metadata.items() if key != "metrics"}
    described = {"architecture": asdict(model.architecture), "frame": asdict(model.frame), "metadata": known}
    texts = {key: json.dumps(value) for key, value in described.items()}
    return library().numpy.save(coded(model.state_dict(), kind), texts)


def from_bytes(content: bytes, where: Path | str) -> JEPA:
    """The model that `to_bytes` wrote, in eval mode and without gradients, with its numbers as float32.

    Raises:
        UserError: a file of another kind, or cut short; `where` names it.
    """
    package = library()
    try:
        arrays = package.numpy.load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])  # `load` leaves the texts out
        described = {name: json.loads(text) for name, text in header["__metadata__"].items()}
        architecture = read(Architecture, described["architecture"], str(where))
        model = JEPA(architecture, read(Frame, described["frame"], str(where)))
        model.load_state_dict(decoded(arrays))
        model.metadata = described["metadata"]
    except (package.SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise UserError(
            f"{where} is no safetensors file of a tiny_jepa model ({type(error).__name__}); "
            "write one with: python -m tiny_jepa export --out model.safetensors"
        ) from None
    return model.eval().requires_grad_(False)
