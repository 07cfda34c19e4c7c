"""Looks at trajectories as a sceptic: are the arrays what the course's format says, and do they tell one story?"""

import numpy as np

from tiny_jepa.worlds.contract import UNUSUAL, read_agents

TOLERANCE = 0.03  # px: an agent read off uint8 pixels is within 0.01 of its location
LONGEST = 2.0  # px


def inspect(states: np.ndarray, actions: np.ndarray, locations: np.ndarray | None) -> dict[str, np.ndarray]:
    """Which trajectories [N] have which fault: states [N, T, 2, H, W], actions [N, T-1, 2] px, and locations [N, T, 2]
    px where a set has them."""
    agent, layout, where = states[:, :, 0], states[:, :, 1], read_agents(states[:, :, 0])
    if states.dtype == np.uint8:
        scale, strange = "the agent's peak is not 200 to 255", agent.max((2, 3)) < 200
    else:
        scale, strange = "the agent does not sum to 1", ~(np.abs(agent.sum((2, 3)) - 1) < 0.01)
    faults = {
        "the agent's channel, the first, is empty": agent.max((2, 3)) <= 0,
        "the layout, the second channel, is empty": layout.max((2, 3)) <= 0,
        "the layout changes from frame to frame; the agent is the first channel, the layout the second": (
            layout != layout[:, :1]
        ),
        f"{UNUSUAL}: {scale}": strange,
        f"{UNUSUAL}: actions are longer than {LONGEST:g} px": np.linalg.norm(actions, axis=-1) > LONGEST,
    }
    if locations is not None:
        faults |= compare("locations.npy", where, locations, TOLERANCE)
    moved = np.diff(where, axis=1)
    blocked = np.abs(moved).max(-1, keepdims=True) < TOLERANCE
    faults |= compare("actions.npy", np.where(blocked, actions, moved), actions, 2 * TOLERANCE)
    return {fault: bad.reshape(len(bad), -1).any(1) for fault, bad in faults.items()}


def compare(file: str, seen: np.ndarray, recorded: np.ndarray, tolerance: float) -> dict[str, np.ndarray]:
    """Where [N] `recorded` [N, T, 2] is not what the frames show, by the likely reason."""

    def agree(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return (np.abs(one - other) < tolerance).all((1, 2))  # [N]; NaN never agrees

    bad = ~agree(seen, recorded)
    swapped = bad & agree(seen, recorded[..., ::-1])
    shifted = bad & ~swapped & (agree(seen[:, 1:], recorded[:, :-1]) | agree(seen[:, :-1], recorded[:, 1:]))
    return {
        f"{file}: x and y are swapped": swapped,
        f"{file}: shifted by a frame against states.npy": shifted,
        f"{file} does not agree with the agent in states.npy": bad & ~swapped & ~shifted,
    }
