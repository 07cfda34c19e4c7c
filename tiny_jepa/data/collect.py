"""Collects trajectories from episodes into the folder form that the kit reads, and says what they show.

Frames are averaged down to a side, locations with them; these are recorded for probing sets alone.
"""

import zlib
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from einops import reduce

from tiny_jepa.data.episodes import Collection, Episodes, Moment, open_episodes
from tiny_jepa.data.writing import Draft, Rows, write_sets
from tiny_jepa.errors import UserError, of_others
from tiny_jepa.worlds.pixels import SETS

SHARES = dict(zip(SETS, (1.0, 0.2, 0.1), strict=True))
"""The sets, and how many trajectories each has for one of the training set."""
BLOCK = 100  # trajectories
LARGEST = 257  # px, once they are averaged
PATIENCE = 100  # episodes in a row that may be too short for a trajectory
EVEN = 8  # of 255: rows, or columns, that differ by less look the same
LOOKED_AT = 32 * 2**20  # bytes of frames


def collect(what: Collection) -> int:
    """Writes the sets of `SHARES` under `out`; the training set alone where no location is told."""
    with of_others(what.env):
        episodes = open_episodes(what)
        told = next(episodes(np.random.default_rng(what.seed)))[1] is not None
    if not told:
        print("the environment tells no location: only train/ is written, and nothing can be probed")

    def draw(name: str, count: int) -> Iterator[Rows]:
        for start in range(0, count, BLOCK):
            rng = np.random.default_rng([what.seed, zlib.crc32(name.encode()), start // BLOCK])
            with of_others(what.env):
                for rows in islice(trajectories(episodes, what, rng), min(BLOCK, count - start)):
                    yield {key: rows[key] for key in rows if key != "locations" or name != "train"}

    drafts: list[Draft] = []
    for name, share in list(SHARES.items())[: None if told else 1]:
        count = max(1, round(share * what.episodes))
        drafts.append((what.out / name, count, asdict(what) | {"out": "", "set": name}, partial(draw, name, count)))
    write_sets(drafts)
    print(shown_by(what.out / "train"))
    return 0


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
    """Frames [T, S', S', C] and locations [T, 2], if any, are averaged down to `side` px -> states [1, T, C, S, S].
    Before that, all are moved by a random part of the new pixels, so that what stands still shows all its edges, where
    nothing but a margin leaves the frame on one side to come in again on the other."""
    seen, places, (*moves, _) = zip(*moments, strict=True)
    frames, found = np.stack(seen), {"actions": np.stack(moves)}
    square = frames.ndim == 4 and frames.size and frames.shape[1] == frames.shape[2]
    if frames.dtype != np.uint8 or not square or not 2 <= (side := side or frames.shape[1]) <= LARGEST:
        wanted = f"uint8 [S, S, C], square and of 2 to {LARGEST} px"
        raise UserError(f"frames must be {wanted}, not {frames.dtype} {list(frames.shape[1:])}")
    times, rest = divmod(frames.shape[1], side)
    if rest or not times:
        raise UserError(f"--side {side} does not divide the side of these frames, {frames.shape[1]} px")
    margins = [np.ptp(frames[:, :, -times:], axis=2).max() < EVEN, np.ptp(frames[:, -times:], axis=1).max() < EVEN]
    right, down = rng.integers(0, times, 2) * margins
    if places[0] is not None:
        found["locations"] = np.stack(places)
    for (name, values), (least, most) in zip(found.items(), ((-side, side), (0, len(frames[0]))), strict=False):
        if values.shape[1:] != (2,) or not ((least <= values) & (values <= most)).all():
            some = f"two numbers from {least} to {most} px each, not such as {values[0].tolist()}"
            raise UserError(f"{name} must be {some}")
    if "locations" in found:
        found["locations"] = ((found["locations"] + np.array([right, down])) / times).astype(np.float32)
    moved = np.roll(frames, (down, right), axis=(1, 2)).astype(np.float32)
    found["states"] = reduce(moved, "t (h a) (w b) c -> t c h w", "mean", a=times, b=times).round().astype(np.uint8)
    return {name: values[None] for name, values in found.items()}


def shown_by(folder: Path) -> str:
    """What the frames and the actions of a set show, in a sentence."""
    states, actions = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("states", "actions"))
    count = min(len(states), LOOKED_AT // states[0].nbytes + 1)
    some = np.linspace(0, len(states) - 1, count).astype(np.int64)
    moved, size = motion(states[some].astype(np.float32)), np.linalg.norm(actions[some], axis=-1)
    made = (moved > 0) & (size > 0)
    if not made.any():
        return "warning: no frame ever changes, whatever the action; does render() draw what moves?"
    size *= np.median(moved[made] / size[made])
    worth = f"{np.median(size):.2f} px (median), {size.max():.2f} px at most"
    still = (moved == 0)[size > 0].mean()
    return f"actions are worth about {worth}; {still:.1%} of the steps were blocked or without effect"


def motion(frames: np.ndarray) -> np.ndarray:
    """How far [N, T-1] px what moves in frames [N, T, C, S, S] went, in the channel that shows it best: the first
    moment of what changed, by the most that ever did, which is what moves in two places."""
    most = np.abs(frames - frames[:, :1]).sum((3, 4)).max((0, 1))  # [C]
    change, index = np.diff(frames[:, :, most.argmax()], axis=1), np.arange(frames.shape[-1])
    moments = []
    for axis in (2, 3):
        lost, there = change.sum(axis), np.abs(change).sum(axis)  # [N, T-1, S]
        centre = there @ index / there.sum(-1).clip(1e-9)
        moments.append(lost @ index - lost.sum(-1) * centre)
    return np.hypot(*moments) / max(most.max() / 2, 1e-9)
