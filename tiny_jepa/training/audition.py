"""Auditions: a narrow gate that starts badly stays at dead reckoning, so several start and the best goes on.

The choice is by one-step prediction error on training codes: no label, no other set.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from tiny_jepa.models.jepa import JEPA
from tiny_jepa.training.codes import Codes
from tiny_jepa.training.config import TrainingConfig
from tiny_jepa.training.one_step import one_step_error, one_step_terms

JUDGED = 4_000  # trajectories that the candidates are compared on


def best_gate(model: JEPA, codes: Codes, config: TrainingConfig) -> dict[str, Tensor]:
    """Trains the gates of `auditions` freshly drawn predictors for `audition_steps` on one-step predictions, encoders
    and action map frozen -> the state of the one with the least one-step error in px²."""
    with torch.no_grad():
        layouts = model.layout_encoder(codes.layout_profiles)
    best, least = model.predictor.state_dict(), math.inf
    bar = tqdm(range(config.auditions), desc="auditions", leave=False)
    for number in bar:
        cell = model.fresh_predictor(seed=config.seed * 1_000 + number).to(layouts.device)
        cell.action.load_state_dict(model.predictor.action.state_dict())
        learned = cell.gate_parameters()
        optimizer = torch.optim.Adam(learned, betas=(0.9, 0.99))  # a gate that a larger move makes up for never shuts
        rng = np.random.default_rng([config.seed, 3, number])
        for step in range(config.audition_steps):
            decay = 0.5 * (1 + math.cos(math.pi * step / config.audition_steps))
            optimizer.param_groups[0]["lr"] = config.predict_lr * min(1.0, (step + 1) / 100) * max(decay, 0.1)
            chosen = torch.from_numpy(rng.integers(0, len(layouts), config.predict_batch))
            terms = one_step_terms(cell, codes.agent[chosen], codes.actions[chosen], layouts[chosen], config)
            loss = torch.stack(list(terms.values())).sum()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(learned, config.clip)
            optimizer.step()
        error = one_step_error(cell, codes.agent[:JUDGED], codes.actions[:JUDGED], layouts[:JUDGED])
        if error < least:
            best, least = cell.state_dict(), error
        bar.set_postfix_str(f"least one-step error {least:.4f} px²")
    return best
