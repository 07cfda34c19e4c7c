"""The contract of a world: one that is nothing like two rooms trains with the same loop.

A dot moves freely on a torus: one channel, nothing that differs between trajectories, and an empty map.
"""

from dataclasses import replace

import numpy as np
import torch

from tiny_jepa.models import JEPA, Architecture
from tiny_jepa.settings import TrainingConfig
from tiny_jepa.training.train import Trainer
from tiny_jepa.worlds.contract import Frame

SIZE = 40


class Torus:
    """200 trajectories of 9 frames: a 3 x 3 px square that leaves on one side and comes back on the other."""

    name, image_size, length = "train", SIZE, 9

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.moves = rng.integers(-2, 3, (200, 8, 2)).astype(np.float32)
        start = rng.integers(0, SIZE, (200, 1, 2))
        self.places = np.concatenate([start, start + self.moves.cumsum(1).astype(int)], axis=1) % SIZE

    def __len__(self):
        return len(self.moves)

    def frames(self, indices, start=0, stop=None):
        x, y = np.moveaxis(self.places[indices, start:stop], -1, 0)
        near = [(np.arange(SIZE) - each[..., None] + 1) % SIZE < 3 for each in (y, x)]  # [N, T, SIZE] each
        return torch.from_numpy(255 * (near[0][..., None] & near[1][..., None, :])[:, :, None].astype(np.uint8))

    def actions(self, indices):
        return torch.from_numpy(self.moves[indices])

    def locations(self, indices):
        raise AssertionError("training reads no label")


FRAME = Frame(channels=1, agent=0, map=None, unit=10.0)


def test_a_dot_on_a_torus_trains_with_the_same_loop():
    torch.manual_seed(0)
    steps = {"encode_steps": 200, "encode_batch": 32, "cached": 200, "predict_steps": 200, "predict_batch": 256}
    model = JEPA(Architecture(gate_widths=(8, 8), repr_dim=0), FRAME)
    trainer = Trainer(model, Torus(), replace(TrainingConfig(), **steps), torch.device("cpu"))
    losses = [float(loss) for loss, _ in trainer.run()]
    assert trainer.step == 400 and np.isfinite(losses).all()
    assert abs(float(model.predictor.action.detach()) * FRAME.unit - 1) < 0.1  # what a px of an action is in code units
    dataset, everyone = Torus(seed=1), np.arange(200)
    codes = model(dataset.frames(everyone), dataset.actions(everyone)).detach() * FRAME.unit
    inside = ((dataset.places > 2) & (dataset.places < SIZE - 3)).all((1, 2))  # those that never came near the rim
    assert codes.shape == (200, 9, 2) and np.abs(codes.numpy() - dataset.places)[inside].mean() < 2.0
