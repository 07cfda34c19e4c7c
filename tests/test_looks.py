"""benchmarks/look.py: cells and reckoned paths are right, and every picture is drawn."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import look
from tiny_jepa import build_model, load_model
from tiny_jepa.data import Source
from tiny_jepa.models.map import Maps
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, UNIT
from tiny_jepa.worlds.two_rooms.sets import ProceduralSet, SetRecipe

SMALL = {"probe_normal/train": SetRecipe("explore", 320), "probe_normal/val": SetRecipe("explore", 64)}
SMALL |= {"probe_wall/val": SetRecipe("wall", 64)}


class SmallSource(Source):
    """The simulator, with few trajectories and without some sets."""

    def find(self, name):
        return ProceduralSet(name, SMALL[name]) if name in SMALL else None


@pytest.mark.parametrize("way", [(1.2, -0.9), (-1.4, 0.3), (0.1, 0.1)])
def test_a_look_says_which_cells_decide(way):
    cell, drawn, start = build_model("250").predictor, np.random.default_rng(0).random((64, 64)) < 0.5, (20.3, 30.6)
    seen = look.look(cell, drawn, np.array(start), np.array(way))
    maps = Maps.of(255 * torch.from_numpy(drawn).byte()[None])
    logit = cell.gate_logit(cell.view(torch.tensor([start]) / UNIT, torch.tensor([way]) / UNIT, maps))
    assert seen.logits.min() == pytest.approx(logit.item(), abs=1e-5)
    places = np.array(start) + np.linspace(0, 1, 999)[:, None] * way
    assert set(map(tuple, seen.cells)) == set(map(tuple, np.floor(places)))


def test_reckoned_paths_are_free_moves_and_every_picture_is_drawn(tmp_path: Path, monkeypatch):
    pytest.importorskip("matplotlib")
    source, kept = SmallSource(TWO_ROOMS), look.read_out_all(load_model("250"), SmallSource(TWO_ROOMS))
    wall = source.find("probe_wall/val").trajectories
    free = wall.locations[:, :1] + np.concatenate([np.zeros((64, 1, 2)), wall.actions.cumsum(1)], axis=1)
    assert np.abs(kept["wall"].reckoned - free).max() < 0.1  # the start is read from uint8 pixels
    assert np.array_equal(kept["wall"].true, wall.locations)
    monkeypatch.setattr(look, "open_source", lambda data, world: source)
    monkeypatch.setattr(look, "read_out_all", lambda model, source: kept)
    look.main(budget="250", out=tmp_path)
    names = {"over_time.png", "maps.png", "reads.png", "rollouts.png", "rollouts.gif"}
    assert {path.name for path in tmp_path.iterdir()} == names
