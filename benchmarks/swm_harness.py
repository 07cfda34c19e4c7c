"""stable-worldmodel's harness: our planners as its policies, episodes recorded by its own means, and its own count of
successes."""

import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from einops import rearrange

from benchmarks.samplers import PLANNERS
from tiny_jepa.data.episodes import PERSISTENCE, SPREAD, to_vary
from tiny_jepa.errors import UserError
from tiny_jepa.files import write_atomically
from tiny_jepa.models import JEPA
from tiny_jepa.planning import Agent
from tiny_jepa.worlds.contract import Actions


class Env(NamedTuple):
    """An environment of the package."""

    name: str
    side: int  # px, to which the harness averages its frames
    state: str  # the entry of `info` that holds the agent's place
    places: tuple[str, ...]  # variations that the harness restores by itself


ENVS = {
    "tworoom": Env("swm/TwoRoom-v1", 224, "state", ("agent.position", "target.position")),
    "pointmaze": Env("swm/SimplePointMaze-v0", 100, "observation", ()),
}
ARRIVED = 16.0
"""px: TwoRoom's radius of success; here only walkers use it."""
VARIED = "variation."
"""So begin columns of a recording that say what differed."""


def last_frames(pixels: Any) -> np.ndarray:
    """The harness's frames [E, 1, S, S, C] -> [E, C, S, S] uint8."""
    return rearrange(np.asarray(pixels)[:, -1], "e h w c -> e c h w")


def places(seen: dict[str, Any]) -> Any:
    """Where agents are, by what either environment tells or a recording of it holds."""
    return seen["state"] if "state" in seen else seen["observation"]


class Policy:
    """One of our planners, as the harness wants a policy; keeps where its agents were."""

    def __init__(self, model: JEPA, planner: str) -> None:
        self.model, self.planner, self.seconds, self.box = model, planner, 0.0, Actions(1.0, box=True)
        self.agent: Agent | None = None
        self.ways: list[np.ndarray] = []

    def set_env(self, env: Any) -> None:
        self.env, self.box = env, Actions(float(env.single_action_space.high[0]), box=True)

    def get_action(self, info: dict[str, Any], **_: Any) -> np.ndarray:
        """info of E episodes -> actions [E, 2]."""
        self.ways.append(np.array(places(info)[:, -1]))
        start = time.process_time()
        frames = last_frames(info["pixels"])
        if self.agent is None:
            self.agent = PLANNERS[self.planner](self.model, frames, last_frames(info["goal"]), self.box)
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
        return self.rng.uniform(2 * ARRIVED, ENVS["tworoom"].side - 2 * ARRIVED, (count, 1, 2)).astype(np.float32)

    def get_action(self, info: dict[str, Any], **_: Any) -> np.ndarray:
        there = np.linalg.norm(info["state"] - self.aims, axis=-1) < ARRIVED
        self.aims = np.where(there[..., None], self.draw(len(self.aims)), self.aims)
        return self.expert.get_action({**info, "goal_state": self.aims})


class Wanderer:
    """Smooth random actions, as `data collect` plays them: SimplePointMaze has no expert."""

    def __init__(self, seed: int) -> None:
        self.rng, self.drawn = np.random.default_rng(seed), np.zeros(2)

    def set_env(self, env: Any) -> None:
        self.space, self.drawn = env.action_space, self.rng.normal(0, SPREAD, env.action_space.shape)

    def get_action(self, info: dict[str, Any], **_: Any) -> np.ndarray:
        fresh = self.rng.normal(0, SPREAD, self.drawn.shape)
        self.drawn = PERSISTENCE * self.drawn + (1 - PERSISTENCE**2) ** 0.5 * fresh
        return (self.space.high * self.drawn.clip(-1, 1)).astype(np.float32)


