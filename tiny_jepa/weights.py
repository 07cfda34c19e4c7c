"""Weights files: architecture, state dict, metadata and a format version, in one file that says what it is."""

import hashlib
import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tiny_jepa.errors import UserError
from tiny_jepa.files import write_atomically
from tiny_jepa.models.jepa import JEPA, Architecture
from tiny_jepa.options import read_settings

ROOT_WEIGHTS = Path("model_weights.pth")
FORMAT = 2
"""1 was of the models up to revision 61a1c84."""


def save_weights(path: Path, model: JEPA, metadata: dict[str, Any]) -> None:
    """Writes a weights file. `metadata` holds plain values only (budget, command, seed, steps, data, metrics...)."""
    content = {
        "format": FORMAT,
        "architecture": asdict(model.architecture),
        "state_dict": {name: value.detach().cpu() for name, value in model.state_dict().items()},
        "metadata": metadata,
    }
    write_atomically(path, lambda temporary: torch.save(content, temporary))


def read_weights(path: Path | str, device: torch.device | str = "cpu") -> tuple[JEPA, dict[str, Any]]:
    """Builds the model that a weights file holds, in eval mode and without gradients -> (model, metadata).

    Raises:
        UserError: a missing, corrupt or foreign file, or one of a later format.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no weights file {path}; train one with: python train.py --budget 2k")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path} is not a readable weights file ({type(error).__name__}); copy or train it again"
        ) from None
    found = set(content) if isinstance(content, dict) else set()
    if lacking := {"format", "architecture", "state_dict", "metadata"} - found:
        raise UserError(
            f"{path} is no tiny_jepa weights file: it lacks {', '.join(sorted(lacking))}; train one with train.py"
        )
    if content["format"] != FORMAT:
        raise UserError(f"{path} has format {content['format']}, this version reads {FORMAT}; train it again")
    if set(settings := content["architecture"]) != set(asdict(Architecture())):
        raise UserError(f"{path} describes another architecture ({', '.join(sorted(settings))}); train it again")
    model = JEPA(read_settings(Architecture, settings, f"{path}: its architecture", Architecture()))
    try:
        model.load_state_dict(content["state_dict"])
    except RuntimeError as error:
        raise UserError(f"{path}: its tensors do not fit its architecture ({str(error).splitlines()[0]})") from None
    model.metadata = content["metadata"]
    return model.to(device).eval().requires_grad_(False), model.metadata


def add_metrics(path: Path, frames: str, metrics: dict[str, float | None], command: str) -> None:
    """Writes losses in px², and the command that measured them, into the metadata of a weights file, by the kind of
    frames ("65 px float32") that they were measured on."""
    model, metadata = read_weights(path)
    graded = {**metadata.get("metrics", {}), frames: {**metrics, "command": command}}
    save_weights(path, model, {**metadata, "metrics": graded})


def fingerprint(model: nn.Module) -> str:
    """Short hash of a model's tensors: which weights a figure belongs to, whatever else their file says."""
    state = model.state_dict()
    parts = [part for name, value in state.items() for part in (name.encode(), value.cpu().numpy().tobytes())]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:12]
