"""What models cost in time: encoders, predictor, unroll, and one whole training step against a plain JEPA.

    python -m benchmarks.bench_models [--threads 2] [--part calls|step|all] [--repeats 5]

All times are by the clock and medians of the repeats. The calls are timed forward and with the backward pass, at
several batch sizes. The training step takes 64 trajectories of 17 frames of 64 px (uint8, in memory) all the way:
every frame encoded, recurrent unroll over all 16 actions, losses, backward pass, Adam. Ours and the reference's
steps take turns, so that what else the machine is doing meets them alike.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import pairwise
from statistics import median

import numpy as np
import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from tiny_jepa import build_model
from tiny_jepa.models import JEPA
from tiny_jepa.models.size import count_parameters
from tiny_jepa.objectives import VICReg, covariance_loss, prediction_loss, variance_loss
from tiny_jepa.worlds.two_rooms.sets import RECIPES, ProceduralSet

BUDGETS = ("500", "2k", "100k")
BATCHES = (1, 64, 1024)
HORIZON = 16
TRAJECTORIES = 64
CALL_SECONDS = 0.02  # of each repeat of a call
MOST = {"2k": 1 / 10, "100k": 1 / 3}
"""The share of the reference's time that a training step may take."""


class PlainEncoder(nn.Sequential):
    """Frames [N, 2, 64, 64] -> maps [N, 32, 4, 4]: four 3x3 convolutions of 8, 16, 32 and 32 channels, each halved by
    max pooling or, where `strided`, by its stride, which is four times cheaper."""

    def __init__(self, strided: bool) -> None:
        channels = (2, 8, 16, 32, 32)
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(channels):
            layers += [nn.Conv2d(fan_in, fan_out, 3, stride=2 if strided else 1, padding=1), nn.ReLU()]
            layers += [] if strided else [nn.MaxPool2d(2)]
        super().__init__(*layers)


