"""`data generate` and `check` as a user runs them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tiny_jepa.commands.data import main
from tiny_jepa.data import open_source, writing
from tiny_jepa.data.writing import draft, write_sets
from tiny_jepa.errors import UserError, run_cli
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, Geometry
from tiny_jepa.worlds.two_rooms.sets import RECIPES, ProceduralSet


def generate(out: Path, *arguments: str) -> int | None:
    return main(["generate", "--out", str(out), *arguments])


@pytest.mark.parametrize("size", [62, 72])
def test_the_whole_tree_is_the_procedural_sets_on_disk(tmp_path, capsys, size):
    assert generate(tmp_path, "--count", "20", "--seed", "5", "--image-size", str(size)) == 0
    for name, recipe in RECIPES.items():
        files = {"states.npy", "actions.npy", "metadata.json"} | set(["locations.npy"] * (name != "train"))
        assert {path.name for path in (tmp_path / name).iterdir()} == files
        read = open_source(str(tmp_path), TWO_ROOMS).require(name)
        ours = ProceduralSet(name, replace(recipe, count=20), Geometry(size=size), seed=5)
        indices = np.arange(20)
        assert torch.equal(read.frames(indices), ours.frames(indices))
        assert torch.equal(read.actions(indices), ours.actions(indices))
        if name != "train":
            assert torch.equal(read.locations(indices), ours.locations(indices))
    assert "20 trajectories" in capsys.readouterr().out
    record = json.loads((tmp_path / "train" / "metadata.json").read_text())
    assert record["settings"]["seed"] == 5 and record["settings"]["recipe"]["count"] == 20 and record["version"]
    assert record["settings"]["sets_version"] == open_source(str(tmp_path), TWO_ROOMS).sets_version == 3
    assert main(["check", str(tmp_path), "--limit", "0"]) == 0


def test_options_reach_the_files(tmp_path):
    arguments = "--set train --set probe_wall/val --count 60 --steps 25 --image-size 65 --dtype float32"
    exclusions = "--exclude-walls 20-30,34 --exclude-doors 10-40"
    assert generate(tmp_path, *arguments.split(), *exclusions.split()) == 0
    states = np.load(tmp_path / "train" / "states.npy")
    assert states.shape == (60, 26, 2, 65, 65) and states.dtype == np.float32
    np.testing.assert_allclose(states[:, :, 0].sum((2, 3)), 1, atol=1e-4)
    drawn = set(np.flatnonzero((states[:, 0, 1, 5] > 0).any(0)).tolist()) - {4, 60}
    assert drawn and drawn <= {*range(30, 46)}  # walls from 31 to 44, each with a column on either side


def test_the_version_of_a_folders_sets_is_told(tmp_path):
    assert generate(tmp_path, "--set", "probe_wall/val", "--count", "3", "--steps", "2") == 0
    path = tmp_path / "probe_wall/val/metadata.json"
    record = json.loads(path.read_text())
    del record["settings"]["sets_version"]  # version 1 did not record it
    for content, version in ((record, 1), ([], None), ({"settings": []}, None)):
        path.write_text(json.dumps(content))
        assert open_source(str(tmp_path), TWO_ROOMS).sets_version == version


class Stopping(ProceduralSet):
    """A set whose drawing ends with an error."""

    def __init__(self, error):
        super().__init__("probe_normal/val", replace(RECIPES["probe_normal/val"], count=45))
        self.error = error

    def frames(self, indices, *part):
        if indices[0] > 20:
            raise self.error
        return super().frames(indices, *part)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device"), UserError("no")])
def test_what_ends_early_leaves_nothing_and_can_be_begun_anew(tmp_path, monkeypatch, error):
    monkeypatch.setattr(writing, "CHUNK_BYTES", 4 * 17 * 2 * 64 * 64)
    left = tmp_path / "val.partial" / "states.npy"  # of a process that was killed
    left.parent.mkdir()
    left.write_text("")
    with pytest.raises((UserError, KeyboardInterrupt), match=r"^$|no|cannot write .*val: No space left"):
        write_sets([draft(Stopping(error), tmp_path / "val", {})])
    assert not any(tmp_path.iterdir())
    assert write_sets([draft(ProceduralSet("a", replace(RECIPES["train"], count=3)), tmp_path / "val", {})]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["val"]


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(UserError, match="train exists; remove it, or give another --out"):
        generate(tmp_path, "--set", "probe_wall/val", "--set", "train", "--count", "5")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        generate(tmp_path / "file", "--set", "train", "--count", "5")
    assert {path.name for path in tmp_path.iterdir()} == {"train", "file"}


def test_a_full_disk_is_said_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1_000_000))
    with pytest.raises(UserError, match=r"needs 20\.5 GB and the disk has 0\.0 GB free"):
        generate(tmp_path, "--set", "train")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generate", "--out", "x", "--exclude-walls", "20-43"], "no wall column or no door row left"),
        (["generate", "--out", "x", "--set", "probe_wall/val", "--door-rate", ".1"], "--door-rate is for explorations"),
        (["generate", "--out", "x", "--set", "probe_maze/val", "--exclude-doors", "9"], "are for two rooms"),
        (["check", "nowhere"], "nowhere (from --data), or one that is not the folder of all sets"),
        (["check", "nowhere", "--world", "tworoom"], "the world tworoom does not say what to look for"),
        (["burn"], "unknown verb 'burn'; there are generate, collect, check"),
    ],
)
def test_bad_arguments_exit_with_status_2(tmp_path, arguments, message, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exited:
        run_cli(lambda: main(arguments))
    assert exited.value.code == 2
    assert message in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
