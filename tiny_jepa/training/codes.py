"""Codes of many trajectories, computed once by the frozen agent encoder and kept in memory."""

from __future__ import annotations

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

    def select(self, indices: Tensor) -> Codes:
        return Codes(*(part[indices] for part in self))


@torch.no_grad()
def encode_trajectories(
    model: JEPA, dataset: TrajectorySet, indices: np.ndarray, augmentation: str, seed: int, device: torch.device
) -> Codes:
    """Augments and encodes the trajectories `indices` of a set; the same arguments give the same codes."""
    parts = []
    chunks = [indices[i : i + CHUNK] for i in range(0, len(indices), CHUNK)]
    for number, chunk in enumerate(tqdm(chunks, desc="encoding trajectories", unit_scale=CHUNK, unit="traj", leave=False)):
        rng = np.random.default_rng([seed, 1, number])
        chunk = np.sort(chunk)  # the kindest order for a memory-mapped file
        states, actions = augment(dataset.frames(chunk), dataset.actions(chunk), rng, augmentation)
        states = states.to(device)
        agent = model.encode_agent(rearrange(states, "b t c h w -> (b t) c h w"))
        agent = rearrange(agent, "(b t) d -> b t d", b=len(chunk))
        parts.append(Codes(agent, actions.to(device), marginals(states[:, 0, 1])))
    return Codes(*(torch.cat(group) for group in zip(*parts, strict=True)))
