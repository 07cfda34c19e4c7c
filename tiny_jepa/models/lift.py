"""The lift: a fixed map from the agent code to a representation of `repr_dim` numbers. It adds nothing to what the code
holds; figures without it are reported beside those with it.

The probing protocol's prober learns too slowly to read a narrow representation out in time (docs/lift.md). The lift
repeats the centred code and adds constants, which keep the prober's hidden units on the linear side of their kink.
"""

from einops import repeat
from torch import Tensor
from torch.nn.functional import pad

CENTRE = 2.0  # code units (32 px): about the middle of a room, whatever the image size
CODE_SCALE = 0.25
CONSTANT, SHARE = 16.0, 4  # one in `SHARE` of the lifted numbers is `CONSTANT`


def lift(code: Tensor, repr_dim: int) -> Tensor:
    """code [..., d] -> representation [..., repr_dim]: the centred code, scaled and tiled, then constants."""
    copies = (repr_dim - repr_dim // SHARE) // code.shape[-1]
    tiled = repeat((code - CENTRE) * CODE_SCALE, "... d -> ... (copies d)", copies=copies)
    return pad(tiled, (0, repr_dim - tiled.shape[-1]), value=CONSTANT)
