"""Planning in stable-worldmodel's own harness. Its `World.evaluate` takes start and goal from recorded episodes, and
counts an episode as a success once the agent was within a radius of the goal.

Who plans: the trained weights of a --budget of the --world. Planners are those of
benchmarks/samplers.py. --vary names what differs from episode to episode, as door.position door.size; --record animates
cost-to-go in the first four episodes; --table measures nothing and writes the table of results/tworoom.md.
"""

import json
import shlex
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from benchmarks import swm_harness as harness
from benchmarks.shared import run, write_table
from tiny_jepa.commands import choose
from tiny_jepa.errors import UserError
from tiny_jepa.files import read_json, write_text
from tiny_jepa.planning.episodes import record_ways, wilson
from tiny_jepa.plotting import pyplot
from tiny_jepa.tables import markdown
from tiny_jepa.weights import fingerprint

SHOWN = 4  # episodes of an animation
RESULTS, PAGE = Path("results/tworoom"), Path("results/tworoom.md")
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


def main(
    budget: str = "500",
    world: str = "tworoom",
    on: str | None = None,  # of tworoom and pointmaze, the one to plan in, where it is not the --world
    protocol: Literal["25/50", "100/150"] = "25/50",  # goal 25 steps ahead and 50 allowed, or 100 and 150
    planners: tuple[str, ...] = ("cost-to-go", "straight", "random"),
    episodes: int = 200,
    rooms: bool = False,  # only episodes whose start and goal lie in different rooms
    recordings: Path = Path("data/swm"),  # where recorded episodes go
    recorded: int = 200,  # recorded episodes to draw from
    vary: tuple[str, ...] = (),
    record: Path | None = None,  # a GIF
    store: Path | None = None,  # episodes and successes as JSON
    table: bool = False,
) -> None:
    if table:
        return write_table(PAGE, varied_table())
    try:
        import stable_worldmodel as swm
    except ImportError as error:
        raise UserError(f"stable-worldmodel is not installed ({error}); docs/tworoom.md says how") from None
    if record:
        pyplot()  # says at once where matplotlib is missing
    subject, _ = choose(None, budget, world)
    model: Any = subject.model
    if (where := on or world) not in harness.ENVS:
        raise UserError(f"{where} is no environment of the package; give --on {' or '.join(harness.ENVS)}")
    env = harness.ENVS[where]
    if env.side % (model.frame.side or 1):
        env = env._replace(side=2 * model.frame.side)
    offset = int(protocol.split("/")[0])
    dataset = swm.data.HDF5Dataset(path=harness.record(swm, recordings, recorded, env, protocol == "100/150", vary))
    chosen, steps = harness.draw(dataset, episodes, offset, rooms)
    successes, shares, cpu = {}, {}, {}
    for name in planners:
        torch.manual_seed(0)
        policy = harness.Policy(model, name)
        found = harness.evaluate(swm, env, dataset, policy, chosen, steps, protocol)
        successes[name], share = found.astype(int).tolist(), float(found.mean())
        shares[name], cpu[name] = (share, *wilson(share, episodes)), policy.seconds / episodes
    rows = [[name, percent(*shares[name]), f"{cpu[name]:.2f}"] for name in planners]
    print(markdown([f"planner, {protocol}", f"success, {episodes} episodes", "CPU s an episode"], rows))
    if record:
        policy, (few, first) = harness.Policy(model, "cost-to-go"), (each[:SHOWN] for each in (chosen, steps))
        harness.evaluate(swm, env, dataset, policy, few, first, protocol)
        shown = dataset.load_chunk(np.array(few), np.array(first), np.array(first) + offset + 1)
        who = f"tiny_jepa, {subject.parameters:,} parameters, goals {offset} steps ahead"
        print("wrote", animate(policy, shown, who, record))
    if store:
        result = {
            "command": shlex.join(["python", "-m", "benchmarks.swm", *sys.argv[1:]]),
            "parameters": subject.parameters,
            "fingerprint": fingerprint(model),
            "protocol": protocol,
            "success": shares,
            "cpu_episode": cpu,
            "episodes and steps": [chosen, steps],
            "successes": successes,
        }
        write_text(store, json.dumps(result) + "\n")


def animate(policy: harness.Policy, recorded: list[dict[str, Any]], who: str, path: Path) -> Path:
    """Draws where a policy that plans by cost-to-go led its agents."""
    rooms = np.stack([np.asarray(each["pixels"][0]).transpose(1, 2, 0) for each in recorded])
    goals = np.stack([np.asarray(harness.places(each)[-1]) for each in recorded])
    frame, costs = policy.model.frame, policy.agent.map  # type: ignore[union-attr]
    unit = frame.unit * rooms.shape[1] / (frame.side or rooms.shape[1])
    return record_ways(rooms, costs, np.stack(policy.ways, axis=1), goals, unit, who, path)


def percent(share: float, low: float, high: float) -> str:
    return f"{100 * share:g} ({100 * low:.1f} to {100 * high:.1f})"


def varied_table() -> str:
    """Success by what differs from episode to episode, with 95 % intervals."""
    rows = []
    for name, title in VARIED.items():
        rows.append([title])
        for protocol in ("25-50", "100-150"):
            stored = read_json(RESULTS / f"500-{name}-{protocol}.json", "measure it with --store")["success"]
            rows[-1] += [percent(*stored["cost-to-go"]), f"{100 * stored['random'][0]:.3g}"]
    return markdown(["what differs", "25/50, %", "random policy", "100/150, %", "random policy"], rows)


if __name__ == "__main__":
    run(main)
