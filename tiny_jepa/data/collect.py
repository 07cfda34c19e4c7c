"""Collects trajectories from an environment of gymnasium's, or from stable-worldmodel's recordings of one, into the
folder form that the kit reads.

Of each frame, its sums over rows and over columns are kept: all that the encoders of such worlds take, and 1/56 of a
frame of 224 px. Locations are recorded for probing sets alone.
"""

import importlib
import importlib.metadata
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tiny_jepa.data.generate import write_arrays
from tiny_jepa.errors import UserError

SHARES = {"train": 1.0, "probe_normal/train": 0.2, "probe_normal/val": 0.1}
"""The sets, and how many trajectories each has for one of the training set."""
PLUGINS = {"swm": "stable_worldmodel"}
"""Namespaces of environments, and the package that registers them."""
BLOCK = 100  # trajectories
LONGEST = 64
"""Actions after which an episode that does not end is left."""
PERSISTENCE, SPREAD = 0.8, 0.7
"""Of random actions: how much of the last one goes into the next, and their standard deviation, in half the range of
actions."""


@dataclass(frozen=True)
class Collection:
    """What is collected."""

    env: str = ""  # gymnasium's name of the environment; package.module:NAME imports the module first
    recording: str = ""  # or stable-worldmodel's recording (HDF5, Lance, folder) to read instead
    episodes: int = 2_000  # trajectories of the training set
    steps: int = 16  # actions of each; an environment's longer episode becomes several
    policy: str = "random"  # random (smooth), expert, or mixed: every second episode is the expert's, disturbed
    expert: str = ""  # package.module:CLASS of the expert
    vary: tuple[str, ...] = ()  # what is drawn anew at every reset, by stable-worldmodel's names
    location: str = "state"  # entry of `info` whose first two numbers are the location, for probing
    seed: int = 0


class Frame(NamedTuple):
    """One frame of an episode: sums [C, 2, S], location [2], and the action [A] that follows, if any does."""

    sums: np.ndarray
    location: np.ndarray
    action: np.ndarray | None


def sums_of(frame: np.ndarray) -> np.ndarray:
    """A square frame [S, S, C] uint8 -> its sums over rows and over columns [C, 2, S] uint16."""
    return np.stack([np.einsum("hwc->cw", frame, dtype=np.uint16), np.einsum("hwc->ch", frame, dtype=np.uint16)], 1)


def imported(path: str, option: str) -> Any:
    """What `package.module:NAME` names; a `UserError` where there is no such thing."""
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"{option} {path!r}: {error}; write it as package.module:NAME") from None


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
    except (gymnasium.error.Error, ImportError) as error:
        raise UserError(f"no environment {name}: {error}") from None
    env.reset(seed=0)
    shape = np.asarray(env.render()).shape
    if len(shape) != 3 or shape[0] != shape[1] or shape[0] > 257:
        raise UserError(f"{name} renders frames of shape {shape}; square ones [S, S, C] up to 257 px are read")
    if not isinstance(env.action_space, gymnasium.spaces.Box):
        raise UserError(f"{name} has the actions {env.action_space}; a Box is needed, whose actions move something")
    return env


class Smooth:
    """Random actions of a box, each like the last one."""

    def __init__(self, box: Any, rng: np.random.Generator) -> None:
        self.middle, self.half = (box.high + box.low) / 2, (box.high - box.low) / 2
        self.rng, self.last = rng, rng.normal(0, SPREAD, box.shape)

    def draw(self) -> np.ndarray:
        fresh = self.rng.normal(0, SPREAD, self.last.shape)
        self.last = PERSISTENCE * self.last + (1 - PERSISTENCE**2) ** 0.5 * fresh
        return self.half * self.last


def play(env: Any, what: Collection, expert: Any, rng: np.random.Generator) -> Iterator[Frame]:
    """One episode, from a reset to its end or to `LONGEST` actions."""
    options = {"variation": list(what.vary)} if what.vary else None
    _, info = env.reset(seed=int(rng.integers(2**31)), options=options)
    smooth, box = Smooth(env.action_space, rng), env.action_space
    follows = expert is not None and (what.policy == "expert" or rng.random() < 0.5)
    disturbed = rng.random() if what.policy == "mixed" else 0.0
    over = False
    for step in range(LONGEST + 1):
        sums, location = sums_of(env.render()), np.array(info[what.location], np.float32).ravel()[:2]
        if over or step == LONGEST:
            yield Frame(sums, location, None)
            return
        aim, weight = (np.asarray(expert.get_action(info)), disturbed) if follows else (smooth.middle, 1.0)
        action = np.clip(aim + weight * smooth.draw(), box.low, box.high).astype(np.float32)
        yield Frame(sums, location, action)
        _, _, terminated, truncated, info = env.step(action)
        over = terminated or truncated


def trajectories(episode: Iterator[Frame], steps: int) -> Iterator[dict[str, np.ndarray]]:
    """An episode cut into trajectories of `steps` actions; one's last frame is the next one's first."""
    frames: list[Frame] = []
    for frame in episode:
        frames.append(frame)
        if len(frames) > steps:
            actions = [each.action for each in frames[:-1]]
            yield {
                "states": np.stack([each.sums for each in frames]),
                "actions": np.stack(actions),  # type: ignore[arg-type]
                "locations": np.stack([each.location for each in frames]),
            }
            frames = frames[-1:]


def collect(root: Path, what: Collection) -> list[Path]:
    """Writes the three sets of `SHARES` under `root`, or what an interrupted run left of them -> their folders."""
    env = make_env(what.env)
    expert = None
    if what.policy != "random":
        if not what.expert:
            raise UserError(f"--policy {what.policy} needs --expert package.module:CLASS")
        expert = imported(what.expert, "--expert")()
        expert.set_env(env)
    side, channels = np.asarray(env.render()).shape[1:]
    folders = []
    for name, share in SHARES.items():
        count = max(1, round(share * what.episodes))
        shape = (count, what.steps + 1)
        arrays: dict[str, tuple[tuple[int, ...], np.dtype]] = {
            "actions": ((count, what.steps, *env.action_space.shape), np.dtype("float32")),
            "locations": ((*shape, 2), np.dtype("float32")),
            "states": ((*shape, channels, 2, side), np.dtype("uint16")),
        }
        if name == "train":
            del arrays["locations"]

        def block(number: int, name: str = name, count: int = count) -> Iterator[dict[str, np.ndarray]]:
            rng = np.random.default_rng([what.seed, zlib.crc32(name.encode()), number])
            wanted = min(BLOCK, count - number * BLOCK)
            while wanted:
                for trajectory in trajectories(play(env, what, expert, rng), what.steps):
                    if wanted:
                        wanted -= 1
                        yield {key: rows[None] for key, rows in trajectory.items()}

        settings = {**asdict(what), "set": name, "size": side, "package": package_of(env)}
        write_arrays(root / name, settings, arrays, BLOCK, block)
        folders.append(root / name)
    return folders


def package_of(env: Any) -> str:
    """The package that an environment comes from, with its version, where it has one."""
    package = type(env.unwrapped).__module__.partition(".")[0]
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return package
