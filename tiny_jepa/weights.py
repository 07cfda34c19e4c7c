"""Weights files: architecture, state dict, metadata, a format version and a digest of all that, in one file that says
what it is and proves that it is whole."""

import hashlib
import io
import json
import re
import zipfile
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tiny_jepa.errors import UserError
from tiny_jepa.files import write_atomically
from tiny_jepa.models import JEPA, Architecture
from tiny_jepa.options import read
from tiny_jepa.worlds.contract import Frame

ROOT_WEIGHTS = Path("model_weights.pth")
FORMAT = 3
"""Up to 2, models encoded the layout instead of reading the map."""
FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
PARTS = ("format", "architecture", "state_dict", "metadata")
WRAPPED = re.compile(r"(?<![^.])(_orig_mod|module)\.")
"""What torch.compile and DataParallel put before the names of a model's tensors."""
KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("budget", "command", "data", "data_kind", "run", "version", "dtype"), str),
    **dict.fromkeys(("budget_limit", "parameters", "seed", "steps", "image_size"), int),
    **{"minutes": (int, float), "metrics": dict, "sets_read": list, "sets_version": (int, type(None))},
}
"""Of metadata that programs read."""


def save_weights(path: Path, model: nn.Module, metadata: dict[str, Any]) -> None:
    """Writes a weights file. `metadata` holds plain values only (budget, command, seed, steps, data, metrics...).

    Raises:
        UserError: a weight is not finite, or the file cannot be written.
    """
    model = getattr(model, "_orig_mod", getattr(model, "module", model))
    content: dict[str, Any] = {
        "format": FORMAT,
        "architecture": asdict(model.architecture),  # type: ignore[arg-type]
        "frame": asdict(model.frame),  # type: ignore[arg-type]
        "state_dict": plain_state(model),
        "metadata": metadata,
    }
    require_finite(content["state_dict"], f"{path} is not written")
    write_atomically(path, lambda temporary: torch.save(content | {"digest": digest(content, path)}, temporary))


def plain_state(model: nn.Module) -> dict[str, Tensor]:
    """The tensors of a model on the CPU, by the names that they have in a model nobody compiled."""
    return {WRAPPED.sub("", name): value.detach().cpu() for name, value in model.state_dict().items()}


def require_finite(state: dict[str, Tensor], what: str) -> None:
    """Raises a `UserError` that names the first tensor with a NaN or an infinite number; `what` suffers from it."""
    for name, value in state.items():
        if not value.isfinite().all():
            raise UserError(f"{what}: {name} is not finite; train with smaller rates or weights")


