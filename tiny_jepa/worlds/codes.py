"""Whether a move was made, said by codes alone."""

from torch import Tensor


def was_made(before: Tensor, after: Tensor, moves: Tensor) -> Tensor:
    """Which moves [N, 2] took codes [N, 2] along, rather than leaving them where they were -> [N] bool."""
    return (after - before).norm(dim=-1) > 0.5 * moves.norm(dim=-1)
