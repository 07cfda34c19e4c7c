"""`python -m tiny_jepa plan`: how well a model plans, in episodes that nothing else uses; with `--map FILE.png`, how it
walks through any drawing (`plan --map FILE.png --help`)."""

import json
import shlex
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch

from tiny_jepa.commands import choose, the_course
from tiny_jepa.errors import UserError
from tiny_jepa.files import write_text
from tiny_jepa.options import Count, Seed, parse, settings, within
from tiny_jepa.planning import CostToGo, plan
from tiny_jepa.planning.episodes import FIRST_SEED, record, run
from tiny_jepa.plotting import pyplot
from tiny_jepa.tables import markdown
from tiny_jepa.weights import fingerprint
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, UNIT, TrueDynamics
from tiny_jepa.worlds.two_rooms.sets import Rooms


@settings
class Common:
    weights: Path | None = None  # weights file; model_weights.pth unless given
    budget: str | None = None  # the trained weights of this budget instead, such as 2k
    world: str | None = None  # of the budget; a weights file says its own
    record: Path | None = None  # animate the first episode in this GIF
    json: bool = False  # one JSON object on stdout, the rest on stderr
    store: Path | None = None  # write the result as JSON


@settings
class Options:
    rooms: Rooms
    common: Common
    episodes: Count = 200  # episodes, of the same seeds whoever plans
    steps: Annotated[int, within(1, 10_000)] = 200  # steps of an episode; none ends early


@settings
class Walk:
    """Who walks through which map; places are px of the picture."""

    common: Common
    map: Path  # PNG of up to 512 px a side; dark pixels stop
    invert: bool = False  # light pixels stop
    start: str | None = None  # X,Y; at random unless given
    goal: str | None = None  # X,Y; at random unless given
    seed: Seed = 0  # of what is drawn at random

    def place(self) -> tuple[dict[str, Any], int]:
        """The environment's options, and steps enough."""
        from tiny_jepa.worlds.two_rooms.maps import MARGIN, Map, read_picture

        options: dict[str, Any] = {"map": read_picture(self.map, self.invert)}
        given = {name: place.split(",") for name, place in (("start", self.start), ("goal", self.goal)) if place}
        info = Map(**options, **given).reset(seed=self.seed)[1]
        options |= {"start": info["location"] - MARGIN, "goal": info["goal"] - MARGIN}
        least = shortest(info["location"][None], info["goal"][None], info["walls"][None])
        return options, int(1.5 * least[0] / MAPS.actions.limit) + 50


def main(argv: list[str]) -> None:
    form: Any = Walk if any(word.split("=")[0] == "--map" for word in argv) else Options
    asked = parse(form, argv, "python -m tiny_jepa plan", __doc__ or "")
    args = asked.common
    say = partial(print, file=sys.stderr if args.json else sys.stdout, flush=True)
    writes, reads = (args.record, args.store), [asked.map] if form is Walk else []
    subject, world = choose(args.weights, args.budget, args.world, writes=writes, reads=reads)
    the_course(world, "planning in episodes")
    if args.record:
        pyplot()  # says at once where matplotlib is missing
    if args.record and args.record.suffix.lower() != ".gif":
        raise UserError(f"--record writes a GIF; call it {args.record.with_suffix('.gif')}")
    torch.set_num_threads(1)  # CPU seconds are those of one core
    say(subject.describe())
    if form is Walk:
        world, episodes, (environment, steps) = replace(world, task=MAPS), 1, asked.place()
        settings = {"map": str(asked.map)} | {name: environment[name].round(2).tolist() for name in ("start", "goal")}
        say("map: {map}, from {start} to {goal}".format_map(settings))
    else:
        episodes, steps = asked.episodes, asked.steps
        environment = settings = {name: value for name, value in asdict(asked.rooms).items() if value is not None}
    model: Any = subject.model
    assert world.task
    agent = partial(plan, model, actions=world.task.actions)
    score = run(world.task, agent, episodes, steps, environment)
    say(table(score))
    result = {
        "command": shlex.join(["python", "-m", "tiny_jepa", "plan", *argv]),
        "model": subject.name,
        "parameters": subject.parameters,
        "fingerprint": fingerprint(model),
        "environment": settings,
        "seeds": [FIRST_SEED, FIRST_SEED + episodes - 1],
        "scores": {"cost-to-go": score},
    }
    text, name = json.dumps(result, indent=2), f"tiny_jepa {subject.name}"
    if args.store:
        write_text(args.store, text + "\n")
    if args.record:
        say("wrote", record(world, agent, steps, name, environment, args.record))
    if args.json:
        print(text)


def shortest(start: np.ndarray, goal: np.ndarray, drawn: np.ndarray, size: int = 0) -> np.ndarray:
    """Lengths [E] px of the shortest ways from start to goal [E, 2] px in maps [E, S, S] bool along the planner's
    lattice, by the true dynamics."""
    truth, frames = TrueDynamics(), np.stack([drawn, drawn], axis=1)
    begin, end = (torch.from_numpy(places / UNIT).float() for places in (start, goal))
    costs = CostToGo(truth, frames, truth.encode_context(frames), end, MAPS.actions, risk=1.0)
    return MAPS.actions.limit * costs.at(begin[:, None])[:, 0].numpy()


assert TWO_ROOMS.task
MAPS = replace(TWO_ROOMS.task, environment="tiny_jepa.worlds.two_rooms.maps:tiny_jepa/Map-v0", shortest=shortest)


def table(score: dict[str, Any]) -> str:
    """Shares with their 95 % intervals, a row for each radius; then medians and CPU seconds."""
    rows = []
    for radius in score["last"]:
        shares = (score[rule][radius] for rule in ("last", "any"))
        cells = [f"{100 * share:.1f} ({100 * low:.1f} to {100 * high:.1f})" for share, low, high in shares]
        rows.append([f"{radius} px", *cells])
    lines = [markdown(["within", "at the last step, %", "at any step, %"], rows)]
    if score["median_steps"] is not None:
        lines.append(f"median: {score['median_steps']:.0f} steps, {score['median_way']:.3f} of the shortest way")
    lines.append(f"CPU: {score['cpu_episode']:.3f} s an episode, {1000 * score['cpu_step']:.2f} ms a step")
    return "\n".join(lines)
