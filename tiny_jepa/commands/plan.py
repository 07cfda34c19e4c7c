"""`python -m tiny_jepa plan`: how well a model plans, beside what it is measured against, on the same episodes; with
`--map FILE.png`, a walk through any drawing (`plan --map FILE.png --help`)."""

import contextlib
import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import torch

from tiny_jepa.commands import choose, plan_map, the_course
from tiny_jepa.errors import UserError
from tiny_jepa.files import require_writable, write_text
from tiny_jepa.options import Count, parse, settings, within
from tiny_jepa.planning import Sampling, plan
from tiny_jepa.planning.episodes import FIRST_SEED, MakeAgent, run
from tiny_jepa.planning.pictures import picture, record
from tiny_jepa.plotting import pyplot
from tiny_jepa.tables import markdown
from tiny_jepa.weights import fingerprint
from tiny_jepa.worlds.two_rooms.sets import Rooms


@settings
class Options:
    """Who plans, and in which episodes."""

    sampling: Sampling
    rooms: Rooms
    weights: Path | None = None  # weights file; model_weights.pth unless given
    budget: str | None = None  # the trained weights of this budget instead, such as 2k
    world: str | None = None  # of the budget; a weights file says its own
    planner: Literal["cost-to-go", "cem", "mppi"] = "cost-to-go"  # what plans
    alone: bool = False  # without the true dynamics, straight at the goal and a random policy beside it
    episodes: Count = 200  # episodes, of the same seeds whoever plans
    steps: Annotated[int, within(1, 10_000)] = 200  # steps of an episode; none ends early
    record: Path | None = None  # animate the first episode in this GIF
    picture: Path | None = None  # draw the cost-to-go of three episodes in this PNG
    json: bool = False  # one JSON object on stdout, the rest on stderr
    store: Path | None = None  # write the result as JSON


def main(argv: list[str]) -> None:
    if any(word.split("=")[0] == "--map" for word in argv):
        return plan_map.main(argv)
    args = parse(Options, argv, "python -m tiny_jepa plan", __doc__ or "")
    with contextlib.redirect_stdout(sys.stderr if args.json else sys.stdout):
        result = compare(args, shlex.join(["python", "-m", "tiny_jepa", "plan", *argv]))
    if args.json:
        print(result)


def compare(args: Options, command: str) -> str:
    """Runs, prints, stores and draws what the options ask for -> the result as JSON."""
    subject, world = choose(args.weights, args.budget, args.world)
    task = the_course(world, "planning in episodes").task
    assert task
    if args.record or args.picture:
        pyplot()  # says at once where matplotlib is missing
    if args.record and args.record.suffix.lower() != ".gif":
        raise UserError(f"--record writes a GIF; call it {args.record.with_suffix('.gif')}")
    if args.picture and args.planner != "cost-to-go" and args.sampling.cost != "cost-to-go":
        raise UserError(f"--picture draws the cost-to-go, which --cost {args.sampling.cost} does without")
    for path in filter(None, (args.record, args.picture, args.store)):
        require_writable(path)
    torch.set_num_threads(1)  # CPU seconds are those of one core
    print(subject.describe(), flush=True)
    model: Any = subject.model
    drawing: dict[str, Any] = {} if args.planner == "cost-to-go" else vars(args.sampling)
    environment = {name: value for name, value in asdict(args.rooms).items() if value is not None}

    def planned(model: Any, planner: str, **settings: Any) -> MakeAgent:
        return lambda frames, goals: plan(model, frames, goals, task.actions, planner, **settings)

    ours = planned(model, args.planner, **drawing)
    rows: dict[str, MakeAgent] = {args.planner: ours}
    if not args.alone:
        rows |= {
            f"{args.planner}, true dynamics": planned(task.dynamics, args.planner, **drawing),
            "straight at the goal": planned(model, "straight"),
            "random policy": planned(model, "random"),
        }
    scores = {}
    for name, agent in rows.items():
        scores[name] = run(task, agent, args.episodes, args.steps, environment)
        print(f"{name}: done", file=sys.stderr, flush=True)
    print(table(scores))
    result = {
        "command": command,
        "model": subject.name,
        "parameters": subject.parameters,
        "fingerprint": fingerprint(model),
        "planner": args.planner,
        "settings": drawing,
        "environment": environment,
        "seeds": [FIRST_SEED, FIRST_SEED + args.episodes - 1],
        "scores": scores,
    }
    text, name = json.dumps(result, indent=2), f"tiny_jepa {subject.name}"
    if args.store:
        write_text(args.store, text + "\n")
    if args.record:
        print("wrote", record(world, ours, args.steps, name, environment, args.record))
    if args.picture:
        print("wrote", picture(world, ours, 3, name, environment, args.picture))
    return text


def table(scores: dict[str, dict[str, Any]]) -> str:
    """A row for each that planned: shares with their 95 % intervals, then medians and CPU seconds."""
    radii = list(next(iter(scores.values()))["last"])
    shares = [f"at {rule} step: {r} px, %" for rule in ("the last", "any") for r in radii]
    lines = []
    for name, found in scores.items():
        each = [share for rule in ("last", "any") for share in found[rule].values()]
        steps, way = found["median_steps"], found["median_way"]
        medians = ["–", "–"] if steps is None else [f"{steps:.0f}", f"{way:.3f}"]
        cpu = [f"{found['cpu_episode']:.3f}", f"{1000 * found['cpu_step']:.2f}"]
        cells = [f"{100 * share:.1f} ({100 * low:.1f} to {100 * high:.1f})" for share, low, high in each]
        lines.append([name, *cells, *medians, *cpu])
    return markdown(["planner", *shares, "steps", "way / shortest", "CPU s an episode", "CPU ms a step"], lines)
