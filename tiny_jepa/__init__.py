"""tiny_jepa: joint-embedding world models to a parameter budget."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tiny_jepa.models import JEPA

__version__ = "0.1.0"
__all__ = ["build_model", "list_budgets", "load_model"]


def list_budgets(world: str = "two_rooms") -> list[str]:
    """Names of the presets that ship for a world, smallest first."""
    from tiny_jepa import budgets, worlds  # late, here and below: `import tiny_jepa` alone stays light

    return budgets.list_budgets(worlds.find_world(str(world)))


def build_model(budget: str, world: str = "two_rooms") -> "JEPA":
    """An untrained model for a budget ("2k", "100000", ...): `model(states, actions) -> [B, T, repr_dim]`, states
    [B, >=1, C, H, W] uint8 or float of any scale, actions [B, T-1, 2] px."""
    from tiny_jepa import budgets, worlds

    return budgets.find_budget(str(budget), worlds.find_world(str(world))).build()


def load_model(budget: str, world: str = "two_rooms") -> "JEPA":
    """The trained model of a preset, in eval mode; its command is in `model.metadata`."""
    from tiny_jepa import budgets, weights, worlds

    return weights.read_weights(budgets.find_weights(str(budget), worlds.find_world(str(world))))[0]
