"""Planning inside stable-worldmodel's own harness: `World.evaluate` draws start and goal from recorded episodes, and
counts an episode as a success once the agent was within its environment's radius of the goal."""

import importlib
import json
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from einops import rearrange, repeat

from tiny_jepa.errors import UserError
from tiny_jepa.files import write_text
from tiny_jepa.models import JEPA
from tiny_jepa.options import Checked, Count, Seed, Within, parse
from tiny_jepa.planning import plan
from tiny_jepa.planning.agents import Agent
from tiny_jepa.planning.episodes import wilson
from tiny_jepa.probing.subjects import choose_model
from tiny_jepa.tables import markdown
from tiny_jepa.weights import fingerprint
from tiny_jepa.worlds import find_world
from tiny_jepa.worlds.actions import Actions
from tiny_jepa.worlds.pixels import sums_of

ENV = "swm/TwoRoom-v1"
WORLD = find_world("tworoom")
SIDE = WORLD.size  # px; the wall stands in the middle
BOX = Actions(1.0, box=True)
ARRIVED = 16.0
"""px: the environment's radius of success; here only walkers and the share of episodes that start there use it."""
STATES = [
    {"method": "_set_state", "args": {"state": {"value": "state"}}},
    {"method": "_set_goal_state", "args": {"goal_state": {"value": "goal_state"}}},
]
"""How the harness puts agent and goal where the recorded episode had them."""
Protocol = Literal["25/50", "100/150"]


def pooled(pixels: Any) -> np.ndarray:
    """The harness's frames [E, 1, S, S, C] -> their sums [E, C, 2, S] float32."""
    return np.stack([sums_of(frame) for frame in np.asarray(pixels)[:, -1]]).astype(np.float32)


class Policy:
    """One of our planners, as the harness wants a policy."""

    def __init__(self, model: JEPA, planner: str) -> None:
        self.model, self.planner, self.seconds = model, planner, 0.0
        self.agent: Agent | None = None

    def set_env(self, env: Any) -> None:
        self.env = env

    def get_action(self, info: dict[str, Any], **_: Any) -> np.ndarray:
        """info of E episodes -> actions [E, 2]."""
        start = time.process_time()
        frames = pooled(info["pixels"])
        if self.agent is None:
            self.agent = plan(self.model, frames, pooled(info["goal"]), BOX, self.planner)
        action = self.agent.act(frames)
        self.seconds += time.process_time() - start
        return action


class Costable(torch.nn.Module):
    """Our model as the harness's solvers want one: the cost of actions is the least distance of a predicted code to the
    goal's code."""

    def __init__(self, model: JEPA) -> None:
        super().__init__()
        self.model = model

    @torch.no_grad()
    def get_cost(self, info_dict: dict[str, Any], action_candidates: torch.Tensor) -> torch.Tensor:
        """info of B episodes, each repeated for S candidates, whose actions [B, S, T, K * 2] are K to a block
        -> costs [B, S]."""
        first, goal = (pooled(np.asarray(info_dict[name])[:, 0]) for name in ("pixels", "goal"))
        codes = self.model.unroll(
            self.model.encode_agent(first)[:, None],
            rearrange(action_candidates.float().clamp(-1, 1), "b s t (k a) -> b s (t k) a", a=2),
            self.model.encode_context(first)[:, None],
        )
        return (codes - repeat(self.model.encode_agent(goal), "b d -> b 1 1 d")).norm(dim=-1).amin(-1)


class Walker:
    """The harness's own expert, sent from one random place to the next: its episodes do not end at a goal."""

    def __init__(self, expert: Any, seed: int) -> None:
        self.expert, self.rng = expert, np.random.default_rng(seed)

    def set_env(self, env: Any) -> None:
        self.env, self.aims = env, self.draw(env.num_envs)
        self.expert.set_env(env)

    def draw(self, count: int) -> np.ndarray:
        return self.rng.uniform(2 * ARRIVED, SIDE - 2 * ARRIVED, (count, 1, 2)).astype(np.float32)

    def get_action(self, info: dict[str, Any], **_: Any) -> np.ndarray:
        there = np.linalg.norm(info["state"] - self.aims, axis=-1) < ARRIVED
        self.aims = np.where(there[..., None], self.draw(len(self.aims)), self.aims)
        return self.expert.get_action({**info, "goal_state": self.aims})


def endless(env: Any) -> Any:
    """The environment, which does not end at its own target."""
    import gymnasium

    class Endless(gymnasium.Wrapper):
        def step(self, action: Any) -> Any:
            observation, reward, _, truncated, info = self.env.step(action)
            return observation, reward, False, truncated, info

    return Endless(env)


