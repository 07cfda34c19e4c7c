"""Budgets: presets in `budgets/`, and any other count solved for: the encoder is the same at every budget, all the rest
goes to the predictor's gate."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from tiny_jepa.errors import UserError
from tiny_jepa.files import read_ini
from tiny_jepa.models import JEPA, count_parameters
from tiny_jepa.options import read, settings
from tiny_jepa.settings import Architecture, TrainingConfig
from tiny_jepa.worlds.contract import Frame, World

_HERE = Path(__file__).resolve().parent
FOLDER = next(path for path in (_HERE / "presets", _HERE.parent / "budgets") if path.is_dir())
"""The presets and their trained weights: `budgets/` in a checkout, inside the package once installed."""


@settings
class Preset:
    """An .ini file of `budgets/`; its name is the ceiling."""

    model: Architecture = Architecture()
    training: TrainingConfig = TrainingConfig()


@dataclass(frozen=True)
class Budget:
    """A ceiling on trainable parameters, the architecture that fills it and how it is trained."""

    name: str
    limit: int
    architecture: Architecture
    training: TrainingConfig
    world: World

    def solved(self) -> "Budget":
        """The same with the widest gate of one hidden layer that the ceiling allows, where its widths are not given."""
        form, frame = self.architecture, self.world.frame
        if form.gate_widths is None:
            least, next_one = (parameter_count(replace(form, gate_widths=(width,)), frame) for width in (1, 2))
            if self.limit < least:
                says = f"no model fits a budget of {self.limit} parameters; the smallest buildable one has {least}"
                raise UserError(says)
            width = (self.limit - least) // (next_one - least) + 1  # each unit costs the same
            form = replace(form, gate_widths=(width,))
        elif (count := parameter_count(form, frame)) > self.limit:
            raise UserError(f"this architecture has {count:,} trainable parameters, the budget allows {self.limit:,}")
        return replace(self, architecture=form)

    def build(self) -> JEPA:
        """An untrained model, of no more parameters than the ceiling."""
        return JEPA(self.solved().architecture, self.world.frame)


def parameter_count(architecture: Architecture, frame: Frame) -> int:
    """Trainable parameters that a model of this architecture has; nothing is allocated."""
    with torch.device("meta"):
        return count_parameters(JEPA(architecture, frame))


def by_count(world: World, suffix: str) -> dict[int, Path]:
    """The files of a world's presets, smallest first; a `UserError` for a name that is no count, or another's."""
    found: dict[int, Path] = {}
    for path in (FOLDER / (world.presets or world.frame.world)).glob(f"*{suffix}"):
        if (other := found.setdefault(parse_count(path.stem, f"{path}:"), path)) is not path:
            raise UserError(f"{path} and {other.name} are one budget; remove one of them")
    return dict(sorted(found.items()))


def list_budgets(world: World) -> list[str]:
    return [path.stem for path in by_count(world, ".ini").values()]


def parse_count(text: str, what: str = "budget") -> int:
    """A count as people write it: `500`, `2k`, `1M`; a `UserError` for anything else."""
    try:
        count = round(float(re.sub("[km]$", lambda found: {"k": "e3", "m": "e6"}[found[0]], text.strip().lower())))
    except (ValueError, OverflowError):
        count = 0
    if not 0 < count <= 100_000_000:
        raise UserError(f"{what} '{text}' is no count of parameters up to 100M; write 500, 2k, 100k or 1M")
    return count


def find_budget(text: str, world: World) -> Budget:
    """The preset of this name or count, or of any other count: the settings of the largest preset that is not above it
    (or of the smallest), without its widths. Nothing is solved for yet."""
    limit = parse_count(text)
    by_limit = by_count(world, ".ini")
    nearest = max((count for count in by_limit if count <= limit), default=min(by_limit, default=None))
    preset = Preset()
    if nearest is not None:
        path = by_limit[nearest]
        preset = read(Preset, read_ini(path, "write a preset, or delete it"), str(path))
    architecture = preset.model if nearest == limit else replace(preset.model, gate_widths=None)
    return Budget(by_limit[limit].stem if limit in by_limit else text, limit, architecture, preset.training, world)


def find_weights(name: str, world: World) -> Path:
    """The weights file that ships for a preset, named as people write its count; a `UserError` where there is none."""
    trained = by_count(world, ".pth")
    if (count := parse_count(name)) not in trained:
        there = ", ".join(path.stem for path in trained.values()) or "none"
        raise UserError(f"no trained weights for budget '{name}'; there are: {there}; python train.py makes others")
    return trained[count]
