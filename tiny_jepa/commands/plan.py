"""`python -m tiny_jepa plan`: how well a model plans, in episodes that nothing else uses."""

import json
import shlex
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch

from tiny_jepa.commands import choose, the_course
from tiny_jepa.errors import UserError
from tiny_jepa.files import require_writable, write_text
from tiny_jepa.options import Count, parse, settings, within
from tiny_jepa.planning import plan
from tiny_jepa.planning.episodes import FIRST_SEED, run
from tiny_jepa.planning.pictures import picture, record
from tiny_jepa.plotting import pyplot
from tiny_jepa.tables import markdown
from tiny_jepa.weights import fingerprint
from tiny_jepa.worlds.two_rooms.sets import Rooms


@settings
class Options:
    """Who plans, and in which episodes."""

    rooms: Rooms
    weights: Path | None = None  # weights file; model_weights.pth unless given
    budget: str | None = None  # the trained weights of this budget instead, such as 2k
    world: str | None = None  # of the budget; a weights file says its own
    episodes: Count = 200  # episodes, of the same seeds whoever plans
    steps: Annotated[int, within(1, 10_000)] = 200  # steps of an episode; none ends early
    record: Path | None = None  # animate the first episode in this GIF
    picture: Path | None = None  # draw the cost-to-go of three episodes in this PNG
    json: bool = False  # one JSON object on stdout, the rest on stderr
    store: Path | None = None  # write the result as JSON


def main(argv: list[str]) -> None:
    args = parse(Options, argv, "python -m tiny_jepa plan", __doc__ or "")
    say = partial(print, file=sys.stderr if args.json else sys.stdout, flush=True)
    subject, world = choose(args.weights, args.budget, args.world)
    task = the_course(world, "planning in episodes").task
    assert task
    if args.record or args.picture:
        pyplot()  # says at once where matplotlib is missing
    if args.record and args.record.suffix.lower() != ".gif":
        raise UserError(f"--record writes a GIF; call it {args.record.with_suffix('.gif')}")
    for path in filter(None, (args.record, args.picture, args.store)):
        require_writable(path)
    torch.set_num_threads(1)  # CPU seconds are those of one core
    say(subject.describe())
    model: Any = subject.model
    agent = partial(plan, model, actions=task.actions)
    environment = {name: value for name, value in asdict(args.rooms).items() if value is not None}
    score = run(task, agent, args.episodes, args.steps, environment)
    say(table(score))
    result = {
        "command": shlex.join(["python", "-m", "tiny_jepa", "plan", *argv]),
        "model": subject.name,
        "parameters": subject.parameters,
        "fingerprint": fingerprint(model),
        "environment": environment,
        "seeds": [FIRST_SEED, FIRST_SEED + args.episodes - 1],
        "scores": {"cost-to-go": score},
    }
    text, name = json.dumps(result, indent=2), f"tiny_jepa {subject.name}"
    if args.store:
        write_text(args.store, text + "\n")
    if args.record:
        say("wrote", record(world, agent, args.steps, name, environment, args.record))
    if args.picture:
        say("wrote", picture(world, agent, 3, name, environment, args.picture))
    if args.json:
        print(text)


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
