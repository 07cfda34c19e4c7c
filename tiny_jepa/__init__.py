"""tiny_jepa: joint-embedding world models to a parameter budget."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["build_model", "list_budgets", "load_model"]

if TYPE_CHECKING:
    from tiny_jepa.budgets import build_model, list_budgets, load_model


def __getattr__(name: str) -> Any:  # so that `import tiny_jepa` alone stays light
    if name in __all__:
        from tiny_jepa import budgets

        return getattr(budgets, name)
    raise AttributeError(f"module 'tiny_jepa' has no attribute '{name}'")
