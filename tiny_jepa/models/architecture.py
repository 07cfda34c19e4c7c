"""What a weights file says of a model's form: enough to build it again."""

from typing import Annotated

from pydantic import Field

from tiny_jepa.errors import UserError
from tiny_jepa.options import Numbers, settings, within


@settings
class Architecture:
    """The form of a model; what a world's frames hold is said elsewhere (`Frame`). Unless given, crossings and
    radius are 2 and 0, in worlds of colours what the data say."""

    agent_kernel: Annotated[int, within(1, 63)] = 5  # taps of the agent encoder's filter, an odd number
    crossings: Annotated[int, within(1, 32)] | None = None  # pixel centres that one move can pass along an axis
    radius: Annotated[int, within(0, 32)] | None = None  # px by which what the map shows is widened on all sides
    up: bool = False  # whether actions count rows upwards; in worlds of colours, the data say
    reach: Annotated[int, within(0, 32)] = 1  # pixels before and behind each cell that the gate is told of
    corners: Annotated[int, within(0, 4)] = 4  # of the cell that a move starts in: how many the gate is told of
    gate_widths: Annotated[Numbers, Field(min_length=1, max_length=100)] | None = None  # hidden; None: to be solved for
    repr_dim: Annotated[int, within(0, 10**5)] = 512  # of the lifted representation; 0 leaves the lift off

    def __post_init__(self) -> None:
        if self.agent_kernel % 2 == 0:
            raise UserError(f"--agent-kernel must be an odd number, not {self.agent_kernel}")
        if 0 < self.repr_dim < 4:
            raise UserError(f"--repr-dim must be 0 (no lift) or at least 4, not {self.repr_dim}")
