"""The decision loss of a gated prediction `z' = z + g m`: was the move `m` made, or not?

The share of `m` that the code really moved by says so, without a label; where each axis has its gate, the share along
that axis. Squared error through a sigmoid barely corrects a gate that is wrong and sure of it; the logistic loss, a
proper score with the same minimum, does (Gneiting & Raftery 2007, "Strictly proper scoring rules, prediction, and
estimation").
"""

from einops import reduce
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def share_made(move: Tensor, moved: Tensor, gates: int) -> tuple[Tensor, Tensor]:
    """Which share of each move was made, by gates for D / gates coordinates each, and what it matters: proposed and
    observed move [..., D] -> shares [..., gates] from 0 to 1, squared lengths [..., gates] in code units squared."""
    squared = reduce(move.square(), "... (g d) -> ... g", "sum", g=gates)
    along = reduce(moved * move, "... (g d) -> ... g", "sum", g=gates)
    return (along / squared.clamp_min(1e-12)).clamp(0, 1), squared


def decision_loss(logit: Tensor, share: Tensor, weights: Tensor) -> Tensor:
    """Logistic loss of gates against the share of each move that was made: logits, shares and weights [..., gates]
    -> scalar, summed."""
    return (weights * binary_cross_entropy_with_logits(logit, share, reduction="none")).sum()
