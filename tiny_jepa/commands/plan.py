"""`python -m tiny_jepa plan`: how well a model plans, beside what it is measured against, on the same episodes."""

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import torch

from tiny_jepa.commands import choose, the_course
from tiny_jepa.errors import UserError
from tiny_jepa.files import write_text
from tiny_jepa.options import Count, parse, settings, within
from tiny_jepa.planning import Sampling, plan
from tiny_jepa.planning.episodes import FIRST_SEED, MakeAgent, run, score
from tiny_jepa.planning.pictures import picture, record
from tiny_jepa.plotting import pyplot
from tiny_jepa.tables import markdown
from tiny_jepa.weights import fingerprint


@settings
class Options:
    """Who plans, and in which episodes."""

    sampling: Sampling
    weights: Path | None = None  # weights file; model_weights.pth unless given
    budget: str | None = None  # the trained weights of this budget instead, such as 2k
    world: str | None = None  # of the budget; a weights file says its own
    planner: Literal["cost-to-go", "cem", "mppi"] = "cost-to-go"  # what plans
    alone: bool = False  # without the true dynamics, straight at the goal and a random policy beside it
    episodes: Count = 200  # episodes, of the same seeds whoever plans
    steps: Annotated[int, within(1, 10_000)] = 200  # steps of an episode; none ends early
    layouts: str = "seen"  # seen, unseen or all; never trained: rooms (three and four), doors (two and three), maze
    image_size: int = 64  # px; side of the frames
    goal_size: int | None = None  # px; side of the goal's frame, if another
    start: str = "room"  # where episodes begin: room or door
    noise: Annotated[float, within(0, 10)] = 0.0  # px; standard deviation of what disturbs each move
    record: Path | None = None  # animate the first episode in this GIF
    picture: Path | None = None  # draw the cost-to-go of three episodes in this PNG
    json: bool = False  # one JSON object on stdout, the rest on stderr
    store: Path | None = None  # write the result as JSON

    def environment(self) -> dict[str, Any]:
        """Options of the environment; those that ask for nothing are left out."""
        names = ("layouts", "image_size", "goal_size", "start", "noise")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def main(argv: list[str]) -> None:
    args = parse(Options, argv, "python -m tiny_jepa plan", __doc__ or "")
    subject, world = choose(args.weights, args.budget, args.world)
    task, out = the_course(world, "planning in episodes").task, sys.stderr if args.json else sys.stdout
    assert task
    if args.record or args.picture:
        pyplot()  # says at once where matplotlib is missing
    if args.picture and args.planner != "cost-to-go" and args.sampling.cost != "cost-to-go":
        raise UserError(f"--picture draws the cost-to-go, which --cost {args.sampling.cost} does without")
    torch.set_num_threads(1)  # CPU seconds are those of one core
    print(subject.describe(), file=out, flush=True)
    model: Any = subject.model
    settings: dict[str, Any] = {} if args.planner == "cost-to-go" else vars(args.sampling)

    def planned(model: Any, planner: str, **settings: Any) -> MakeAgent:
        return lambda frames, goals: plan(model, frames, goals, task.actions, planner, **settings)

    ours = planned(model, args.planner, **settings)
    rows: dict[str, MakeAgent] = {args.planner: ours}
    if not args.alone:
        rows |= {
            f"{args.planner}, true dynamics": planned(task.dynamics, args.planner, **settings),
            "straight at the goal": planned(model, "straight"),
            "random policy": planned(model, "random"),
        }
    scores = {}
    for name, agent in rows.items():
        scores[name] = score(run(task, agent, args.episodes, args.steps, args.environment()), task.radii)
        print(f"{name}: done", file=sys.stderr, flush=True)
    print(table(scores), file=out)
    result: dict[str, Any] = {
        "command": shlex.join(["python", "-m", "tiny_jepa", "plan", *argv]),
        "model": subject.name,
        "parameters": subject.parameters,
        "fingerprint": fingerprint(model),
        "planner": args.planner,
        "settings": settings,
        "environment": args.environment(),
        "seeds": [FIRST_SEED, FIRST_SEED + args.episodes - 1],
        "scores": scores,
    }
    text = json.dumps(result, indent=2) + "\n"
    if args.json:
        print(text, end="")
    if args.store:
        write_text(args.store, text)
    name = f"tiny_jepa {subject.name}"
    if args.record:
        print("wrote", record(world, ours, args.steps, name, args.environment(), args.record), file=out)
    if args.picture:
        print("wrote", picture(world, ours, 3, name, args.environment(), args.picture), file=out)


def table(scores: dict[str, dict[str, Any]]) -> str:
    """A row for each that planned."""
    radii = list(next(iter(scores.values()))["last"])
    header = ["planner", *(f"at the last step: {r} px, %" for r in radii), *(f"at any step: {r} px, %" for r in radii)]
    return markdown([*header, *COSTS], [[name, *cells(found)] for name, found in scores.items()])


COSTS = ("steps", "way / shortest", "CPU s an episode", "CPU ms a step")


def cells(found: dict[str, Any]) -> list[str]:
    """A score as the cells of a row: shares with their 95 % intervals, then medians and CPU seconds."""
    shares = [percent(*share) for rule in ("last", "any") for share in found[rule].values()]
    steps, way = found["median_steps"], found["median_way"]
    medians = ["–", "–"] if steps is None else [f"{steps:.0f}", f"{way:.3f}"]
    return [*shares, *medians, f"{found['cpu_episode']:.3f}", f"{1000 * found['cpu_step']:.2f}"]


def percent(share: float, low: float, high: float) -> str:
    return f"{100 * share:.1f} ({100 * low:.1f} to {100 * high:.1f})"
