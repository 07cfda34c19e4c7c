"""Deeper looks: distances, bins and cells are right, and the verb draws every picture."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tiny_jepa import build_model
from tiny_jepa.commands import look
from tiny_jepa.data import Source
from tiny_jepa.looks.readout import ReadOut, binned, examples, read_out_all
from tiny_jepa.looks.readout import look as look_at
from tiny_jepa.models import JEPA, Architecture
from tiny_jepa.models.map import Maps
from tiny_jepa.weights import save_weights
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, UNIT
from tiny_jepa.worlds.two_rooms.sets import ProceduralSet, SetRecipe

SMALL = {
    "probe_normal/train": SetRecipe("explore", 320),
    "probe_normal/val": SetRecipe("explore", 64),
    "probe_wall/val": SetRecipe("wall", 64),
    "probe_expert/train": SetRecipe("expert", 128, steps=40),
    "probe_expert/val": SetRecipe("expert", 64, steps=40),
}
MODEL = JEPA(Architecture(gate_widths=(16,)), TWO_ROOMS.frame).eval()


class SmallSource(Source):
    """The simulator, with few trajectories and without some sets."""

    def find(self, name):
        return ProceduralSet(name, SMALL[name]) if name in SMALL else None


SOURCE = SmallSource(TWO_ROOMS)


def test_distances_are_those_to_the_nearest_drawn_pixel():
    drawn = ProceduralSet("any", SetRecipe("maze", 3)).frames(np.arange(3), 0, 1)[:, 0, 1].numpy() > 0
    places = np.array([[[9.5, 9.5], [32.0, 20.25]]] * 3, np.float32)
    for found, pixels, where in zip(ReadOut(places, places, places, drawn).distance, drawn, places, strict=True):
        rows, columns = np.nonzero(pixels)
        assert found == pytest.approx([np.hypot(columns - x, rows - y).min() for x, y in where], abs=1e-4)


@pytest.mark.parametrize("way", [(1.2, -0.9), (-1.4, 0.3), (0.1, 0.1)])
def test_a_look_says_which_cells_decide(way):
    cell, drawn, start = build_model("250").predictor, np.random.default_rng(0).random((64, 64)) < 0.5, (20.3, 30.6)
    seen = look_at(cell, drawn, np.array(start), np.array(way))
    maps = Maps.of(255 * torch.from_numpy(drawn).byte()[None])
    logit = cell.gate_logit(cell.view(torch.tensor([start]) / UNIT, torch.tensor([way]) / UNIT, maps))
    assert seen.logits.min() == pytest.approx(logit.item(), abs=1e-5)
    places = np.array(start) + np.linspace(0, 1, 999)[:, None] * way
    assert set(map(tuple, seen.cells)) == set(map(tuple, np.floor(places)))
    assert len(seen.told) == len(seen.cells) * len(cell.patch)


def test_reckoned_paths_are_the_simulators_free_moves():
    sets = read_out_all(MODEL, SOURCE, SOURCE, "cpu")
    assert set(sets) == {"normal", "wall", "expert"}
    wall = SOURCE.find("probe_wall/val").trajectories
    free = wall.locations[:, :1] + np.concatenate([np.zeros((64, 1, 2)), wall.actions.cumsum(1)], axis=1)
    assert np.abs(sets["wall"].reckoned - free).max() < 0.1  # the start is read from uint8 pixels
    assert sets["expert"].errors(reckoned=True).max() < 0.01
    assert np.array_equal(sets["wall"].true, wall.locations)
    assert [name for name, _, _ in examples(sets, 3)] == ["normal"] * 3 + ["wall"] * 3


def test_bins_and_cells():
    x, y, errors = np.array([0.5, 0.6, 1.5]), np.array([1.5, 1.6, 0.5]), np.array([1.0, 3.0, 5.0])
    assert np.array_equal(binned(errors, np.array([0, 1, 2, 3]), x), [2.0, 5.0, np.nan], equal_nan=True)
    cells = binned(errors, np.array([0, 1, 2]), y, x)
    assert np.array_equal(cells, [[np.nan, 5.0], [2.0, np.nan]], equal_nan=True)


def test_the_tail_table_says_what_the_worst_ten_trajectories_make():
    true = np.zeros((20, 3, 2))
    predicted = true.copy()
    predicted[:2] = 3.0  # two of twenty are 9 px² off, the rest 0.01
    predicted[2:] = 0.1
    read = ReadOut(predicted, true, true, np.zeros((20, 4, 4), bool))
    line = look.tail_table({"normal": read}).splitlines()[-1]
    assert [cell.strip() for cell in line.split("|")[1:-1]] == ["normal", "0.909", "0.0100", "2 of 20", "99%", "0.0100"]


def test_the_verb_draws_everything(tmp_path: Path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    save_weights(tmp_path / "w.pth", MODEL, {"budget": "2k"})
    monkeypatch.setattr(look, "open_source", lambda data, world: SOURCE)
    look.main(["--weights", str(tmp_path / "w.pth"), "--out", str(tmp_path / "looks")])
    names = {"over_time.png", "near_wall.png", "maps.png", "reads.png", "rollouts.png", "rollouts.gif"}
    assert {path.name for path in (tmp_path / "looks").iterdir()} == names
    printed = capsys.readouterr().out
    assert "| wall " in printed and "last, dead reckoning" in printed
