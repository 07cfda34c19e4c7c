"""stable-worldmodel's harness: our planners as its policies, episodes recorded by its own means, and its own count of
successes."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from einops import rearrange

from benchmarks.samplers import PLANNERS
from tiny_jepa.data.episodes import to_vary
from tiny_jepa.errors import UserError
from tiny_jepa.files import write_atomically
from tiny_jepa.models import JEPA
from tiny_jepa.planning import Agent
from tiny_jepa.worlds.contract import Actions

ENV = "swm/TwoRoom-v1"
SIDE = 224  # px; the wall stands in the middle
BOX = Actions(1.0, box=True)
ARRIVED = 16.0
"""px: the environment's radius of success; here only walkers use it."""
PLACES, VARIED = ("agent.position", "target.position"), "variation."
"""What differs between episodes anyway, and how columns of a recording begin that say what differed."""
STATES = [
    {"method": "_set_state", "args": {"state": {"value": "state"}}},
    {"method": "_set_goal_state", "args": {"goal_state": {"value": "goal_state"}}},
]
"""How the harness puts agent and goal where the recorded episode had them."""


def last_frames(pixels: Any) -> np.ndarray:
    """The harness's frames [E, 1, S, S, C] -> [E, C, S, S] uint8."""
    return rearrange(np.asarray(pixels)[:, -1], "e h w c -> e c h w")


class Policy:
    """One of our planners, as the harness wants a policy; keeps where its agents were."""

    def __init__(self, model: JEPA, planner: str) -> None:
        self.model, self.planner, self.seconds = model, planner, 0.0
        self.agent: Agent | None = None
        self.ways: list[np.ndarray] = []

    def set_env(self, env: Any) -> None:
        self.env = env

    def get_action(self, info: dict[str, Any], **_: Any) -> np.ndarray:
        """info of E episodes -> actions [E, 2]."""
        self.ways.append(np.array(info["state"][:, -1]))
        start = time.process_time()
        frames = last_frames(info["pixels"])
        if self.agent is None:
            self.agent = PLANNERS[self.planner](self.model, frames, last_frames(info["goal"]), BOX)
        action = self.agent.act(frames)
        self.seconds += time.process_time() - start
        return action


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


def record(swm: Any, folder: Path, count: int, long: bool, vary: tuple[str, ...] = ()) -> Path:
    """Records `count` episodes, once -> their file: the expert's own, or `long` ones that do not end at a goal; `vary`
    differs from episode to episode."""
    path = folder / ("-".join(["walker" if long else "expert", str(count), *vary]) + ".h5")
    if path.is_file():
        return path
    import gymnasium
    from stable_worldmodel.envs.two_room import ExpertPolicy

    class Endless(gymnasium.Wrapper):
        """Does not end at its own target."""

        def step(self, action: Any) -> Any:
            observation, reward, _, truncated, info = self.env.step(action)
            return observation, reward, False, truncated, info

    expert, wrappers = ExpertPolicy(seed=0), [Endless] if long else []
    world = swm.World(ENV, 10, (SIDE, SIDE), max_episode_steps=125 if long else 100, pre_wrappers=wrappers)
    world.set_policy(Walker(expert, 0) if long else expert)
    options = {"variation": to_vary(world.envs.envs[0], vary)} if vary else None
    settings = {"seed": 1_000_000, "format": "hdf5", "options": options}
    try:
        write_atomically(path, lambda temporary: world.collect(temporary, count, **settings))
    except AssertionError as error:
        raise UserError(f"{ENV} cannot vary {' '.join(vary)} alone: {error}") from None
    finally:
        world.close()
    return path


def first_rows(dataset: Any) -> np.ndarray:
    """Where each episode of a recording begins [E]."""
    return np.concatenate([[0], np.cumsum(dataset.lengths)[:-1]])


def draw(dataset: Any, count: int, offset: int, rooms: bool) -> tuple[list[int], list[int]]:
    """`count` episodes and their first steps, drawn evenly over all that go on for `offset` steps; with `rooms`, over
    those that are in another room then."""
    pairs = [(e, s) for e, length in enumerate(dataset.lengths) for s in range(length - offset)]
    if rooms:
        starts, axis = first_rows(dataset), VARIED + "wall.axis"
        level = np.zeros(len(starts), int)
        if axis in dataset.column_names:
            level = (dataset.get_col_data(axis)[starts].ravel() == 0).astype(int)
        first = dataset.get_col_data("state") < SIDE / 2  # whether in the first room, were the wall upright, or level
        room = [first[starts[e] :, level[e]] for e in range(len(starts))]
        pairs = [(e, s) for e, s in pairs if room[e][s] != room[e][s + offset]]
    if len(pairs) < count:
        raise UserError(f"the recording has {len(pairs)} starts for --episodes {count}; raise --recorded")
    chosen = np.random.default_rng([0, offset]).permutation(len(pairs))[:count]
    episodes, steps = zip(*(pairs[i] for i in chosen), strict=True)
    return list(episodes), list(steps)


def furnish(world: Any, dataset: Any, episodes: list[int]) -> None:
    """Gives each environment the door, the colours, ... that its recorded episode had: the harness restores the states
    of agent and goal alone."""
    starts = first_rows(dataset)[episodes]
    recorded = {name.removeprefix(VARIED): name for name in dataset.column_names if name.startswith(VARIED)}
    columns = {name: dataset.get_col_data(column)[starts] for name, column in recorded.items() if name not in PLACES}
    for i, env in enumerate(world.envs.envs):
        space = env.unwrapped.variation_space
        for name in sorted(columns):  # one by one: whether a door's size is allowed depends on how many there are
            space.set_init_value({name: columns[name][i]})
            space.reset()


def evaluate(swm: Any, dataset: Any, policy: Any, episodes: list[int], steps: list[int], protocol: str) -> np.ndarray:
    """Which episodes `World.evaluate` counts as successes [E] bool."""
    offset, budget = map(int, protocol.split("/"))
    world = swm.World(ENV, len(episodes), (SIDE, SIDE), max_episode_steps=2 * budget)
    furnish(world, dataset, episodes)
    world.set_policy(policy)
    recorded = {"dataset": dataset, "episodes_idx": episodes, "start_steps": steps, "callables": STATES}
    found = world.evaluate(**recorded, goal_offset=offset, eval_budget=budget)
    world.close()
    return np.asarray(found["episode_successes"], bool)
