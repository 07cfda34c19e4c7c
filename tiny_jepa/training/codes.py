"""Encodes many trajectories: their codes are computed once by the frozen encoder and kept in memory, with each map that
there is, once."""

from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from tiny_jepa.data import TrajectorySet, work_ahead
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.models.map import Maps
from tiny_jepa.progress import bar

CHUNK = 64  # trajectories encoded at once: small enough to stay in the cache


class Codes(NamedTuple):
    """agent [N, T, 2], actions [N, T-1, 2] px, maps for [N]."""

    agent: Tensor
    actions: Tensor
    maps: Maps


@torch.no_grad()
def encode_trajectories(
    model: JEPA, dataset: TrajectorySet, indices: np.ndarray, device: torch.device, workers: int = 0
) -> Codes:
    """Encodes the trajectories `indices` of a set. Of `workers` processes each reads a chunk, and encodes it too where
    the model is on the CPU; the codes are the same bits whatever their number."""
    count, steps = len(indices), dataset.length
    # filled in place: small tensors kept between large ones that come and go would split the heap
    agent, actions = torch.empty(count, steps, 2, device=device), torch.empty(count, steps - 1, 2, device=device)
    pixels, index = dict[bytes, tuple[int, Tensor]](), []

    def read(start: int) -> tuple[Tensor, Tensor]:
        chunk = np.sort(indices[start : start + CHUNK])  # the kindest order for a memory-mapped file
        return dataset.frames(chunk), dataset.actions(chunk)

    @torch.no_grad()
    def encode(states: Tensor, moves: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        states = states.to(device)
        codes = model.encode_agent(rearrange(states, "b t c h w -> (b t) c h w"))
        codes = rearrange(codes, "(b t) d -> b t d", b=len(states))
        return codes, moves.to(device), model.encode_context(states[:, 0]).cpu()

    starts = range(0, count, CHUNK)
    if device.type == "cpu":
        chunks = work_ahead(lambda start: encode(*read(start)), starts, workers)
    else:
        chunks = (encode(*chunk) for chunk in work_ahead(read, starts, workers))
    with bar(total=count, desc="encoding trajectories", unit="traj", leave=False, mininterval=0.5) as shown:
        for start, (codes, moves, drawn) in zip(starts, chunks, strict=True):
            agent[start : start + CHUNK], actions[start : start + CHUNK] = codes, moves
            index += [pixels.setdefault(each.numpy().tobytes(), (len(pixels), each))[0] for each in drawn]
            shown.update(len(codes))
    unique = torch.stack([each for _, each in pixels.values()]).to(device)
    return Codes(agent, actions, Maps(unique, torch.tensor(index, device=device)))