@dataclass(frozen=True)
class Options(Checked):
    """Who plans, by which protocol."""

    weights: Path | None = None  # weights file; model_weights.pth unless given
    budget: str | None = None  # the trained weights of this budget of world tworoom instead, such as 500
    protocol: Protocol = "25/50"  # goal 25 steps ahead and 50 allowed, or 100 and 150
    planners: tuple[str, ...] = ("cost-to-go", "straight", "random")  # of ours; their-cem is theirs on our model
    episodes: Annotated[int, Within(1, 1_000)] = 200  # of each seed
    seeds: Count = 1  # draws of episodes
    first_seed: Seed = 0  # of the first draw
    rooms: bool = False  # only episodes whose start and goal lie in different rooms
    recordings: Path = Path("data/swm")  # where recorded episodes go
    recorded: Count = 200  # recorded episodes to draw from
    vary: tuple[str, ...] = ()  # what differs from episode to episode, as door.position door.size
    store: Path | None = None  # write episodes and successes as JSON


def record(swm: Any, args: Options) -> Path:
    """Records episodes by the harness's own means, once -> their file."""
    long = args.protocol == "100/150"
    name = "-".join(["walker" if long else "expert", str(args.recorded), *args.vary])
    path = args.recordings / f"{name}.h5"
    if path.is_file():
        return path
    expert = importlib.import_module("stable_worldmodel.envs.two_room").ExpertPolicy(seed=0)
    world = swm.World(
        ENV, 10, (SIDE, SIDE), max_episode_steps=125 if long else 100, pre_wrappers=[endless] if long else []
    )
    world.set_policy(Walker(expert, 0) if long else expert)
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"variation": ["agent.position", "target.position", *args.vary]}
    world.collect(path, args.recorded, seed=1_000_000, format="hdf5", options=options)
    world.close()
    return path


def draw(dataset: Any, args: Options, seed: int, offset: int) -> tuple[list[int], list[int]]:
    """Episodes and their first steps, drawn evenly over all that are long enough."""
    lengths, states = np.asarray(dataset.lengths), dataset.get_col_data("state")
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    pairs = [(e, s) for e, length in enumerate(lengths) for s in range(length - offset)]
    if args.rooms:
        left = states[:, 0] < SIDE / 2
        pairs = [(e, s) for e, s in pairs if left[starts[e] + s] != left[starts[e] + s + offset]]
    if len(pairs) < args.episodes:
        raise UserError(f"the recording has {len(pairs)} starts for --episodes {args.episodes}; raise --recorded")
    chosen = np.random.default_rng([seed, offset]).permutation(len(pairs))[: args.episodes]
    episodes, steps = zip(*(pairs[i] for i in chosen), strict=True)
    return list(episodes), list(steps)


def evaluate(swm: Any, dataset: Any, policy: Any, episodes: list[int], steps: list[int], protocol: str) -> np.ndarray:
    """Which episodes `World.evaluate` counts as successes [E] bool."""
    offset, budget = map(int, protocol.split("/"))
    world = swm.World(ENV, len(episodes), (SIDE, SIDE), max_episode_steps=2 * budget)
    world.set_policy(policy)
    found = world.evaluate(
        dataset=dataset,
        episodes_idx=episodes,
        start_steps=steps,
        goal_offset=offset,
        eval_budget=budget,
        callables=STATES,
    )
    world.close()
    return np.asarray(found["episode_successes"], bool)


def their_cem(swm: Any, model: JEPA) -> Any:
    """The harness's own CEM on our model."""
    solver = swm.solver.CEMSolver(Costable(model), batch_size=1, num_samples=300, n_steps=10, topk=30)
    return swm.policy.WorldModelPolicy(solver, swm.PlanConfig(horizon=10, receding_horizon=5, action_block=5))


def main(argv: list[str]) -> None:
    args = parse(Options, argv, "python -m tiny_jepa swm", __doc__ or "")
    try:
        import stable_worldmodel as swm
    except ImportError as error:
        raise UserError(f"stable-worldmodel is not installed ({error}); docs/tworoom.md says how") from None
    subject = choose_model(args.weights, args.budget, world=WORLD)
    model: Any = subject.model
    dataset = swm.data.HDF5Dataset(path=record(swm, args))
    offset = int(args.protocol.split("/")[0])
    successes: dict[str, list[list[int]]] = {name: [] for name in args.planners}
    seconds, drawn, near = dict.fromkeys(args.planners, 0.0), [], []
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        episodes, steps = draw(dataset, args, seed, offset)
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
    if args.store:
        result = {
            "command": shlex.join(["python", "-m", "tiny_jepa", "swm", *argv]),
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