def digest(content: dict[str, Any], path: Path) -> str:
    """Hash of all that a weights file says; a `UserError` where that is no plain value."""
    try:
        said = [content[part] for part in (*PARTS, "frame") if part in content and part != "state_dict"]
        plain = json.dumps(said, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise UserError(f"{path}: its metadata have to be plain values: texts, finite numbers, lists") from None
    return hashlib.sha256(plain.encode() + _bytes_of(content["state_dict"])).hexdigest()


def fingerprint(model: nn.Module) -> str:
    """Short hash of a model's tensors: which weights a figure belongs to, whatever else their file says."""
    return hashlib.sha256(_bytes_of(model.state_dict())).hexdigest()[:12]


def _bytes_of(state: dict[str, Tensor]) -> bytes:
    values = {name: value.detach().cpu().flatten().view(torch.uint8).numpy().tobytes() for name, value in state.items()}
    return b"".join(part for name, value in values.items() for part in (name.encode(), value))


def read_archive(path: Path, what: str, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The dictionary that `torch.save` wrote to `path`, which is `what`, once its checksums hold; tensors on `device`.

    Members are copied as they are checked: torch's own reader checks nothing, and reads some headers otherwise.

    Raises:
        UserError: no file, or none that is whole, or of something else.
    """
    checked = io.BytesIO()
    try:
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(checked, "w") as copy:
            if sum(member.file_size for member in archive.infolist()) > path.stat().st_size:
                raise zipfile.BadZipFile("it claims to be larger than it is")
            for name in archive.namelist():
                copy.writestr(name, archive.read(name))
        checked.seek(0)
        content = torch.load(checked, map_location=device, weights_only=True)
    except Exception as error:  # arbitrary bytes raise whatever zipfile, pickle and torch can raise
        raise UserError(f"{path} is not a readable {what} ({type(error).__name__}); copy or train it again") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} is no tiny_jepa {what}: it holds a {type(content).__name__}; copy or train it again")
    return content


def read_weights(path: Path | str, device: torch.device | str = "cpu") -> tuple[JEPA, dict[str, Any]]:
    """Builds the model that a weights file holds, in eval mode and without gradients -> (model, metadata).

    Raises:
        UserError: a missing, damaged or foreign file, one of a later format, or one whose parts do not fit.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no weights file {path}; train one with: python train.py --budget 2k")
    content = read_archive(path, "weights file")
    if lacking := set(PARTS) - set(content):
        raise UserError(
            f"{path} is no tiny_jepa weights file: it lacks {', '.join(sorted(lacking))}; train one with train.py"
        )
    if content["format"] != FORMAT:
        raise UserError(
            f"{path} has format {content['format']}, of another kind of model; this version reads format {FORMAT}; "
            "train it again"
        )
    for part in PARTS[1:]:
        if not isinstance(content[part], dict) or not all(isinstance(key, str) for key in content[part]):
            raise UserError(f"{path}: its {part} is no dictionary of names; train it again")
    state, metadata = content["state_dict"], content["metadata"]
    if not all(isinstance(value, Tensor) and _is_plain(value) for value in state.values()):
        raise UserError(f"{path}: its state_dict holds more than float tensors; train it again")
    if sum(value.nbytes for value in state.values()) > path.stat().st_size:
        raise UserError(f"{path}: its tensors claim to be larger than the file; train it again")
    for name, kind in KINDS.items():
        value = metadata.get(name)
        if name in metadata and (isinstance(value, bool) or not isinstance(value, kind)):
            raise UserError(f"{path}: its metadata say {name} = {str(value)[:40]!r}; train it again")
    require_finite(state, f"{path} is not used")
    frame = _frame(path, content.get("frame"))
    architecture = _architecture(path, content["architecture"], state, frame)
    if content.get("digest", whole := digest(content, path)) != whole:
        raise UserError(f"{path} is damaged: its digest is of other contents; copy or train it again")
    model = JEPA(architecture, frame)
    model.load_state_dict({WRAPPED.sub("", name): value for name, value in state.items()})
    model.metadata = metadata
    return model.to(device).eval().requires_grad_(False), model.metadata


def _is_plain(value: Tensor) -> bool:
    return value.dtype in FLOATS and value.layout == torch.strided and value.device.type == "cpu"


def _frame(path: Path, settings: Any) -> Frame:
    """What a file says of a world's frames."""
    if not isinstance(settings, dict) or set(settings) != {field.name for field in fields(Frame)}:
        raise UserError(f"{path}: it does not say what its frames hold; train it again")
    return read(Frame, settings, f"{path}: its frame")


def _architecture(path: Path, settings: dict[str, Any], state: dict[str, Tensor], frame: Frame) -> Architecture:
    """The architecture of a file's settings, once it is known to be that of its tensors: nothing is allocated."""
    if set(settings) != set(asdict(Architecture())):
        raise UserError(f"{path} describes another architecture ({', '.join(sorted(settings))}); train it again")
    for name, value in settings.items():
        numbers = value if isinstance(value, tuple | list) else [value]
        if len(numbers) > len(state) or not all(type(number) is int and abs(number) < 10**9 for number in numbers):
            raise UserError(f"{path}: its architecture says {name} = {repr(value)[:40]}; train it again")
    architecture = read(Architecture, settings, f"{path}: its architecture")
    found = {WRAPPED.sub("", name): tuple(value.shape) for name, value in state.items()}
    with torch.device("meta"):
        expected = {name: tuple(value.shape) for name, value in JEPA(architecture, frame).state_dict().items()}
    differing = sorted(name for name in found.keys() | expected if found.get(name) != expected.get(name))
    if differing:
        raise UserError(f"{path}: its tensors do not fit its architecture ({', '.join(differing[:3])}); train it again")
    return architecture


def add_metrics(path: Path, frames: str, metrics: dict[str, float | None], command: str) -> None:
    """Writes losses in px², and the command that measured them, into the metadata of a weights file, by the kind of
    frames ("65 px float32") that they were measured on."""
    model, metadata = read_weights(path)
    graded = {**metadata.get("metrics", {}), frames: {**metrics, "command": command}}
    save_weights(path, model, {**metadata, "metrics": graded})
