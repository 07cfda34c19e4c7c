"""`data generate`, `check` and `show` as a user runs them."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tiny_jepa.commands.data import main
from tiny_jepa.data import CourseSet, open_source, writing
from tiny_jepa.data.check import check_set
from tiny_jepa.data.writing import draft, write_sets
from tiny_jepa.errors import UserError, run_cli
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, Geometry
from tiny_jepa.worlds.two_rooms.sets import RECIPES, ProceduralSet


def generate(out: Path, *arguments: str) -> int | None:
    return main(["generate", "--out", str(out), *arguments])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


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
    assert np.load(tmp_path / "train" / "states.npy", mmap_mode="r").shape == (20, 17, 2, size, size)
    assert main(["check", str(tmp_path)]) == 0


def test_options_reach_the_files(tmp_path):
    arguments = "--set train --set probe_wall/val --count 60 --steps 25 --image-size 65 --dtype float32"
    exclusions = "--exclude-walls 20-30,34 --exclude-doors 10-40"
    assert generate(tmp_path, *arguments.split(), *exclusions.split()) == 0
    states = np.load(tmp_path / "train" / "states.npy")
    assert states.shape == (60, 26, 2, 65, 65) and states.dtype == np.float32
    np.testing.assert_allclose(states[:, :, 0].sum((2, 3)), 1, atol=1e-4)
    row, *_ = check_set(tmp_path / "train", "train", TWO_ROOMS)
    assert row["wall columns"] == "31-33, 35-36, 42-44"


def test_a_folder_of_another_version_of_the_sets_is_told_and_not_continued(tmp_path):
    arguments = ["--set", "probe_wall/val", "--count", "30", "--steps", "2"]
    assert generate(tmp_path, *arguments) == 0
    path = tmp_path / "probe_wall/val/metadata.json"
    record = json.loads(path.read_text())
    del record["settings"]["sets_version"]  # version 1 did not record it
    for written in (30, 0):  # complete, interrupted
        path.write_text(json.dumps({**record, "written": written}))
        assert "(sets version 1), chosen by" in open_source(str(tmp_path), TWO_ROOMS).describe()
        for more in (arguments, ["--set", "train", "--count", "30"]):  # go on with it, or put today's beside it
            with pytest.raises(UserError, match="holds version 1 of the procedural sets, and this program draws"):
                generate(tmp_path, *more)
    path.write_text("[]")
    assert open_source(str(tmp_path), TWO_ROOMS).sets_version is None
    with pytest.raises(UserError, match="holds no JSON object; give another --out"):
        generate(tmp_path, *arguments)


class Counted(ProceduralSet):
    """A set that notes the first of the trajectories that are drawn, and stops at one."""

    def __init__(self, stop=None):
        super().__init__("probe_normal/val", replace(RECIPES["probe_normal/val"], count=45))
        self.stop, self.drawn = stop, []

    def frames(self, indices, *part):
        self.drawn.append(int(indices[0]))
        if self.drawn[-1] == self.stop:
            raise KeyboardInterrupt
        return super().frames(indices, *part)


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    def write(dataset, folder, settings):
        return write_sets([replace(draft(dataset, folder, settings), block=20)])

    monkeypatch.setattr(writing, "CHUNK_BYTES", 4 * 17 * 2 * 64 * 64)
    again, settings, a, b = Counted(), {"any": (1, 2)}, tmp_path / "a", tmp_path / "b"
    assert write(Counted(stop=28), a, settings) == 130  # in the midst of a block
    assert not any(a.glob("*.npy")) and json.loads((a / "metadata.json").read_text())["written"] == 20
    with pytest.raises(UserError, match="generation was interrupted; run the same `data generate` again"):
        CourseSet(a, "probe_normal/val", TWO_ROOMS)
    with pytest.raises(UserError, match="begun with other settings"):
        write(again, a, {"any": (1, 3)})
    assert write(again, a, settings) == write(again, a, settings) == 0
    assert [i for i in again.drawn if i] == [*range(20, 45, 4)]  # each once
    assert write(Counted(), b, settings) == 0
    assert contents(a) == contents(b)


def test_nothing_of_others_is_overwritten(tmp_path):
    (tmp_path / "train").mkdir()
    np.save(tmp_path / "train" / "states.npy", np.zeros(3))
    with pytest.raises(UserError, match=r"metadata\.json is missing; give another --out"):
        generate(tmp_path, "--set", "train", "--count", "5")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        generate(tmp_path / "file", "--set", "train", "--count", "5")


def test_a_full_disk_is_said_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1_000_000))
    with pytest.raises(UserError, match=r"needs 20\.5 GB and the disk has 0\.0 GB free"):
        generate(tmp_path, "--set", "train")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generate"], "--out"),
        (["generate", "--out", "x", "--set", "test"], "invalid choice 'test'"),
        (["generate", "--out", "x", "--image-size", "61"], "--image-size must be greater than or equal to 62, not 61"),
        (["generate", "--out", "x", "--exclude-walls", "20-"], "whole numbers such as"),
        (["generate", "--out", "x", "--exclude-walls", "20-43"], "no wall column or no door row left"),
        (["generate", "--out", "x", "--set", "probe_wall/val", "--door-rate", ".1"], "--door-rate is for explorations"),
        (["generate", "--out", "x", "--set", "probe_maze/val", "--exclude-doors", "9"], "are for two rooms"),
        (["check", "nowhere"], "nowhere (from --data), or one that holds no set"),
        (["check", "nowhere", "--world", "tworoom"], "the world tworoom does not say what to look for"),
        (["show", "procedural", "--first", "12000"], "trajectories 0 to 11999"),
        (["show", "procedural", "--set", "test"], "procedural has no set test; sets are train, probe_normal/train"),
        (["show", "procedural", "--world", "tworoom"], "the world tworoom is not simulated"),
        (["burn"], "unknown verb 'burn'; there are generate, collect, check, show"),
    ],
)
def test_bad_arguments_exit_with_status_2(tmp_path, arguments, message, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exited:
        run_cli(lambda: main(arguments))
    assert exited.value.code == 2
    assert message in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["train", "probe_normal/val", "probe_long/val"])
def test_check_counts_starts_in_the_wall_and_takes_them_for_ordinary(tmp_path, name):
    assert generate(tmp_path, "--set", name, "--count", "400", "--steps", "16", "--door-rate", "0.6") == 0
    row, faults, _ = check_set(tmp_path / name, name, TWO_ROOMS)
    in_wall, in_door = (int(row[f"starts in {where}"].split()[0]) for where in ("wall", "door"))
    assert not faults and 2 <= in_wall <= 20 and 5 <= in_door <= 30
    assert row["starts in wall"] == f"{in_wall} ({in_wall / 400:.1%})"
    (tmp_path / "probe_wall").mkdir()
    (tmp_path / name).rename(tmp_path / "probe_wall/val")
    if name == "probe_normal/val":  # as another set, it has faults
        _, faults, _ = check_set(tmp_path / "probe_wall/val", "probe_wall/val", TWO_ROOMS)
        assert faults == [f"the agent starts inside a wall ({in_wall} of 400 trajectories read)"]


def test_check_tells_seen_from_unseen_walls(tmp_path, capsys):
    arguments = "--set train --set probe_wall_other/val --count 400 --steps 1"
    assert generate(tmp_path, *arguments.split()) == 0
    assert main(["check", str(tmp_path), "--limit", "0"]) == 0
    out = capsys.readouterr().out
    assert "20-36, 42-43" in out and "37-41" in out and "note" not in out
    shutil.copy(tmp_path / "probe_wall_other/val/states.npy", tmp_path / "train/states.npy")
    shutil.copy(tmp_path / "probe_wall_other/val/actions.npy", tmp_path / "train/actions.npy")
    assert main(["check", str(tmp_path)]) == 0
    assert "note on train: it has the columns 37 to 41" in capsys.readouterr().out


def test_show_writes_a_sheet_and_an_animation(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    assert main(["show", "procedural", "--set", "probe_wall/val", "--count", "5", "--out", str(tmp_path)]) == 0
    with image.open(tmp_path / "trajectories.gif") as animation:
        assert animation.n_frames > 1 and animation.size[0] > 256
    with image.open(tmp_path / "trajectories.png") as sheet:
        colours = np.unique(np.asarray(sheet.convert("RGB")).reshape(-1, 3), axis=0)
        assert sheet.size[0] > 250 and len(colours) > 20


def test_show_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match="pip install matplotlib pillow"):
        main(["show", "procedural", "--out", str(tmp_path)])
