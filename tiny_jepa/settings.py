"""Settings of a training run. Each is a key of a preset in `budgets/` and an option of `train.py`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingConfig:
    """All schedules count steps."""

    objective: str = "vicreg"  # vicreg, barlow or byol
    # phase 1, `encode`: encoders and the action's scale, from frames, the gate at rest
    encode_steps: int = 1_000  # of phase 1
    encode_batch: int = 64  # trajectories a step
    encode_frames: int = 4  # consecutive frames of each that are encoded
    encode_lr: float = 0.2  # Adam's rate at the start; a cosine takes it to zero
    variance_weight: float = 0.3  # vicreg: of the variance hinge (0 invites collapse)
    concentration_weight: float = 0.6  # of the layout maps' concentration
    # phase 2, `predict`: the gate, on the codes of the frozen encoders
    cached: int = 147_000  # trajectories whose codes are computed once and kept
    auditions: int = 1  # gates that are tried before the phase; the one with the least one-step error goes on
    audition_steps: int = 1_000  # training of each
    predict_steps: int = 20_000  # of phase 2
    predict_batch: int = 2_048  # transitions a step
    predict_lr: float = 1e-2  # Adam's rate at the start; a cosine takes it to zero
    teacher_weight: float = 1.0  # of the squared error of one-step predictions
    decision_weight: float = 1.0  # of the gate's logistic loss on the same steps: was the move made?
    vary: bool = False  # every transition is moved to where the same would happen, each time it is drawn
    # all
    clip: float = 1.0  # gradient norm
    seed: int = 0  # of weights and batches
