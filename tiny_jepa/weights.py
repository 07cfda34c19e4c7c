"""Weights files: format version, architecture, frame, state dict and metadata, in one file."""

import contextlib
import hashlib
import io
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import AfterValidator, ConfigDict, with_config
from torch import Tensor, nn
from typing_extensions import TypedDict

from tiny_jepa.console import printable
from tiny_jepa.errors import UserError
from tiny_jepa.files import require_file, write_atomically
from tiny_jepa.models import JEPA, Architecture
from tiny_jepa.options import Count, read, settings, within
from tiny_jepa.worlds.contract import Frame

ROOT_WEIGHTS = Path("model_weights.pth")
FORMAT = 3
"""Up to 2, models encoded the layout instead of reading the map."""


Text = Annotated[str, AfterValidator(printable)]


@with_config(ConfigDict(extra="allow", strict=True, allow_inf_nan=False))
class Metadata(TypedDict, total=False):
    """What programs read of a model's metadata; any other plain value may stand beside it."""

    budget: Text
    budget_limit: Count
    command: Text
    minutes: Annotated[float, within(0, 1e9)]
    run: Text
    data: Text
    data_kind: str
    sets_read: list[str]


def numbers(tensor: Tensor) -> Tensor:
    """A tensor of a file as float32, once it is one of finite numbers that are all there."""
    dense = tensor.layout == torch.strided and tensor.device.type == "cpu"
    there = dense and tensor.is_floating_point() and tensor.nbytes <= tensor.untyped_storage().nbytes()
    if not there or not tensor.float().isfinite().all():
        raise ValueError("should be a tensor of finite numbers that are all there")
    return tensor.float()


@settings
class WeightsFile:
    format: int
    architecture: Architecture
    frame: Frame
    state_dict: dict[str, Annotated[Tensor, AfterValidator(numbers)]]
    metadata: Metadata


def save_weights(path: Path, model: nn.Module, metadata: dict[str, Any]) -> None:
    """Writes a weights file; a `UserError` where a weight is not finite or a value of `metadata` is not plain."""
    model = getattr(model, "_orig_mod", getattr(model, "module", model))
    content: dict[str, Any] = {
        "format": FORMAT,
        "architecture": asdict(model.architecture),  # type: ignore[arg-type]
        "frame": asdict(model.frame),  # type: ignore[arg-type]
        "state_dict": {name: value.detach().cpu() for name, value in model.state_dict().items()},
        "metadata": metadata,
    }
    read(WeightsFile, content, f"{path} is not written, train with smaller rates")
    write_atomically(path, lambda temporary: torch.save(content, temporary))


def fingerprint(model: nn.Module) -> str:
    """Short hash of a model's tensors: which weights a figure belongs to, whatever else their file says."""
    found = hashlib.sha256()
    for name, value in model.state_dict().items():
        found.update(name.encode() + value.detach().cpu().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:12]


def read_archive(path: Path, what: str, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The dictionary that `torch.save` wrote to `path`, which is `what`, once its checksums hold; tensors on `device`.
    Members are copied as they are checked: torch's own reader checks nothing, and reads some headers otherwise."""
    given, checked, content = path.read_bytes(), io.BytesIO(), None
    with contextlib.suppress(Exception):  # arbitrary bytes raise whatever zipfile, pickle and torch can raise
        with zipfile.ZipFile(io.BytesIO(given)) as archive, zipfile.ZipFile(checked, "w") as copy:
            if sum(member.file_size for member in archive.infolist()) > len(given):
                raise zipfile.BadZipFile("it claims to be larger than it is")
            for name in archive.namelist():
                copy.writestr(name, archive.read(name))
        checked.seek(0)
        content = torch.load(checked, map_location=device, weights_only=True)
    if not isinstance(content, dict):
        raise UserError(f"{path} is not a readable {what}: damaged, or of another program; copy or make it again")
    return content


def read_weights(path: Path | str, device: torch.device | str = "cpu") -> tuple[JEPA, dict[str, Any]]:
    """The model that a weights file holds, in eval mode -> (model, metadata); a `UserError` for a missing, damaged or
    foreign file, or one whose parts do not fit."""
    path = Path(str(path))
    require_file(path, "weights are made by: python train.py --budget 2k")
    content = read_archive(path, "weights file")
    content.pop("digest", None)  # of older files
    if not isinstance(format := content.get("format"), int) or format != FORMAT:
        raise UserError(f"{path} has format {format}, this version reads {FORMAT}; train one with train.py")
    file = read(WeightsFile, content, f"{path} is no whole weights file, copy or train it again")
    try:
        with torch.device("meta"):  # nothing is allocated before tensors and architecture fit
            model = JEPA(file.architecture, file.frame)
        model.load_state_dict(file.state_dict, assign=True)
    except (RuntimeError, UserError) as error:
        says = str(error).splitlines()[-1].strip()
        raise UserError(f"{path}: its tensors do not fit its architecture ({says})") from None
    model.metadata = dict(file.metadata)
    return model.to(device).eval(), model.metadata
