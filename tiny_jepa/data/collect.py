"""Collects trajectories from an environment of gymnasium's, or from stable-worldmodel's recordings of one, into the
folder form that the kit reads.

Frames are averaged down to a side, locations with them; these are recorded for probing sets alone.
"""

import importlib
import importlib.metadata
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import tyro
from einops import reduce

from tiny_jepa.data.generate import write_all, write_arrays
from tiny_jepa.errors import UserError
from tiny_jepa.options import Count, Seed, imported, settings, within
from tiny_jepa.worlds.pixels import SETS

SHARES = dict(zip(SETS, (1.0, 0.2, 0.1), strict=True))
"""The sets, and how many trajectories each has for one of the training set."""
PLUGINS = {"swm": "stable_worldmodel"}
"""Namespaces of environments, and the package that registers them."""
BLOCK = 100  # trajectories
LONGEST = 64
"""Actions after which an episode that does not end is left."""
PERSISTENCE, SPREAD = 0.8, 0.7
"""Of random actions: how much of the last one goes into the next, and their standard deviation, in half the range of
actions."""


@settings
class Collection:
    """What is collected, from an environment or from a recording."""

    out: Path  # the folder that will hold train/ and probe_normal/
    env: str = ""  # gymnasium's name of the environment; package.module:NAME imports the module first
    recording: str = ""  # of stable-worldmodel's (HDF5, Lance, ...): read instead of playing
    episodes: Count = 2_000  # trajectories of the training set
    steps: Count = 16  # actions of each; what an environment plays on end becomes several
    side: Annotated[int, within(0, 10**4)] = 0  # px to which frames are averaged; it divides theirs; 0: as they are
    policy: Literal["random", "expert", "mixed"] = "random"  # mixed: every second episode is the expert's, disturbed
    expert: str = ""  # package.module:CLASS of the expert
    vary: tyro.conf.UseAppendAction[
        tuple[str, ...]
    ] = ()  # drawn anew at each reset, too, as door.position (repeatable)
    location: str = "state"  # entry of `info` whose first two numbers are the location, for probing alone
    seed: Seed = 0  # of episodes and actions


class Moment(NamedTuple):
    """One moment of an episode: frame [S, S, C], location [2] px, and the action [A] that follows, if any does."""

    frame: np.ndarray
    location: np.ndarray
    action: np.ndarray | None


def make_env(name: str) -> Any:
    """The environment, checked: it renders square RGB frames and takes a box of actions."""
    try:
        import gymnasium

        if plugin := PLUGINS.get(name.partition("/")[0]):
            importlib.import_module(plugin)
    except ImportError as error:
        raise UserError(f"{name} needs a package that is not installed ({error}); docs/tworoom.md says which") from None
    try:
        env = gymnasium.make(name, render_mode="rgb_array", disable_env_checker=True)
        env.reset(seed=0)
        shape = np.asarray(env.render()).shape
    except (gymnasium.error.Error, ImportError) as error:
        raise UserError(f"no environment {name}: {error}") from None
    if len(shape) != 3 or shape[0] != shape[1] or shape[0] > 257:
        raise UserError(f"{name} renders frames of shape {shape}; square ones [S, S, C] up to 257 px are read")
    if not isinstance(env.action_space, gymnasium.spaces.Box):
        raise UserError(f"{name} has the actions {env.action_space}; a Box is needed, whose actions move something")
    return env


def to_vary(env: Any, names: tuple[str, ...]) -> list[str]:
    """What differs between episodes, as the option `variation` of a reset: `names`, and what stable-worldmodel's
    environments vary unless told.

    Raises:
        UserError: a name that is not among those of the environment.
    """
    space = getattr(env.unwrapped, "variation_space", None)
    if space is not None and (unknown := [name for name in names if name not in space.names()]):
        raise UserError(f"--vary {unknown[0]}: this environment varies {', '.join(space.names())}")
    usual = getattr(sys.modules[type(env.unwrapped).__module__], "DEFAULT_VARIATIONS", ())
    return [*usual, *names] if names else []


class Smooth:
    """Random actions of a box, each like the last one."""

    def __init__(self, box: Any, rng: np.random.Generator) -> None:
        self.middle, self.half = (box.high + box.low) / 2, (box.high - box.low) / 2
        self.rng, self.last = rng, rng.normal(0, SPREAD, box.shape)

    def draw(self) -> np.ndarray:
        fresh = self.rng.normal(0, SPREAD, self.last.shape)
        self.last = PERSISTENCE * self.last + (1 - PERSISTENCE**2) ** 0.5 * fresh
        return self.half * self.last


def play(
    env: Any, what: Collection, options: dict[str, Any] | None, expert: Any, rng: np.random.Generator
) -> Iterator[Moment]:
    """One episode, from a reset to its end or to `LONGEST` actions."""
    _, info = env.reset(seed=int(rng.integers(2**31)), options=options)
    smooth, box = Smooth(env.action_space, rng), env.action_space
    follows = expert is not None and (what.policy == "expert" or rng.random() < 0.5)
    disturbed = rng.random() if what.policy == "mixed" else 0.0
    over = False
    for step in range(LONGEST + 1):
        frame, location = np.asarray(env.render()), np.array(info[what.location], np.float32).ravel()[:2]
        if over or step == LONGEST:
            yield Moment(frame, location, None)
            return
        aim, weight = (np.asarray(expert.get_action(info)), disturbed) if follows else (smooth.middle, 1.0)
        action = np.clip(aim + weight * smooth.draw(), box.low, box.high).astype(np.float32)
        yield Moment(frame, location, action)
        _, _, terminated, truncated, info = env.step(action)
        over = terminated or truncated


