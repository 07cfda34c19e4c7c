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
from tiny_jepa.data import generate as generating
from tiny_jepa.data.generate import write_set
from tiny_jepa.errors import UserError
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, Geometry
from tiny_jepa.worlds.two_rooms.sets import RECIPES, ProceduralSet


def generate(out: Path, *arguments: str) -> int | None:
    return main(["generate", "--out", str(out), *arguments])


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tiny_jepa", "data", *arguments]


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
    report = check_set_of(tmp_path, "train")
    assert report.inspection.walls and report.inspection.walls <= {31, 32, 33, 35, 36, 42, 43, 44}


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
    with pytest.raises(UserError, match="not a record of `data generate`"):
        generate(tmp_path, *arguments)


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    recipe = replace(RECIPES["probe_wall/val"], count=4500, steps=2)

    class Stop(Exception):
        pass

    def stop_late(world, recipe, name, seed, block):
        if block == 2:
            raise Stop
        return original(world, recipe, name, seed, block)

    original = generating.generate_block
    monkeypatch.setattr(generating, "generate_block", stop_late)
    with pytest.raises(Stop):
        write_set(tmp_path / "a", "probe_wall/val", recipe, Geometry())
    folder = tmp_path / "a" / "probe_wall/val"
    assert not any(folder.glob("*.npy")) and json.loads((folder / "metadata.json").read_text())["written"] == 4000
    with pytest.raises(UserError, match="generation was interrupted; run the same `data generate` again"):
        CourseSet(folder, "probe_wall/val", labelled=True, world=TWO_ROOMS)
    with pytest.raises(UserError, match="begun with other settings"):
        write_set(tmp_path / "a", "probe_wall/val", recipe, Geometry(), seed=1)

    blocks = []
    monkeypatch.setattr(generating, "generate_block", lambda *a: blocks.append(a[-1]) or original(*a))
    assert write_set(tmp_path / "a", "probe_wall/val", recipe, Geometry())
    assert blocks == [2]
    assert not write_set(tmp_path / "a", "probe_wall/val", recipe, Geometry())  # complete: nothing to do
    write_set(tmp_path / "b", "probe_wall/val", recipe, Geometry())
    assert contents(folder) == contents(tmp_path / "b" / "probe_wall/val")


def test_a_killed_run_leaves_nothing_that_looks_complete_and_is_resumed(tmp_path):
    arguments = ["--set", "train", "--count", "9000", "--steps", "2"]
    process = subprocess.Popen(command("generate", "--out", str(tmp_path / "a"), *arguments), stderr=subprocess.DEVNULL)
    record = tmp_path / "a" / "train" / "metadata.json"
    deadline = time.monotonic() + 60
    while not record.exists() and process.poll() is None and time.monotonic() < deadline:
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
    with pytest.raises(UserError, match="already holds a set that was not written by this command"):
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
        (["generate", "--out", "x", "--count", "0"], "--count must be from 1"),
        (["generate", "--out", "x", "--image-size", "61"], "--image-size must be from 62 to 72, not 61"),
        (["generate", "--out", "x", "--image-size", "73"], "--image-size must be from 62 to 72, not 73"),
        (["generate", "--out", "x", "--door-rate", "2"], "--door-rate must be from 0 to 1, not 2"),
        (["generate", "--out", "x", "--exclude-walls", "20-"], "expected whole numbers such as"),
        (["generate", "--out", "x", "--exclude-walls", "20-43"], "no wall column or no door row left"),
        (
            ["generate", "--out", "x", "--set", "probe_wall/val", "--door-rate", "0.1"],
            "--door-rate is for explorations",
        ),
        (["generate", "--out", "x", "--seed", "-1"], "--seed must be from 0"),
        (["check", "nowhere"], "no such data folder: nowhere"),
        (["check", "nowhere", "--limit", "-1"], "--limit must be from 0"),
        (["show", "procedural", "--first", "12000"], "trajectories 0 to 11999"),
        (["burn"], "unknown verb 'burn'; there are generate, collect, check, show"),
    ],
)
def test_bad_arguments_exit_with_status_2(tmp_path, arguments, message, capsys, monkeypatch):
    from tiny_jepa.errors import run_cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(generating, "write_set", lambda *_: pytest.fail("began to write"))
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


def check_set_of(root: Path, name: str):
    from tiny_jepa.data.check import check_set

    return check_set(root / name, name, limit=0)


def teleport(arrays):
    """An agent put inside the wall, in frames and locations alike."""
    from tiny_jepa.worlds.two_rooms import render_agents
    from tiny_jepa.worlds.two_rooms.walls import layouts_of, walls_of

    ((column, door),) = layouts_of(walls_of(arrays["states"][5:6, 0, 1] > 0))
    arrays["locations"][5, 3] = (column, 52 if door < 32 else 12)
    arrays["states"][5, 3, 0] = render_agents(Geometry(), arrays["locations"][5, 3:4])[0]


def walk_through(arrays):
    """Moves as if there was no wall."""
    from tiny_jepa.worlds.two_rooms import render_agents

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


@pytest.mark.parametrize("expected", FAULTS)
def test_check_finds_the_fault_it_is_given(good, tmp_path, expected, capsys):
    name = "probe_normal/val"
    arrays = {path.stem: np.load(path) for path in (good / name).glob("*.npy")}
    FAULTS[expected](arrays)
    (tmp_path / name).mkdir(parents=True)
    for key, array in arrays.items():
        np.save(tmp_path / name / f"{key}.npy", np.ascontiguousarray(array))
    assert main(["check", str(tmp_path)]) == 1
    assert f"fault in {name}: " in (out := capsys.readouterr().out) and expected in out


@pytest.mark.parametrize("name", ["probe_wall/val", "probe_maze/val"])
def test_check_finds_moves_through_walls(good, tmp_path, name, capsys):
    arrays = {path.stem: np.load(path) for path in (good / name).glob("*.npy")}
    walk_through(arrays)
    (tmp_path / name).mkdir(parents=True)
    for key, array in arrays.items():
        np.save(tmp_path / name / f"{key}.npy", array)
    assert main(["check", str(tmp_path)]) == 1
    assert "moves that the walls would have stopped" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["train", "probe_normal/val", "probe_long/val"])
def test_check_counts_starts_in_the_wall_and_takes_them_for_ordinary(tmp_path, name, capsys):
    assert generate(tmp_path, "--set", name, "--count", "400", "--steps", "16", "--door-rate", "0.6") == 0
    assert main(["check", str(tmp_path)]) == 0
    report = check_set_of(tmp_path, name)
    assert 2 <= report.inspection.in_wall <= 20 and 5 <= report.inspection.in_door <= 30
    header, row = capsys.readouterr().out.splitlines()[-2:]
    assert "starts in wall  starts in door" in header
    assert (
        f"{report.inspection.in_wall} ({report.inspection.in_wall / 400:.1%})" in row
        and f"{report.inspection.in_door} (" in row
    )


def test_check_takes_starts_in_the_wall_for_faults_where_the_set_is_none_of_the_ordinary(tmp_path, capsys):
    assert generate(tmp_path, "--set", "probe_normal/val", "--count", "400", "--door-rate", "0.6") == 0
    (tmp_path / "probe_wall").mkdir()
    (tmp_path / "probe_normal/val").rename(tmp_path / "probe_wall/val")
    assert main(["check", str(tmp_path)]) == 1
    report = check_set_of(tmp_path, "probe_wall/val")
    assert report.lines() == [f"the agent starts inside a wall ({report.inspection.in_wall} of 400 trajectories read)"]


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
