"""`python -m benchmarks.swm`: planning in stable-worldmodel's own harness. Its `World.evaluate` takes start and goal
from recorded episodes, and counts an episode as a success once the agent was within a radius of the goal."""

import json
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch

from benchmarks.swm_harness import ARRIVED, SIDE, Policy, Watched, draw, evaluate, record, their_cem
from tiny_jepa.commands import choose
from tiny_jepa.errors import UserError, run_cli
from tiny_jepa.files import write_text
from tiny_jepa.models import JEPA
from tiny_jepa.options import Count, Seed, parse, settings, within
from tiny_jepa.planning.episodes import wilson
from tiny_jepa.planning.pictures import record_ways
from tiny_jepa.plotting import pyplot
from tiny_jepa.tables import markdown, replaced
from tiny_jepa.weights import fingerprint

SHOWN = 4
"""Episodes that an animation shows."""
RESULTS, PAGE = Path("results/tworoom"), Path("docs/tworoom.md")
VARIED = {
    "default": "nothing: the package's own door",
    "doors": "place and size of the door",
    "number": "number of doors (one to three), their places and sizes",
    "axis": "whether the wall is upright or level",
    "thickness": "thickness of the wall",
    "radius": "radius of the agent, the door",
    "speed": "speed of the agent",
    "agent-colour": "colour of the agent",
    "wall-colour": "colour of the wall",
    "room-colour": "colour of the room",
}
"""Stored results, `500-NAME-PROTOCOL.json`, and what a table calls them."""


@settings
class Options:
    """Who plans, by which protocol."""

    weights: Path | None = None  # weights file; model_weights.pth unless given
    budget: str | None = None  # the trained weights of this budget of the world instead, such as 500
    world: str = "tworoom"  # whose budgets are meant
    protocol: Literal["25/50", "100/150"] = "25/50"  # goal 25 steps ahead and 50 allowed, or 100 and 150
    planners: tuple[str, ...] = ("cost-to-go", "straight", "random")  # of ours; their-cem is theirs on our model
    episodes: Annotated[int, within(1, 1_000)] = 200  # of each seed
    seeds: Count = 1  # draws of episodes
    first_seed: Seed = 0  # of the first draw
    rooms: bool = False  # only episodes whose start and goal lie in different rooms
    recordings: Path = Path("data/swm")  # where recorded episodes go
    recorded: Count = 200  # recorded episodes to draw from
    vary: tuple[str, ...] = ()  # what differs from episode to episode, as door.position door.size
    record: Path | None = None  # animate cost-to-go in the first four episodes in this GIF
    store: Path | None = None  # write episodes and successes as JSON
    table: bool = False  # only write the table of docs/tworoom.md from the stored results


def main(argv: list[str]) -> None:
    args = parse(Options, argv, "python -m benchmarks.swm", __doc__ or "")
    if args.table:
        return write_table()
    try:
        import stable_worldmodel as swm
    except ImportError as error:
        raise UserError(f"stable-worldmodel is not installed ({error}); docs/tworoom.md says how") from None
    if args.record:
        pyplot()  # says at once where matplotlib is missing
    subject, _ = choose(args.weights, args.budget, args.world)
    model: Any = subject.model
    dataset = swm.data.HDF5Dataset(
        path=record(swm, args.recordings, args.recorded, args.protocol == "100/150", args.vary)
    )
    offset = int(args.protocol.split("/")[0])
    successes: dict[str, list[list[int]]] = {name: [] for name in args.planners}
    seconds, drawn, near = dict.fromkeys(args.planners, 0.0), [], []
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        episodes, steps = draw(dataset, seed, args.episodes, offset, args.rooms)
        drawn.append([episodes, steps])
        ends = dataset.load_chunk(np.array(episodes), np.array(steps), np.array(steps) + offset + 1)
        near += [float((each["state"][-1] - each["state"][0]).norm()) < ARRIVED for each in ends]
        for name in args.planners:
            torch.manual_seed(seed)
            policy = their_cem(swm, model) if name == "their-cem" else Policy(model, name)
            start = time.process_time()
            found = evaluate(swm, dataset, policy, episodes, steps, args.protocol)
            seconds[name] += policy.seconds if isinstance(policy, Policy) else time.process_time() - start
            successes[name].append(found.astype(int).tolist())
            print(f"seed {seed}, {name}: {found.mean():.1%}", flush=True)
    count = args.episodes * args.seeds
    rows, shares = [], dict[str, tuple[float, float, float]]()
    for name, seen in successes.items():
        share = float(np.mean(seen))
        shares[name] = share, low, high = (share, *wilson(share, count))
        rows.append([name, f"{share:.1%} ({low:.1%} to {high:.1%})", f"{seconds[name] / count:.2f}"])
    print(markdown([f"planner, {args.protocol}", f"success, {count} episodes", "CPU s an episode"], rows))
    print(f"episodes that start within {ARRIVED:g} px of their goal: {np.mean(near):.1%}")
    if args.record:
        print("wrote", animate_first(swm, dataset, model, drawn[0], args, subject.parameters))
    if args.store:
        result = {
            "command": shlex.join(["python", "-m", "benchmarks.swm", *argv]),
            "parameters": subject.parameters,
            "fingerprint": fingerprint(model),
            "protocol": args.protocol,
            "start at the goal": float(np.mean(near)),
            "success": shares,
            "cpu_episode": {name: each / count for name, each in seconds.items()},
            "episodes and steps": drawn,
            "successes": successes,
        }
        write_text(args.store, json.dumps(result) + "\n")


def write_table() -> None:
    """Success by what differs from episode to episode, with 95 % intervals."""
    stored = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in RESULTS.glob("*.json")}
    rows = []
    for name, title in VARIED.items():
        cells = []
        for protocol in ("25-50", "100-150"):
            shares = stored[f"500-{name}-{protocol}"]["success"]
            ours, low, high = (100 * each for each in shares["cost-to-go"])
            cells += [f"{ours:g} ({low:.1f} to {high:.1f})", f"{100 * shares['random'][0]:.3g}"]
        rows.append([title, *cells])
    header = ["what differs", "25/50, %", "random policy", "100/150, %", "random policy"]
    write_text(PAGE, replaced(PAGE.read_text(encoding="utf-8"), markdown(header, rows) + "\n", PAGE))
    print(f"wrote the table of {PAGE}")


def animate_first(swm: Any, dataset: Any, model: JEPA, drawn: list[list[int]], args: Options, parameters: int) -> Path:
    """Draws how cost-to-go does in the first episodes."""
    assert args.record
    policy, (episodes, steps) = Watched(model, "cost-to-go"), (each[:SHOWN] for each in drawn)
    evaluate(swm, dataset, policy, episodes, steps, args.protocol)
    offset, first = int(args.protocol.split("/")[0]), np.array(steps)
    chunks = dataset.load_chunk(np.array(episodes), first, first + offset + 1)
    rooms = np.stack([np.asarray(each["pixels"][0]).transpose(1, 2, 0) for each in chunks])
    goals = np.stack([np.asarray(each["state"][-1]) for each in chunks])
    title = f"tiny_jepa, {parameters:,} parameters, goals {offset} steps ahead: colour is the model's cost-to-go"
    ways, costs = np.stack(policy.ways, axis=1), policy.agent.map  # type: ignore[union-attr]
    unit = model.frame.unit * SIDE / (model.frame.side or SIDE)
    return record_ways(rooms, costs, ways, goals, unit, title, args.record)


if __name__ == "__main__":
    run_cli(lambda: main(sys.argv[1:]))
