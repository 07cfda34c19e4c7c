"""Settings of a training run. Each is a key of a preset in `budgets/` and an option of `train.py`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingConfig:
    """All schedules count steps."""

    objective: str = "vicreg"  # vicreg, barlow or byol
    augmentation: str = "full"  # full (mirrors, shifts, moved walls and doors), mirrors or none
    # phase 1, `encode`: encoders and action map, from frames, the gate at rest
    encode_steps: int = 600  # of phase 1
    encode_batch: int = 128  # trajectories a step
    encode_frames: int = 4  # consecutive frames of each that are encoded
    encode_lr: float = 4e-3  # Adam's rate
    variance_weight: float = 0.3  # vicreg: of the variance hinge (0 invites collapse)
    concentration_weight: float = 0.6  # of the layout maps' concentration
    # phase 2, `predict`: predictor and layout encoder, on the codes of the frozen agent encoder
    cached: int = 147_000  # trajectories whose codes are computed once and kept; beyond the set's, augmented anew
    auditions: int = 1  # gates that are tried before the phase; the one with the least one-step error goes on
    audition_steps: int = 1_500  # one-step training of each
    predict_steps: int = 12_000  # of phase 2
    predict_batch: int = 512  # trajectories a step; in phase 3 as many transitions as they hold
    predict_lr: float = 4e-3  # Adam's rate at the start; a cosine takes it to zero
    teacher_weight: float = 1.0  # of the one-step loss, from true codes at every time step
    decision_weight: float = 1.0  # of the gate's logistic loss on the same steps: was the move made?
    unroll_weight: float = 0.1  # of the recurrent unroll's loss
    layout_hold: float = 0.07  # of phase 1's variance and concentration terms for the layout, kept in phase 2
    unroll_batch: int = 128  # trajectories of the batch that are unrolled
    horizon: int = 16  # longest unroll; it grows from 2 over the first half of the phase
    # phase 3, `sharpen`: the gate alone, on the transitions that it is undecided about
    sharpen_steps: int = 8_000  # of phase 3, with the batch and the rate of phase 2
    # phase 4, `grow`: the gate is widened, and sharpened on transitions that vary
    grown_from: tuple[int, ...] = ()  # hidden widths of the gate until then
    grow_steps: int = 0  # of phase 4, with the batch of phase 2
    grow_lr: float = 3e-4  # Adam's rate at the start; a cosine takes it to zero
    # all
    clip: float = 1.0  # gradient norm
    seed: int = 0  # of weights, batches and augmentation
