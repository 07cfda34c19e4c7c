"""`python -m tiny_jepa plan --map FILE.png`: a model walks through any drawing, from a place to a place."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tiny_jepa.commands import choose, the_course
from tiny_jepa.errors import UserError
from tiny_jepa.files import require_writable
from tiny_jepa.options import Seed, parse, settings
from tiny_jepa.planning import CostToGo, plan
from tiny_jepa.planning.agents import Agent
from tiny_jepa.planning.episodes import run
from tiny_jepa.planning.pictures import record
from tiny_jepa.plotting import pyplot
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, UNIT, TrueDynamics


@settings
class Options:
    """Who walks, where; places are px of the picture, drawn at random unless given."""

    map: Path  # PNG of up to 512 px a side, dark pixels stop
    invert: bool = False  # light pixels stop
    start: str | None = None  # X,Y
    goal: str | None = None  # X,Y
    seed: Seed = 0  # of what is drawn at random
    weights: Path | None = None  # weights file; model_weights.pth unless given
    budget: str | None = None  # the trained weights of this budget instead, such as 2k
    record: Path | None = None  # animate the walk in this GIF


def main(argv: list[str]) -> None:
    args = parse(Options, argv, "python -m tiny_jepa plan", __doc__ or "")
    subject, world = choose(args.weights, args.budget)
    the_course(world, "walking through a map")
    if args.record:
        pyplot()
        if args.record.suffix.lower() != ".gif":
            raise UserError(f"--record writes a GIF; call it {args.record.with_suffix('.gif')}")
        require_writable(args.record)
    try:
        from tiny_jepa.worlds.two_rooms.maps import MARGIN, Map, read_picture
    except ImportError as error:
        raise UserError(str(error)) from None
    torch.set_num_threads(1)  # CPU seconds are those of one core
    options: dict[str, Any] = {"map": read_picture(args.map, args.invert)}
    given = {name: place.split(",") for name, place in (("start", args.start), ("goal", args.goal)) if place}
    info = Map(**options, **given).reset(seed=args.seed)[1]
    options |= {"start": info["location"] - MARGIN, "goal": info["goal"] - MARGIN}
    least = float(MAPS.shortest(info["location"][None], info["goal"][None], info["walls"][None], 0)[0])
    steps = int(1.5 * least / MAPS.actions.limit) + 50
    model: Any = subject.model

    def ours(frames: np.ndarray, goals: np.ndarray) -> Agent:
        return plan(model, frames, goals, MAPS.actions)

    walked = run(MAPS, ours, 1, steps, options)
    start, goal = (tuple(options[name].round(1).tolist()) for name in ("start", "goal"))
    (there, *_), count, way = walked["last"]["1.5"], walked["median_steps"], walked["median_way"]
    print(subject.describe())
    print(f"{args.map}: from {start} to {goal}", f"{least:.0f} px by the shortest way of the lattice", sep=", ")
    print(f"there after {count:.0f} steps, {way:.3f} of that way" if there else f"not there after {steps} steps")
    print(f"CPU seconds: {walked['cpu_plan']:.2f} to plan, {1000 * walked['cpu_step']:.1f} ms a step")
    if args.record:
        print("wrote", record(replace(world, task=MAPS), ours, steps, subject.name, options, args.record))


def shortest(start: np.ndarray, goal: np.ndarray, drawn: np.ndarray, size: int) -> np.ndarray:
    """Lengths [E] px of the ways that the planner finds with the true dynamics in the model's place: the shortest on
    its lattice. start, goal [E, 2] px, drawn [E, S, S] bool."""
    truth, frames = TrueDynamics(), np.stack([drawn, drawn], axis=1)
    begin, end = (torch.from_numpy(places / UNIT).float() for places in (start, goal))
    costs = CostToGo(truth, frames, truth.encode_context(frames), end, MAPS.actions)
    return MAPS.actions.limit * costs.at(begin[:, None])[:, 0].numpy()


assert TWO_ROOMS.task
MAPS = replace(TWO_ROOMS.task, environment="tiny_jepa.worlds.two_rooms.maps:tiny_jepa/Map-v0", shortest=shortest)
