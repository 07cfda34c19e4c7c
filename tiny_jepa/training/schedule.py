"""The learning rate of every phase, and of an audition."""

import math

WARM_UP = 100  # steps


def scheduled_lr(step: int, steps: int, highest: float) -> float:
    """The rate of step number `step` of `steps`: a linear warm-up, and a cosine that falls to zero."""
    return highest * min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))
