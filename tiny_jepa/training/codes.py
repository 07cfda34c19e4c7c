"""Encodes many trajectories: their codes are computed once by the frozen encoders and kept in memory."""

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from tiny_jepa.data import TrajectorySet, work_ahead
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.progress import bar
from tiny_jepa.worlds.codes import Codes

CHUNK = 64  # trajectories encoded at once: small enough to stay in the cache


@torch.no_grad()
def encode_trajectories(
    model: JEPA, dataset: TrajectorySet, indices: np.ndarray, device: torch.device, workers: int = 0
) -> Codes:
    """Encodes the trajectories `indices` of a set. Of `workers` processes each reads a chunk, and encodes it too where
    the model is on the CPU; the codes are the same bits whatever their number."""
    count, steps = len(indices), dataset.length
    codes = Codes(
        agent=torch.empty(count, steps, 2, device=device),
        actions=torch.empty(count, steps - 1, 2, device=device),
        contexts=torch.empty(count, model.frame.context_dim, device=device),
    )  # filled in place: small tensors kept between large ones that come and go would split the heap

    def read(start: int) -> tuple[Tensor, Tensor]:
        chunk = np.sort(indices[start : start + CHUNK])  # the kindest order for a memory-mapped file
        return dataset.frames(chunk), dataset.actions(chunk)

    @torch.no_grad()
    def encode(states: Tensor, actions: Tensor) -> Codes:
        states = states.to(device)
        agent = model.encode_agent(rearrange(states, "b t c h w -> (b t) c h w"))
        return Codes(
            rearrange(agent, "(b t) d -> b t d", b=len(states)),
            actions.to(device),
            model.encode_context(states[:, 0]),
        )

    starts = range(0, count, CHUNK)
    if device.type == "cpu":
        chunks = work_ahead(lambda start: encode(*read(start)), starts, workers)
    else:
        chunks = (encode(*chunk) for chunk in work_ahead(read, starts, workers))
    with bar(total=count, desc="encoding trajectories", unit="traj", leave=False, mininterval=0.5) as shown:
        for start, chunk in zip(starts, chunks, strict=True):
            for whole, part in zip(codes, chunk, strict=True):
                whole[start : start + CHUNK] = part
            shown.update(len(chunk.agent))
    return codes
