"""A model's form, and how it is trained: a field is a key of a preset in `budgets/`, and an option of `train.py`."""

from typing import Annotated, Literal

from pydantic import Field

from tiny_jepa.errors import UserError
from tiny_jepa.options import Count, Numbers, Seed, settings, within

Several = Annotated[int, within(2, 10**8)]
Weight = Annotated[float, within(0, 1e6)]
Rate = Annotated[float, within(1e-9, 1e3)]


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


@settings
class TrainingConfig:
    """How a model is trained. All schedules count steps."""

    objective: Literal["vicreg", "barlow"] = "vicreg"  # what keeps phase 1 from collapse
    # phase 1, `encode`: the encoder and the action's scale, from frames, the gate open
    encode_steps: Count = 1_000  # steps of phase 1
    encode_batch: Annotated[int, within(2, 10**5)] = 64  # trajectories a step of phase 1
    encode_frames: Annotated[int, within(2, 10**4)] = 4  # consecutive frames of each trajectory
    encode_lr: Rate = 0.2  # Adam's highest rate in phase 1; a cosine takes it to zero
    variance_weight: Weight = 0.3  # of VICReg's variance hinge; 0 invites collapse
    # phase 2, `predict`: the gate, on the codes of the frozen encoder
    cached: Several = 40_000  # trajectories whose codes are computed once and kept
    auditions: Annotated[int, within(1, 1_000)] = 8  # gates tried before phase 2; the best one-step error goes on
    audition_steps: Count = 600  # training steps of each audition
    predict_steps: Count = 4_000  # steps of phase 2
    predict_batch: Annotated[int, within(2, 10**6)] = 4_096  # looks a step of phase 2; all, if there are fewer
    predict_lr: Rate = 2e-2  # Adam's highest rate in phase 2; a cosine takes it to zero
    teacher_weight: Weight = 1.0  # of the squared error of one-step predictions
    decision_weight: Weight = 1.0  # of the gate's logistic loss on the same steps: was the move made?
    # all
    clip: Rate = 1.0  # the gradient's largest norm
    seed: Seed = 0  # of weights and batches

    def __post_init__(self) -> None:
        if not (self.teacher_weight or self.decision_weight):
            raise UserError("--teacher-weight and --decision-weight are both 0: nothing would be predicted")