class PlainPredictor(nn.Module):
    """Map [N, 32, 4, 4] and action [N, 2], broadcast as two channels -> the next map: three 3x3 convolutions of 64
    channels and one back to 32."""

    def __init__(self) -> None:
        super().__init__()
        channels = (34, 64, 64, 64)
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(channels):
            layers += [nn.Conv2d(fan_in, fan_out, 3, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(64, 32, 3, padding=1))

    def forward(self, code: Tensor, action: Tensor) -> Tensor:
        return self.layers(torch.cat([code, repeat(action, "n a -> n a h w", h=4, w=4)], dim=1))


class PlainJEPA(nn.Module):
    """The reference: what a JEPA of about 130,000 parameters for this task usually looks like."""

    def __init__(self, strided: bool = False) -> None:
        super().__init__()
        self.encoder, self.predictor = PlainEncoder(strided), PlainPredictor()

    def loss(self, states: Tensor, actions: Tensor) -> Tensor:
        """states [B, T, 2, 64, 64] uint8, actions [B, T-1, 2] px -> scalar."""
        frames = rearrange(states, "b t c h w -> (b t) c h w").float() / 255
        codes = self.encoder(frames)
        target = rearrange(codes, "(b t) c h w -> b t c h w", b=len(states))
        predicted = [target[:, 0]]
        for action in actions.unbind(1):
            predicted.append(self.predictor(predicted[-1], action))
        flat = codes.flatten(1)
        regular = variance_loss(flat) + 0.04 * covariance_loss(flat)
        return prediction_loss(torch.stack(predicted, dim=1), target) + regular


def reference_step(model: PlainJEPA, states: Tensor, actions: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        model.loss(states, actions).backward()
        optimizer.step()

    return step


def budget_step(budget: str, states: Tensor, actions: Tensor) -> Callable[[], None]:
    """One step that trains everything at once: the encoder, the action's scale and the gate, over the whole horizon."""
    model, objective = build_model(budget), VICReg()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> None:
        agent = model.encode_agent(rearrange(states, "b t c h w -> (b t) c h w"))
        codes = rearrange(agent, "(b t) d -> b t d", b=len(states))
        predicted = model.unroll(codes[:, 0], actions, model.encode_context(states[:, 0]))
        terms = objective(predicted, codes, profiles=agent)
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()

    return step


def clocked(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def seconds_a_call(work: Callable[[], object], repeats: int) -> float:
    """Median over the repeats, each of as many calls as take a while."""
    work()
    calls = max(1, round(CALL_SECONDS / max(clocked(work), 1e-6)))
    return median(clocked(lambda: [work() for _ in range(calls)]) / calls for _ in range(repeats))


def calls(model: JEPA, frames: Tensor) -> dict[str, Callable[[int], Tensor]]:
    """What is timed, for the first so many frames."""
    codes, maps = torch.full((len(frames), 2), 2.0), model.encode_context(frames)
    return {
        "encode agent": lambda n: model.encode_agent(frames[:n]),
        "one step": lambda n: model.step(codes[:n], torch.ones(n, 2), maps[:n]),
        f"unroll of {HORIZON}": lambda n: model.unroll(codes[:n], torch.ones(n, HORIZON, 2), maps[:n]),
    }


def time_calls(repeats: int) -> None:
    rng = np.random.default_rng(0)
    frames = _states(max(BATCHES), 1, rng)[0][:, 0]
    headings = "".join(f"{f'{batch} forward':>15}{'+ backward':>12}" for batch in BATCHES)
    print(f"milliseconds a call, by batch size\n{'':<24}{headings}")
    for budget in BUDGETS:
        for name, call in calls(build_model(budget), frames).items():
            cells = []
            for n in BATCHES:
                with torch.no_grad():
                    forward = seconds_a_call(lambda call=call, n=n: call(n), repeats)
                both = seconds_a_call(lambda call=call, n=n: call(n).sum().backward(), repeats)
                cells.append(f"{1e3 * forward:>15.3f}{1e3 * both:>12.3f}")
            print(f"{f'{budget:>4}  {name}':<24}{''.join(cells)}", flush=True)


def time_steps(repeats: int) -> None:
    states, actions = _states(TRAJECTORIES, HORIZON + 1, np.random.default_rng(0))
    plain, strided = PlainJEPA(), PlainJEPA(strided=True).to(memory_format=torch.channels_last)
    parameters = count_parameters(plain)
    names = ["reference", "reference, hurried", *MOST]
    steps = [reference_step(plain, states, actions), reference_step(strided, states, actions)]
    steps += [budget_step(budget, states, actions) for budget in MOST]
    for step in steps:
        step()
    rounds = [[clocked(step) for step in steps] for _ in range(repeats)]
    print(f"a training step on {TRAJECTORIES} trajectories of {HORIZON + 1} frames, {repeats} repeats")
    print(f"reference: a plain convolutional JEPA, {parameters:,} parameters (hurried: strided, channels last)")
    print(f"{'':<20}{'median ms':>12}{'least ms':>12}{'of reference':>14}{'of hurried':>12}{'allowed':>10}")
    for i, name in enumerate(names):
        times = [took[i] for took in rounds]
        shares = [f"{median(took[i] / took[other] for took in rounds):.4f}" for other in (0, 1)]
        allowed = f"{MOST[name]:.3f}" if name in MOST else ""
        line = f"{name:<20}{1e3 * median(times):>12.1f}{1e3 * min(times):>12.1f}{shares[0]:>14}{shares[1]:>12}"
        print(f"{line}{allowed:>10}")


def _states(trajectories: int, frames: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """states [B, T, 2, 64, 64] uint8, actions [B, T-1, 2] px of the procedural validation set."""
    dataset = ProceduralSet("probe_normal/val", RECIPES["probe_normal/val"])
    chosen = rng.choice(len(dataset), trajectories, replace=False)
    return dataset.frames(chosen, 0, frames), dataset.actions(chosen)[:, : frames - 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--part", choices=("calls", "step", "all"), default="all")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {arguments.threads} threads")
    if arguments.part != "step":
        time_calls(arguments.repeats)
    if arguments.part != "calls":
        time_steps(arguments.repeats)


if __name__ == "__main__":
    main()
