"""Concentration of key-point maps (Zhang et al. 2018, "Unsupervised discovery of object landmarks as structural
representations", https://arxiv.org/abs/1804.04412): a map should point at one place."""

import torch
from torch import Tensor


def concentration_loss(maps: Tensor, unit: float) -> Tensor:
    """Mean spatial variance of maps [..., S] that each sum to 1, in units of `unit` px squared -> scalar."""
    index = torch.arange(maps.shape[-1], device=maps.device, dtype=maps.dtype) / unit
    mean = (maps * index).sum(-1)
    return ((maps * index.square()).sum(-1) - mean.square()).mean()
