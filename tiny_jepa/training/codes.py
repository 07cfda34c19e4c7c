"""Codes of many trajectories, computed once by the frozen agent encoder and kept in memory."""

from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from tqdm import tqdm

from tiny_jepa.augment import augment
from tiny_jepa.data import TrajectorySet
from tiny_jepa.models.encoder import marginals
from tiny_jepa.models.jepa import JEPA

CHUNK = 64  # trajectories encoded at once: small enough to stay in the cache


class Codes(NamedTuple):
    """agent [N, T, 2], actions [N, T-1, 2] px, and the layout's marginals [N, 2, S], whose encoder still learns."""

    agent: Tensor
    actions: Tensor
    layout_profiles: Tensor

    def select(self, indices: Tensor) -> "Codes":
        return Codes(*(part[indices] for part in self))


@torch.no_grad()
def encode_trajectories(
    model: JEPA, dataset: TrajectorySet, indices: np.ndarray, augmentation: str, seed: int, device: torch.device
) -> Codes:
    """Augments and encodes the trajectories `indices` of a set; the same arguments give the same codes."""
    count, steps = len(indices), dataset.length
    codes = Codes(
        agent=torch.empty(count, steps, 2, device=device),
        actions=torch.empty(count, steps - 1, 2, device=device),
        layout_profiles=torch.empty(count, 2, dataset.image_size, device=device),
    )  # filled in place: small tensors kept between large ones that come and go would split the heap
    bar = tqdm(total=count, desc="encoding trajectories", unit="traj", leave=False, mininterval=0.5)
    for number, start in enumerate(range(0, count, CHUNK)):
        part = slice(start, start + CHUNK)
        chunk = np.sort(indices[part])  # the kindest order for a memory-mapped file
        rng = np.random.default_rng([seed, 1, number])
        states, actions = augment(dataset.frames(chunk), dataset.actions(chunk), rng, augmentation)
        states = states.to(device)
        agent = model.encode_agent(rearrange(states, "b t c h w -> (b t) c h w"))
        codes.agent[part] = rearrange(agent, "(b t) d -> b t d", b=len(chunk))
        codes.actions[part] = actions.to(device)
        codes.layout_profiles[part] = marginals(states[:, 0, 1])
        bar.update(len(chunk))
    bar.close()
    return codes
