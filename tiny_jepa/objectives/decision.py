"""The decision loss of a gated prediction `z' = z + g m`: was the move `m` made, or not?

The share of `m` that the code really moved by says so, without a label; where each axis has its gate, the share along
that axis. Squared error through a sigmoid barely corrects a gate that is wrong and sure of it; the logistic loss, a
proper score with the same minimum, does (Gneiting & Raftery 2007, "Strictly proper scoring rules, prediction, and
estimation").
"""

from einops import reduce
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def decision_loss(logit: Tensor, move: Tensor, moved: Tensor, weights: Tensor | float = 1.0) -> Tensor:
    """Logistic loss of gates against the share of each move that was made, weighted by the move's squared length:
    logit [..., G] of gates for D / G coordinates each, proposed move [..., D], observed move [..., D], weights [..., 1]
    of the moves -> scalar in units of codes squared, a coordinate's share. It teaches the gate alone: the move gets no
    gradient."""
    move, gates = move.detach(), logit.shape[-1]
    squared = reduce(move.square(), "... (g d) -> ... g", "sum", g=gates)
    share = (reduce(moved * move, "... (g d) -> ... g", "sum", g=gates) / squared.clamp_min(1e-6)).clamp(0, 1)
    losses = binary_cross_entropy_with_logits(logit, share.detach(), reduction="none")
    return (weights * squared * losses).mean() * gates / move.shape[-1]
