"""Collects trajectories from episodes into the folder form that the kit reads.

Frames are averaged down to a side, locations with them; these are recorded for probing sets alone.
"""

import importlib.metadata
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice

import numpy as np
from einops import reduce

from tiny_jepa.data.episodes import Collection, Episodes, Moment, of_others, open_episodes
from tiny_jepa.data.writing import Draft, Rows, write_sets
from tiny_jepa.errors import UserError
from tiny_jepa.worlds.pixels import SETS

SHARES = dict(zip(SETS, (1.0, 0.2, 0.1), strict=True))
"""The sets, and how many trajectories each has for one of the training set."""
BLOCK = 100  # trajectories
LARGEST = 257  # px
PATIENCE = 100
"""Episodes in a row that may be too short for a trajectory."""


def collect(what: Collection) -> int:
    """Writes the three sets of `SHARES` under `out`, or what an interrupted run left of them; 130 if interrupted."""
    with of_others(what.env or what.recording):
        episodes, package = open_episodes(what)
    packages = importlib.metadata.packages_distributions().get(package, [])
    made_by = [f"{name} {importlib.metadata.version(name)}" for name in packages]

    def draft(name: str, count: int) -> Draft:
        def draw(start: int, stop: int) -> Iterator[Rows]:
            rng = np.random.default_rng([what.seed, zlib.crc32(name.encode()), start // BLOCK])
            with of_others(what.env or what.recording):
                for rows in islice(trajectories(episodes, what, rng), stop - start):
                    yield {key: rows[key] for key in rows if key != "locations" or name != "train"}

        settings = asdict(what) | {"out": "", "set": name, "made_by": made_by}
        return Draft(what.out / name, count, settings, draw, BLOCK)

    return write_sets([draft(name, max(1, round(share * what.episodes))) for name, share in SHARES.items()])


def trajectories(episodes: Episodes, what: Collection, rng: np.random.Generator) -> Iterator[Rows]:
    """Episodes without end, cut into trajectories of `steps` actions; one's last frame is the next one's first."""
    short = 0
    while short < PATIENCE:
        moments: list[Moment] = []
        short += 1
        for moment in episodes(rng):
            moments.append(moment)
            if len(moments) > what.steps:
                yield trajectory(moments, what.side, rng)
                moments, short = moments[-1:], 0
    raise UserError(f"{PATIENCE} episodes in a row were shorter than --steps {what.steps}; ask for fewer")


def trajectory(moments: list[Moment], side: int, rng: np.random.Generator) -> Rows:
    """One trajectory. Its frames [T, S', S', C] and locations [T, 2] are averaged down to `side` px -> states
    [1, T, C, S, S]. Before that, all are moved by a random part of the new pixels: what stands still in a world shows
    all its edges."""
    seen, places, (*moves, _) = zip(*moments, strict=True)
    frames, locations, actions = map(np.stack, (seen, places, moves))
    if frames.dtype != np.uint8 or frames.ndim != 4 or not 0 < frames.shape[1] == frames.shape[2] <= LARGEST:
        shown = f"{frames.dtype} {list(frames.shape[1:])}"
        raise UserError(f"frames must be uint8 [S, S, C], square and up to {LARGEST} px, not {shown}")
    for name, values in {"actions": actions, "locations": locations}.items():
        if values.shape[1:] != (2,) or not np.isfinite(values).all():
            raise UserError(f"{name} must be two finite numbers each, not {values[0].tolist()}")
    times, rest = divmod(frames.shape[1], side or frames.shape[1])
    if rest or not times:
        raise UserError(f"--side {side} does not divide the side of these frames, {frames.shape[1]} px")
    right, down = rng.integers(0, times, 2)
    moved = np.roll(frames, (down, right), axis=(1, 2)).astype(np.float32)
    states = reduce(moved, "t (h a) (w b) c -> t c h w", "mean", a=times, b=times).round().astype(np.uint8)
    locations = ((locations + np.array([right, down])) / times).astype(np.float32)
    return {"actions": actions[None], "locations": locations[None], "states": states[None]}