def trajectories(
    episode: Iterator[Moment], what: Collection, rng: np.random.Generator
) -> Iterator[dict[str, np.ndarray]]:
    """An episode cut into trajectories of `steps` actions; one's last frame is the next one's first."""
    moments: list[Moment] = []
    for moment in episode:
        moments.append(moment)
        if len(moments) > what.steps:
            frames, locations = (
                np.stack([each.frame for each in moments]),
                np.stack([each.location for each in moments]),
            )
            states, locations = averaged(frames, locations, what.side, rng)
            actions = np.stack([each.action for each in moments[:-1]])  # type: ignore[misc]
            yield {"states": states, "actions": actions, "locations": locations}
            moments = moments[-1:]


def averaged(
    frames: np.ndarray, locations: np.ndarray, side: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Frames [T, S', S', C] uint8 and locations [T, 2], averaged down to `side` px -> frames [T, C, S, S], locations.
    Before that, all are moved by a random part of the new pixels: what stands still in a world shows all its edges."""
    times = frames.shape[1] // (side or frames.shape[1])
    if side and times * side != frames.shape[1]:
        raise UserError(f"--side {side} does not divide the side of these frames, {frames.shape[1]} px")
    right, down = rng.integers(0, times, 2)
    moved = np.roll(frames, (down, right), axis=(1, 2)).astype(np.float32)
    states = reduce(moved, "t (h a) (w b) c -> t c h w", "mean", a=times, b=times).round().astype(np.uint8)
    return states, ((locations + np.array([right, down])) / times).astype(np.float32)


def read(recording: Any, what: Collection, rng: np.random.Generator) -> Iterator[Moment]:
    """One episode of a recording, drawn at random; an action is NaN after the last frame."""
    episode = recording.load_episode(int(rng.integers(len(recording.lengths))))
    columns = (np.asarray(episode[name]) for name in ("pixels", what.location, "action"))
    for pixels, location, action in zip(*columns, strict=True):
        follows = action.astype(np.float32) if np.isfinite(action).all() else None
        yield Moment(pixels.transpose(1, 2, 0), np.asarray(location, np.float32).ravel()[:2], follows)


def open_episodes(what: Collection) -> tuple[Callable[[np.random.Generator], Iterator[Moment]], str]:
    """What gives episodes, drawn with a generator, and the package it comes from."""
    if bool(what.env) == bool(what.recording):
        raise UserError("give --env or --recording, one of them")
    if what.recording:
        recording = imported("stable_worldmodel.data:load_dataset", "--recording")(what.recording)
        return lambda rng: read(recording, what, rng), "stable_worldmodel"
    env, expert = make_env(what.env), None
    if what.policy != "random":
        if not what.expert:
            raise UserError(f"--policy {what.policy} needs --expert package.module:CLASS")
        expert = imported(what.expert, "--expert")()
        expert.set_env(env)
    options = {"variation": varied} if (varied := to_vary(env, what.vary)) else None
    return lambda rng: play(env, what, options, expert, rng), type(env.unwrapped).__module__.partition(".")[0]


def collect(what: Collection) -> int:
    """Writes the three sets of `SHARES` under `out`, or what an interrupted run left of them; 130 if interrupted."""
    episodes, package = open_episodes(what)
    rng = np.random.default_rng(what.seed)
    first = next(trajectories(episodes(rng), replace(what, steps=1), rng))
    versions = importlib.metadata.packages_distributions().get(package, [])
    made_by = [f"{name} {importlib.metadata.version(name)}" for name in versions]

    def write(name: str, count: int) -> bool:
        lengths = {"actions": what.steps, "locations": what.steps + 1, "states": what.steps + 1}
        arrays = {key: ((count, length, *first[key].shape[1:]), first[key].dtype) for key, length in lengths.items()}
        if name == "train":
            del arrays["locations"]

        def block(number: int) -> Iterator[dict[str, np.ndarray]]:
            rng = np.random.default_rng([what.seed, zlib.crc32(name.encode()), number])
            wanted = min(BLOCK, count - number * BLOCK)
            while wanted:
                for trajectory in trajectories(episodes(rng), what, rng):
                    if wanted:
                        wanted -= 1
                        yield {key: rows[None] for key, rows in trajectory.items()}

        settings = {**asdict(replace(what, out=Path())), "out": "", "set": name, "made_by": made_by}
        return write_arrays(what.out / name, settings, arrays, BLOCK, block)

    counts = {name: max(1, round(share * what.episodes)) for name, share in SHARES.items()}
    return write_all((what.out / name, count, partial(write, name, count)) for name, count in counts.items())
