"""What models cost in time: encoders, predictor, unroll, and one whole training step against a plain JEPA.

All times are by the clock and medians of the repeats. The calls are timed forward and with the backward pass, at
several batch sizes. The training step takes 64 trajectories of 17 frames of 64 px (uint8, in memory) all the way:
every frame encoded, recurrent unroll over all 16 actions, losses, backward pass, Adam. Ours and the reference's
steps take turns, so that what else the machine is doing meets them alike.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Literal

import numpy as np
import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from benchmarks.shared import median_seconds, run, seconds
from tiny_jepa import build_model
from tiny_jepa.models import JEPA
from tiny_jepa.models.size import count_parameters
from tiny_jepa.objectives import VICReg, covariance_loss, invariance_loss, variance_loss
from tiny_jepa.tables import markdown
from tiny_jepa.worlds.two_rooms.sets import simulate

BUDGETS, BATCHES, HORIZON, TRAJECTORIES = ("500", "2k", "100k"), (1, 64, 1024), 16, 64
MOST = {"2k": 1 / 10, "100k": 1 / 3}
"""The share of the reference's time that a training step may take."""


def convolutions(*channels: int, stride: int = 1, pool: int = 1) -> list[nn.Module]:
    """3x3 convolutions with ReLUs, each pooled."""
    return [
        layer
        for fan_in, fan_out in pairwise(channels)
        for layer in (nn.Conv2d(fan_in, fan_out, 3, stride, padding=1), nn.ReLU(), nn.MaxPool2d(pool))
    ]


class PlainJEPA(nn.Module):
    """The reference: what a JEPA of about 130,000 parameters for this task usually looks like. Frames [N, 2, 64, 64]
    become maps [N, 32, 4, 4], halved by max pooling or, where `strided`, by strides, which is four times cheaper; the
    predictor takes the action as two more channels."""

    def __init__(self, strided: bool = False) -> None:
        super().__init__()
        halved = {"stride": 2} if strided else {"pool": 2}
        self.encoder = nn.Sequential(*convolutions(2, 8, 16, 32, 32, **halved))
        self.predictor = nn.Sequential(*convolutions(34, 64, 64, 64), nn.Conv2d(64, 32, 3, padding=1))

    def loss(self, states: Tensor, actions: Tensor) -> Tensor:
        """states [B, T, 2, 64, 64] uint8, actions [B, T-1, 2] px -> scalar."""
        codes = self.encoder(rearrange(states, "b t c h w -> (b t) c h w").float() / 255)
        target = rearrange(codes, "(b t) c h w -> b t c h w", b=len(states))
        predicted = [target[:, 0]]
        for action in repeat(actions, "b t a -> t b a h w", h=4, w=4):
            predicted.append(self.predictor(torch.cat([predicted[-1], action], dim=1)))
        flat = codes.flatten(1)
        regular = variance_loss(flat) + 0.04 * covariance_loss(flat)
        return invariance_loss(torch.stack(predicted, dim=1), target) + regular


def our_loss(model: JEPA, states: Tensor, actions: Tensor) -> Tensor:
    """Trains everything at once: the encoder, the action's scale and the gate, over the whole horizon."""
    agent = model.encode_agent(rearrange(states, "b t c h w -> (b t) c h w"))
    codes = rearrange(agent, "(b t) d -> b t d", b=len(states))
    terms = VICReg()(model.unroll(codes[:, 0], actions, model.encode_context(states[:, 0])), codes)
    return torch.stack(list(terms.values())).sum()


def training_step(model: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step


def sample(trajectories: int, frames: int) -> tuple[Tensor, Tensor]:
    """states [B, T, 2, 64, 64] uint8, actions [B, T-1, 2] px of the procedural validation set."""
    dataset = simulate("probe_normal/val")
    chosen = np.random.default_rng(0).choice(len(dataset), trajectories, replace=False)
    return dataset.frames(chosen, 0, frames), dataset.actions(chosen)[:, : frames - 1]


def call_times(model: JEPA, frames: Tensor, repeats: int) -> dict[str, list[str]]:
    """ms of each call, forward and with the backward pass, for the first frames."""
    found: dict[str, list[str]] = {}
    for n in BATCHES:
        codes, action, maps = torch.full((n, 2), 2.0), torch.ones(n, 2), model.encode_context(frames[:n])
        calls: dict[str, Callable[[], Tensor]] = {
            "encode agent": partial(model.encode_agent, frames[:n]),
            "one step": partial(model.step, codes, action, maps),
            f"unroll of {HORIZON}": partial(model.unroll, codes, repeat(action, "n a -> n t a", t=HORIZON), maps),
        }
        for name, call in calls.items():
            with torch.no_grad():
                forward = median_seconds(call, repeats, 0.02)
            both = median_seconds(lambda call=call: call().sum().backward(), repeats, 0.02)
            found.setdefault(name, []).extend(f"{1e3 * each:.3f}" for each in (forward, both))
    return found


def step_table(repeats: int) -> str:
    states, actions = sample(TRAJECTORIES, HORIZON + 1)
    plain, strided = PlainJEPA(), PlainJEPA(strided=True).to(memory_format=torch.channels_last)
    steps = {
        f"reference, {count_parameters(plain):,}": training_step(plain, partial(plain.loss, states, actions)),
        "reference, strided, channels last": training_step(strided, partial(strided.loss, states, actions)),
    }
    for budget in MOST:
        model = build_model(budget)
        steps[budget] = training_step(model, partial(our_loss, model, states, actions))
    for step in steps.values():
        step()
    rounds = [{name: seconds(step) for name, step in steps.items()} for _ in range(repeats)]
    rows = []
    for name in steps:
        times = [1e3 * took[name] for took in rounds]
        shares = [f"{median(took[name] / took[other] for took in rounds):.4f}" for other in list(steps)[:2]]
        allowed = f"{MOST[name]:.3f}" if name in MOST else "–"
        rows.append([name, f"{median(times):.1f}", f"{min(times):.1f}", *shares, allowed])
    return markdown(["training step", "median ms", "least ms", "of reference", "of the second", "allowed"], rows)


def main(threads: int = 2, repeats: int = 5, part: Literal["calls", "step", "all"] = "all") -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {threads} threads, {repeats} repeats")
    if part != "step":
        frames = sample(max(BATCHES), 1)[0][:, 0]
        found = {budget: call_times(build_model(budget), frames, repeats) for budget in BUDGETS}
        rows = [[f"{budget}, {name}", *cells] for budget, times in found.items() for name, cells in times.items()]
        print(markdown(["ms a call", *(f"{n}{what}" for n in BATCHES for what in (" forward", " + backward"))], rows))
    if part != "calls":
        print(step_table(repeats))


if __name__ == "__main__":
    run(main)