def record(swm: Any, folder: Path, count: int, env: Env, long: bool, vary: tuple[str, ...] = ()) -> Path:
    """Records `count` episodes, once -> their file: the expert's own, or `long` ones that do not end at a goal, as the
    wanderer's do; `vary` differs from episode to episode."""
    wanders = env.state == "observation"
    who, long = f"wanderer-{env.side}" if wanders else "walker" if long else "expert", long or wanders
    path = folder / ("-".join([who, str(count), *vary]) + ".h5")
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
    world = make(swm, env, 10, max_episode_steps=125 if long else 100, pre_wrappers=wrappers)
    world.set_policy(Wanderer(0) if wanders else Walker(expert, 0) if long else expert)
    options = {"variation": to_vary(world.envs.envs[0], vary)} if vary else None
    settings = {"seed": 1_000_000, "format": "hdf5", "options": options}
    try:
        write_atomically(path, lambda temporary: world.collect(temporary, count, **settings))
    except AssertionError as error:
        raise UserError(f"{env.name} cannot vary {' '.join(vary)} alone: {error}") from None
    finally:
        world.close()
    return path


def make(swm: Any, env: Env, count: int, **settings: Any) -> Any:
    return swm.World(env.name, count, (env.side, env.side), image_resample="box", **settings)


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
        # whether in the first room, were the wall upright, or level
        first = dataset.get_col_data("state") < ENVS["tworoom"].side / 2
        room = [first[starts[e] :, level[e]] for e in range(len(starts))]
        pairs = [(e, s) for e, s in pairs if room[e][s] != room[e][s + offset]]
    if len(pairs) < count:
        raise UserError(f"the recording has {len(pairs)} starts for --episodes {count}; raise --recorded")
    chosen = np.random.default_rng([0, offset]).permutation(len(pairs))[:count]
    episodes, steps = zip(*(pairs[i] for i in chosen), strict=True)
    return list(episodes), list(steps)


def furnish(world: Any, dataset: Any, episodes: list[int], places: tuple[str, ...]) -> None:
    """Gives each environment the door, the colours, ... that its recorded episode had: the harness restores the states
    of agent and goal alone, and needs to be told how, where there is no method for it."""
    from stable_worldmodel.utils import get_in

    starts = first_rows(dataset)[episodes]
    recorded = {name.removeprefix(VARIED): name for name in dataset.column_names if name.startswith(VARIED)}
    columns = {name: dataset.get_col_data(column)[starts] for name, column in recorded.items() if name not in places}
    for i, env in enumerate(world.envs.envs):
        space = env.unwrapped.variation_space
        for name, column in columns.items():  # unchecked: what is allowed depends on what others are at last
            get_in(space, name.split("."))._init_value = column[i]
        space.reset()
        if not hasattr(env.unwrapped, "_set_state"):
            env.unwrapped._set_state = partial(put, env.unwrapped, "agent")
            env.unwrapped._set_goal_state = partial(put, env.unwrapped, "goal")


def put(env: Any, who: str, **given: np.ndarray) -> None:
    """Puts SimplePointMaze's agent or goal at a place, as its own steps do."""
    (env.variation_space[who]["position"]._value,) = given.values()
    if who == "agent":
        (env.state,) = given.values()


def evaluate(
    swm: Any, env: Env, dataset: Any, policy: Any, episodes: list[int], steps: list[int], protocol: str
) -> np.ndarray:
    """Which episodes `World.evaluate` counts as successes [E] bool."""
    offset, budget = map(int, protocol.split("/"))
    world = make(swm, env, len(episodes), max_episode_steps=2 * budget)
    furnish(world, dataset, episodes, env.places)
    world.set_policy(policy)
    states = [
        {"method": f"_set_{goal}state", "args": {f"{goal}state": {"value": goal + env.state}}} for goal in ("", "goal_")
    ]
    recorded = {"dataset": dataset, "episodes_idx": episodes, "start_steps": steps, "callables": states}
    found = world.evaluate(**recorded, goal_offset=offset, eval_budget=budget)
    world.close()
    return np.asarray(found["episode_successes"], bool)
