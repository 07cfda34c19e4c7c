"""`data generate`, `check` and `show` as a user runs them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tiny_jepa.commands.data import main
from tiny_jepa.data import CourseSet, open_source
from tiny_jepa.data.check import check_set
from tiny_jepa.data.writing import draft, write_sets
from tiny_jepa.errors import UserError, run_cli
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, Geometry, render_agents
from tiny_jepa.worlds.two_rooms.sets import RECIPES, ProceduralSet
from tiny_jepa.worlds.two_rooms.walls import layouts_of, walls_of


def generate(out: Path, *arguments: str) -> int | None:
    return main(["generate", "--out", str(out), *arguments])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_whole_tree_is_the_procedural_sets_on_disk(tmp_path, capsys):
    assert generate(tmp_path, "--count", "20", "--seed", "5") == 0
    for name, recipe in RECIPES.items():
        files = {path.name for path in (tmp_path / name).iterdir()}
        assert files == {"states.npy", "actions.npy", "metadata.json"} | (
            {"locations.npy"} if name != "train" else set()
        )
        read = open_source(str(tmp_path), TWO_ROOMS).require(name)
        ours = ProceduralSet(name, replace(recipe, count=20), seed=5)
        indices = np.arange(20)
        assert torch.equal(read.frames(indices), ours.frames(indices))
        assert torch.equal(read.actions(indices), ours.actions(indices))
        if name != "train":
            assert torch.equal(read.locations(indices), ours.locations(indices))
    assert "20 trajectories" in capsys.readouterr().out
    record = json.loads((tmp_path / "train" / "metadata.json").read_text())
    assert record["settings"]["seed"] == 5 and record["settings"]["recipe"]["count"] == 20 and record["version"]
    assert record["settings"]["sets_version"] == open_source(str(tmp_path), TWO_ROOMS).sets_version == 3
    assert np.load(tmp_path / "train" / "states.npy", mmap_mode="r").shape == (20, 17, 2, 64, 64)
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


@pytest.mark.parametrize("size", [62, 72])
def test_every_size_is_written_and_checked(tmp_path, size):
    assert generate(tmp_path, "--count", "30", "--image-size", str(size)) == 0
    assert open_source(str(tmp_path), TWO_ROOMS).require("train").image_size == size
    assert main(["check", str(tmp_path)]) == 0


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


class Counted:
    """Any set of trajectories, which notes the first of those that are drawn, and stops at one."""

    name, image_size, length = "probe_any/val", 8, 3

    def __init__(self, stop=None):
        self.stop, self.drawn = stop, []

    def __len__(self):
        return 4500

    def frames(self, indices, start=0, stop=None):
        self.drawn.append(int(indices[0]))
        if self.drawn[-1] == self.stop:
            raise KeyboardInterrupt
        return torch.from_numpy(indices[:, None, None, None, None] * np.ones((1, 3, 1, 8, 8))).byte()

    def actions(self, indices):
        return torch.from_numpy(indices[:, None, None] * np.ones((1, 2, 2), np.float32))

    def locations(self, indices):
        return torch.from_numpy(indices[:, None, None] * np.ones((1, 3, 2), np.float32))


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path):
    interrupted, again, settings = Counted(stop=4000), Counted(), {"any": (1, 2)}
    a, b = tmp_path / "a", tmp_path / "b"
    assert write_sets([draft(interrupted, a, settings)]) == 130
    assert not any(a.glob("*.npy")) and json.loads((a / "metadata.json").read_text())["written"] == 4000
    with pytest.raises(UserError, match="generation was interrupted; run the same `data generate` again"):
        CourseSet(a, "probe_any/val", TWO_ROOMS)
    with pytest.raises(UserError, match="begun with other settings"):
        write_sets([draft(again, a, {"any": (1, 3)})])
    assert write_sets([draft(again, a, settings)]) == 0
    assert min(again.drawn[1:]) == 0 and sorted(set(again.drawn)) == [0, 4000]
    assert write_sets([draft(again, a, settings)]) == 0  # complete: nothing to do
    assert write_sets([draft(Counted(), b, settings)]) == 0
    assert contents(a) == contents(b)


def test_a_killed_run_leaves_nothing_that_looks_complete_and_is_resumed(tmp_path):
    arguments = ["--set", "train", "--count", "9000", "--steps", "2"]
    command = [sys.executable, "-m", "tiny_jepa", "data", "generate", "--out", str(tmp_path / "a"), *arguments]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    record = tmp_path / "a" / "train" / "metadata.json"
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if record.exists() and json.loads(record.read_text())["written"]:
            break
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    if json.loads(record.read_text())["written"] == 9000:
        pytest.skip("the machine was faster than the kill")
    assert not any((tmp_path / "a" / "train").glob("*.npy"))
    assert generate(tmp_path / "a", *arguments) == 0
    assert generate(tmp_path / "b", *arguments) == 0
    assert contents(tmp_path / "a" / "train") == contents(tmp_path / "b" / "train")
    shutil.rmtree(tmp_path)  # 440 MB


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
        (["check", "nowhere"], "nowhere (from --data; No such file"),
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


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("good")
    names = ("probe_normal/val", "probe_wall/val", "probe_maze/val", "train")
    assert generate(out, "--count", "40", *(f"--set={name}" for name in names)) == 0
    return out


def teleport(arrays):
    """An agent put inside the wall, in frames and locations alike."""
    ((column, door),) = layouts_of(walls_of(arrays["states"][5:6, 0, 1] > 0))
    arrays["locations"][5, 3] = (column, 52 if door < 32 else 12)
    arrays["states"][5, 3, 0] = render_agents(Geometry(), arrays["locations"][5, 3:4])[0]


def walk_through(arrays):
    """Moves as if there was no wall."""
    moved = (arrays["locations"][:, :1] + np.cumsum(arrays["actions"], axis=1)).clip(4.1, 58.9)
    arrays["locations"][:, 1:] = moved
    frames = render_agents(Geometry(), arrays["locations"].reshape(-1, 2))
    arrays["states"][:, :, 0] = frames.reshape(arrays["states"][:, :, 0].shape)


FAULTS = {
    "locations.npy: x and y are swapped": lambda a: a.update(locations=a["locations"][..., ::-1].copy()),
    "actions.npy: x and y are swapped": lambda a: a.update(actions=a["actions"][..., ::-1].copy()),
    "locations.npy: shifted by a frame": lambda a: a.update(locations=np.roll(a["locations"], 1, axis=1)),
    "actions.npy: shifted by a frame": lambda a: a.update(actions=np.roll(a["actions"], -1, axis=1)),
    "locations.npy does not agree": lambda a: a["locations"].__setitem__((3, 4, 0), 11.5),
    "the agent gets inside a wall": teleport,
    "the layout changes from frame to frame": lambda a: a["states"].__setitem__((2, 9, 1), a["states"][3, 0, 1].T),
    "the layout is not two pairs of border lines": lambda a: a["states"].__setitem__((2, slice(None), 1, 30, 8), 255),
    "the layout has other values than 0": lambda a: a["states"].__setitem__((2, slice(None), 1, 4, 8), 100),
    "the agent's peak is not 200 to 255": lambda a: a["states"].__setitem__((1, 2, 0), a["states"][1, 2, 0] // 2),
    "the agent does not sum to 1": lambda a: a.update(states=a["states"].astype(np.float32)),
    "holds NaN or infinite values": lambda a: a["actions"].__setitem__((1, 1, 1), np.nan),
    "expected square images": lambda a: a.update(states=a["states"][..., :60]),
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("probe_normal/val", expected) for expected in FAULTS),
        ("probe_wall/val", "moves that the walls would have stopped"),
        ("probe_maze/val", "moves that the walls would have stopped"),
    ],
)
def test_check_finds_the_fault_it_is_given(good, tmp_path, name, expected, capsys):
    arrays = {path.stem: np.load(path) for path in (good / name).glob("*.npy")}
    FAULTS.get(expected, walk_through)(arrays)
    (tmp_path / name).mkdir(parents=True)
    for key, array in arrays.items():
        np.save(tmp_path / name / f"{key}.npy", np.ascontiguousarray(array))
    assert main(["check", str(tmp_path)]) == 1
    assert f"fault in {name}: " in (out := capsys.readouterr().out) and expected in out


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


def test_check_finds_a_truncated_and_a_missing_file(good, tmp_path, capsys):
    shutil.copytree(good, tmp_path / "d")
    path = tmp_path / "d" / "train" / "states.npy"
    path.write_bytes(path.read_bytes()[:-1000])
    (tmp_path / "d" / "probe_wall/val/locations.npy").unlink()
    assert main(["check", str(tmp_path / "d")]) == 1
    out = capsys.readouterr().out
    assert "states.npy is cut short" in out and "locations.npy is missing" in out
    assert out.count("fault in") == 2


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


@pytest.mark.parametrize("count", ["1", "5"])
def test_show_writes_a_sheet_and_an_animation(tmp_path, count):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    assert main(["show", "procedural", "--set", "probe_wall/val", "--count", count, "--out", str(tmp_path)]) == 0
    with image.open(tmp_path / "trajectories.gif") as animation:
        assert animation.n_frames > 1 and animation.size[0] > 256
    with image.open(tmp_path / "trajectories.png") as sheet:
        colours = np.unique(np.asarray(sheet.convert("RGB")).reshape(-1, 3), axis=0)
        assert sheet.size[0] > 250 and len(colours) > 20


def test_show_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match="pip install matplotlib pillow"):
        main(["show", "procedural", "--out", str(tmp_path)])
