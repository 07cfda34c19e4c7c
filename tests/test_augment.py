"""Every augmentation yields trajectories that the simulator would produce, from frames and actions alone."""

import numpy as np
import pytest
import torch

from tiny_jepa.augment import augment, mirror, move_layout, read_scene, redraw, shift_scene
from tiny_jepa.world import UNSEEN_WALLS, World, explore, render_states, rollout, sample_layouts

COUNT = 1500


@pytest.fixture(scope="module", params=[(64, "uint8"), (65, "float32")], ids=["64uint8", "65float32"])
def scene(request):
    size, dtype = request.param
    world, rng = World(size=size), np.random.default_rng(3)
    trajectories = explore(world, sample_layouts(world, COUNT, rng, exclude=UNSEEN_WALLS), 16, rng)
    states = torch.from_numpy(render_states(world, trajectories.locations, trajectories.layouts, np.dtype(dtype)))
    return world, trajectories, states, torch.from_numpy(trajectories.actions)


def disagreements(world, states, actions):
    """Share of the trajectories that the simulator, started where their first frame starts, would not produce."""
    seen = read_scene(states)
    layouts = torch.stack([seen.wall.float().mean(1), seen.door.float().mean(1)], dim=1).numpy()
    simulated = rollout(world, seen.agent[:, 0].double().numpy(), actions.numpy(), layouts)
    return (np.abs(simulated.locations - seen.agent.numpy()).max(axis=(1, 2)) > 0.1).mean()


def test_scene_is_read_to_a_hundredth_of_a_pixel(scene):
    _, trajectories, states, _ = scene
    seen = read_scene(states)
    assert np.abs(seen.agent.numpy() - trajectories.locations).max() < 0.01
    assert np.array_equal(seen.wall.float().mean(1).numpy(), trajectories.layouts[:, 0])
    assert np.array_equal(seen.door.float().mean(1).numpy(), trajectories.layouts[:, 1])
    assert torch.equal(redraw(states[:, 0, 1], seen.border, seen.wall, seen.door), states[:, 0, 1])


@pytest.mark.parametrize("flips", [(True, False), (False, True), (True, True)])
def test_mirrored_trajectories_obey_the_simulator(scene, flips):
    world, _, states, actions = scene
    # what is lost is lost to the pixels' rounding, as without a mirror
    allowed = disagreements(world, states, actions) + 0.003
    assert disagreements(world, *mirror(states, actions, *flips)) <= allowed


@pytest.mark.parametrize("transform", [shift_scene, move_layout])
def test_moved_scenes_obey_the_simulator(scene, transform):
    world, _, states, actions = scene
    moved = transform(states, actions, np.random.default_rng(0))
    changed = (moved != states).flatten(1).any(1)
    assert changed.float().mean() > 0.2
    assert disagreements(world, moved, actions) <= disagreements(world, states, actions) + 0.003
    assert torch.equal(moved[~changed], states[~changed])


def test_shifts_carry_blocked_moves_along_and_walls_reach_unseen_columns(scene):
    _, _, states, actions = scene
    shifted = shift_scene(states, actions, np.random.default_rng(1))
    before, after = read_scene(states), read_scene(shifted)
    moved = (before.wall != after.wall).any(1)
    still = (after.agent[:, 1:] - after.agent[:, :-1]).norm(dim=-1) < 0.05
    assert still[moved].any()
    assert set(UNSEEN_WALLS) & set(after.wall.float().mean(1).int().tolist())


def test_none_changes_nothing_and_draws_repeat(scene):
    _, _, states, actions = scene
    same, signs = augment(states, actions, np.random.default_rng(0), "none")
    assert same is states and signs is actions
    first, second = (augment(states, actions, np.random.default_rng(5), "full") for _ in range(2))
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert not torch.equal(first[0], states)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_batches_of_any_size_are_augmented(scene, count):
    _, _, states, actions = scene
    for kind in ("mirrors", "full"):
        assert len(augment(states[:count], actions[:count], np.random.default_rng(0), kind)[0]) == count
