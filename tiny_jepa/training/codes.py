"""Encodes many trajectories: their codes are computed once by the frozen encoders and kept in memory."""

import numpy as np
import torch
from einops import rearrange

from tiny_jepa.data import TrajectorySet
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.progress import bar
from tiny_jepa.worlds.codes import Codes

CHUNK = 64  # trajectories encoded at once: small enough to stay in the cache


@torch.no_grad()
def encode_trajectories(model: JEPA, dataset: TrajectorySet, indices: np.ndarray, device: torch.device) -> Codes:
    """Encodes the trajectories `indices` of a set."""
    count, steps = len(indices), dataset.length
    codes = Codes(
        agent=torch.empty(count, steps, 2, device=device),
        actions=torch.empty(count, steps - 1, 2, device=device),
        contexts=torch.empty(count, model.frame.context_dim, device=device),
    )  # filled in place: small tensors kept between large ones that come and go would split the heap
    shown = bar(total=count, desc="encoding trajectories", unit="traj", leave=False, mininterval=0.5)
    for start in range(0, count, CHUNK):
        part = slice(start, start + CHUNK)
        chunk = np.sort(indices[part])  # the kindest order for a memory-mapped file
        states = dataset.frames(chunk).to(device)
        agent = model.encode_agent(rearrange(states, "b t c h w -> (b t) c h w"))
        codes.agent[part] = rearrange(agent, "(b t) d -> b t d", b=len(chunk))
        codes.actions[part] = dataset.actions(chunk).to(device)
        codes.contexts[part] = model.encode_context(states[:, 0])
        shown.update(len(chunk))
    shown.close()
    return codes
