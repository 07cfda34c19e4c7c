"""`python -m tiny_jepa look`: where a model errs, as printed tables and as pictures."""

from itertools import pairwise
from pathlib import Path

import numpy as np

from tiny_jepa.commands import choose, the_course
from tiny_jepa.data import open_source
from tiny_jepa.device import get_device
from tiny_jepa.looks import pictures
from tiny_jepa.looks.readout import ReadOut, binned, read_out_all
from tiny_jepa.models import JEPA
from tiny_jepa.options import parse, settings
from tiny_jepa.plotting import pyplot
from tiny_jepa.tables import markdown, number


@settings
class Options:
    """What is looked at."""

    weights: Path | None = None  # weights file; model_weights.pth unless given
    budget: str | None = None  # the trained weights of this budget instead, such as 2k
    world: str | None = None  # of the budget; a weights file says its own
    out: Path = Path("looks")  # folder of the pictures
    data: str | None = None  # as main.py takes it
    prober_data: str | None = None  # train the probers on this source instead
    device: str | None = None  # cpu, cuda or mps; the best there is unless given


def main(argv: list[str]) -> None:
    args = parse(Options, argv, "python -m tiny_jepa look", __doc__ or "")
    pyplot()  # says at once where matplotlib is missing
    subject, world = choose(args.weights, args.budget, args.world)
    the_course(world, "a look")
    source = open_source(args.data, world)
    prober_source = open_source(args.prober_data, world) if args.prober_data else source
    print(subject.describe(), f"Data: {source.describe()}", sep="\n", flush=True)

    sets = read_out_all(subject.model, source, prober_source, get_device(args.device))
    print(f"\nError by time step, px²\n{time_table(sets)}")
    print(f"\nHow few trajectories make the error (a trajectory's error: its mean over time, px²)\n{tail_table(sets)}")
    print(f"\nError by distance from the nearest drawn pixel, px²\n{wall_table(sets)}")
    name = f"tiny_jepa {subject.name}"
    written = [
        pictures.over_time(sets, name, args.out / "over_time.png"),
        pictures.near_wall(sets, name, args.out / "near_wall.png"),
        pictures.rollouts(sets, name, args.out / "rollouts.png", args.out / "rollouts.gif"),
    ]
    if "normal" in sets:
        written.append(pictures.maps(sets["normal"], name, args.out / "maps.png"))
        assert isinstance(subject.model, JEPA)
        written.append(pictures.reads(subject.model.predictor, sets["normal"], name, args.out / "reads.png"))
    print("\nwrote", ", ".join(map(str, written)), "and", args.out / "rollouts.gif")


def time_table(sets: dict[str, ReadOut]) -> str:
    """Each set at a few time steps, and dead reckoning at the last one."""
    steps, rows = (0, 1, 4, 8, 16, 30, 60, 90), []
    for name, read in sets.items():
        errors, last = read.errors().mean(0), read.errors(reckoned=True).mean(0)[-1]
        shown = (number(errors[step]) if step < len(errors) else "" for step in steps)
        rows.append([name, *shown, number(last)])
    return markdown(["set", *(f"t = {step}" for step in steps), "last, dead reckoning"], rows)


def tail_table(sets: dict[str, ReadOut]) -> str:
    """Each set's mean error beside its median trajectory's, and what the worst ten trajectories make of it."""
    rows = []
    for name, read in sets.items():
        errors = np.sort(read.errors().mean(1))
        rest = number(errors[:-10].mean() if len(errors) > 10 else None)
        bad, share = f"{(errors > 1).sum()} of {len(errors):,}", f"{errors[-10:].sum() / errors.sum():.0%}"
        rows.append([name, number(errors.mean()), number(np.median(errors)), bad, share, rest])
    return markdown(["set", "mean", "median", "above 1 px²", "share of the worst ten", "mean without them"], rows)


def wall_table(sets: dict[str, ReadOut]) -> str:
    """Each set in a few bins of the agent's distance to the nearest drawn pixel."""
    edges = np.array([0, 1, 2, 3, 5, 10, 20])
    means = {name: binned(read.errors(), edges, read.distance) for name, read in sets.items()}
    rows = [[name, *("" if np.isnan(mean) else number(mean) for mean in each)] for name, each in means.items()]
    return markdown(["set", *(f"{low} to {high} px" for low, high in pairwise(edges))], rows)
