"""What a weights file says of a model's form: enough to build it again."""

from dataclasses import dataclass
from typing import Annotated

from tiny_jepa.errors import UserError
from tiny_jepa.options import Checked, Numbers, Within


@dataclass(frozen=True)
class Architecture(Checked):
    """The form of a model. What a world's frames hold is said elsewhere (`Frame`)."""

    agent_kernel: Annotated[int, Within(1, 63, step=2)] = 5  # taps of the agent encoder's filter, an odd number
    crossings: Annotated[int, Within(1, 32)] = 2  # pixel centres that one move can pass along an axis
    reach: Annotated[int, Within(0, 32)] = 1  # pixels before and behind each cell that the gate is told of
    corners: Annotated[int, Within(0, 4)] = 4  # of the cell that a move starts in: how many the gate is told of
    gate_widths: Annotated[Numbers, Within(1, 10**7)] = (16,)  # hidden widths of the gate; solved for unless given
    repr_dim: Annotated[int, Within(0, 10**5)] = 512  # of the lifted representation; 0 leaves the lift off

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.repr_dim < 4:
            raise UserError(f"--repr-dim must be 0 (no lift) or at least 4, not {self.repr_dim}")
