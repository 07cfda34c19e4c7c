"""The lift: a fixed, parameter-free map from the agent code to a representation of `repr_dim` numbers.

The probing protocol trains its prober with so small a learning rate that a narrow representation is not read out in
time (docs/lift.md has the figures). The lift repeats the centred code and adds constants, which keep the prober's
hidden units on one side of their kink, where it is linear and reads a linear code without a bend. It adds nothing that
the code does not hold and costs no parameter. Figures without it are reported beside those with it.
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
