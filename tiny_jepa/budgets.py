"""Budgets: presets in `budgets/`, and any other count solved for."""

import configparser
from dataclasses import dataclass, replace
from pathlib import Path

from tiny_jepa.errors import UserError
from tiny_jepa.models import JEPA, Architecture
from tiny_jepa.models.size import build, solve
from tiny_jepa.options import read
from tiny_jepa.settings import TrainingConfig
from tiny_jepa.weights import read_weights
from tiny_jepa.worlds.contract import World

_HERE = Path(__file__).resolve().parent
FOLDER = next(path for path in (_HERE / "presets", _HERE.parent / "budgets") if path.is_dir())
"""The presets and their trained weights: `budgets/` in a checkout, inside the package once installed."""
MOST = 100_000_000
SUFFIXES = {"k": 1_000, "m": 1_000_000}


@dataclass(frozen=True)
class Budget:
    """A ceiling on trainable parameters, the architecture that fills it and how it is trained."""

    name: str
    limit: int
    architecture: Architecture
    training: TrainingConfig
    world: World

    def solved(self) -> "Budget":
        """The same with the widest gate that the ceiling allows, where its widths are not given."""
        if self.architecture.gate_widths is not None:
            return self
        return replace(self, architecture=solve(self.limit, self.architecture, self.world.frame))


def presets(world: World) -> Path:
    """The folder of a world's presets; it need not be there."""
    return FOLDER / (world.presets or world.frame.world)


def list_budgets(world: World) -> list[str]:
    """Names of the presets, smallest first."""
    return sorted((path.stem for path in presets(world).glob("*.ini")), key=parse_count)


def parse_count(text: str) -> int:
    """A count as people write it: `500`, `2k`, `1M`.

    Raises:
        UserError: no positive whole number.
    """
    digits, factor = text.strip(), 1
    if digits[-1:].lower() in SUFFIXES:
        digits, factor = digits[:-1], SUFFIXES[digits[-1].lower()]
    try:
        count = round(float(digits) * factor)
    except (ValueError, OverflowError):
        count = 0
    if not 0 < count <= MOST:
        raise UserError(f"budget '{text}' is no count of parameters up to 100M; write 500, 2k, 100k or 1M")
    return count


def find_budget(text: str, world: World) -> Budget:
    """The preset of this name or count, or of any other count: the settings of the largest preset that is not above it
    (or of the smallest); its widths are solved for.

    Raises:
        UserError: no such count, or one that no model fits.
    """
    return unsolved(text, world).solved()


def unsolved(text: str, world: World) -> Budget:
    """The same, with widths where a preset has them alone."""
    limit = parse_count(text)
    by_limit = {parse_count(name): name for name in list_budgets(world)}
    nearest = max((count for count in by_limit if count <= limit), default=min(by_limit, default=None))
    if nearest is None:
        return Budget(text, limit, Architecture(), TrainingConfig(), world)
    path = presets(world) / f"{by_limit[nearest]}.ini"
    parser = configparser.ConfigParser(inline_comment_prefixes="#")
    parser.read(path, encoding="utf-8")
    model, training = (dict(parser[part]) if part in parser else {} for part in ("model", "training"))
    where = f"budgets/{path.relative_to(FOLDER).as_posix()}"
    architecture, training_config = read(Architecture, model, where), read(TrainingConfig, training, where)
    if nearest == limit:
        return Budget(path.stem, limit, architecture, training_config, world)
    return Budget(text, limit, replace(architecture, gate_widths=None), training_config, world)


def build_model(budget: str, world: World) -> JEPA:
    """An untrained model for a budget ("2k", "100000", ...): `model(states, actions) -> [B, T, repr_dim]`, states
    [B, >=1, 2, H, W] uint8 or float of any scale, actions [B, T-1, 2] px."""
    found = find_budget(budget, world)
    return build(found.architecture, found.limit, found.world.frame)


def find_weights(name: str, world: World) -> Path:
    """The weights file that ships for a preset, named as people write its count.

    Raises:
        UserError: no preset of that count, or none trained.
    """
    folder = presets(world)
    trained = {parse_count(preset): preset for preset in list_budgets(world) if (folder / f"{preset}.pth").is_file()}
    if (count := parse_count(name)) not in trained:
        there = ", ".join(trained.values())
        raise UserError(
            f"no trained weights for budget '{name}'; there are: {there}; or python train.py --budget {name}"
        )
    return folder / f"{trained[count]}.pth"


def load_model(name: str, world: World) -> JEPA:
    """The trained model of a preset, in eval mode; its command, seed and figures are in `model.metadata`."""
    return read_weights(find_weights(name, world))[0]
