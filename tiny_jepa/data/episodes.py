"""Episodes of an environment of gymnasium's, played at random or by an expert."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro

from tiny_jepa.errors import UserError
from tiny_jepa.options import Count, Seed, imported, settings, within
from tiny_jepa.worlds.contract import as_finite

LONGEST = 64  # actions after which an episode that does not end is left, unless trajectories are longer
PERSISTENCE = 0.8  # how much of a random action goes into the next
SPREAD = 0.7  # of random actions: their standard deviation, in half the range of actions


@settings
class Collection:
    out: Path  # the folder that will hold train/ and probe_normal/
    env: str  # gymnasium's name of the environment; package.module:NAME imports the module first
    episodes: Count = 2_000  # trajectories of the training set
    steps: Count = 16  # actions of each; what an environment plays on end becomes several
    side: Annotated[int, within(0, 10**4)] = 0  # px to which frames are averaged; it divides theirs; 0: as they are
    policy: Literal["random", "expert", "mixed"] = "random"  # mixed: every second episode is the expert's, disturbed
    expert: str = ""  # package.module:CLASS of the expert
    vary: tyro.conf.UseAppendAction[tuple[str, ...]] = ()  # drawn anew, too, as door.position (repeatable)
    location: str | None = None  # entry of `info` that begins with the location; `state`, if any, unless given
    seed: Seed = 0  # of episodes and actions


Moment = tuple[np.ndarray, np.ndarray | None, np.ndarray | None]
"""Of an episode: frame [S, S, C], location [2] px, if told, and the action [2] that follows, if any does."""
Episodes = Callable[[np.random.Generator], Iterator[Moment]]


def open_episodes(what: Collection) -> Episodes:
    """What gives an episode, drawn with a generator."""
    import gymnasium

    if what.env.startswith("swm/"):
        importlib.import_module("stable_worldmodel")  # which registers them
    env, expert = gymnasium.make(what.env, render_mode="rgb_array", disable_env_checker=True), None
    box: Any = env.action_space
    if not isinstance(box, gymnasium.spaces.Box) or box.shape != (2,) or not np.isfinite([box.low, box.high]).all():
        raise UserError(f"its actions are {box}; a Box of two numbers with finite limits is needed")
    if (longest := env.spec and env.spec.max_episode_steps) and longest < what.steps:
        raise UserError(f"its episodes end after {longest} steps; --steps {what.steps} asks for longer ones")
    if what.policy != "random":
        expert = imported(what.expert, f"--policy {what.policy} needs --expert; there is no")()
        expert.set_env(env)
    options = {"variation": varied} if (varied := to_vary(env, what.vary)) else None
    return lambda rng: play(env, what, options, expert, rng)


def to_vary(env: Any, names: tuple[str, ...]) -> list[str]:
    """What differs between episodes, as the option `variation` of a reset: `names`, and what stable-worldmodel's
    environments vary unless told."""
    space = getattr(env.unwrapped, "variation_space", None)
    known = space.names() if space is not None else []
    if unknown := [name for name in names if name not in known]:
        raise UserError(f"--vary {unknown[0]}: this environment varies {', '.join(known) or 'nothing'}")
    usual = getattr(sys.modules[type(env.unwrapped).__module__], "DEFAULT_VARIATIONS", ())
    return [*usual, *names] if names else []


def play(
    env: Any, what: Collection, options: dict[str, Any] | None, expert: Any, rng: np.random.Generator
) -> Iterator[Moment]:
    """One episode, from a reset to its end or to `LONGEST` actions. Random actions are each like the last one."""
    _, info = env.reset(seed=int(rng.integers(2**31)), options=options)
    box, longest, over = env.action_space, max(LONGEST, what.steps), False
    low, high = box.low.astype(float), box.high.astype(float)
    drawn = rng.normal(0, SPREAD, box.shape)
    follows = expert is not None and (what.policy == "expert" or rng.random() < 0.5)
    disturbed = rng.random() if what.policy == "mixed" else 0.0
    if (name := what.location or "state") not in info and what.location:
        raise UserError(f"--location {name}: this environment tells of {', '.join(info) or 'nothing'}")
    for step in range(longest + 1):
        frame = np.array(env.render())
        location = np.array(info[name], np.float32).ravel()[:2] if name in info else None
        if over or step == longest:
            yield frame, location, None
            return
        aim, weight = (expert.get_action(info), disturbed) if follows else ((high + low) / 2, 1.0)
        aim = as_finite(aim, "the expert's action", torch.float64).detach().numpy().reshape(2)
        drawn = PERSISTENCE * drawn + (1 - PERSISTENCE**2) ** 0.5 * rng.normal(0, SPREAD, box.shape)
        action = np.clip(aim + weight * ((high - low) / 2 * drawn), low, high).astype(np.float32)
        action = np.rint(action) if box.dtype.kind in "iu" else action
        yield frame, location, action
        _, _, terminated, truncated, info = env.step(action.astype(box.dtype))
        over = terminated or truncated
