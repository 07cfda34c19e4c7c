"""Data: folders and the procedural sets behind one interface, in bounded memory; `data generate` and `check`."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tiny_jepa.commands.data import main
from tiny_jepa.data import CourseSet, Loader, open_source, read_batch, writing
from tiny_jepa.data.source import Drawn
from tiny_jepa.data.writing import draft, write_sets
from tiny_jepa.errors import UserError, run_cli
from tiny_jepa.files import Held, locked
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, Geometry
from tiny_jepa.worlds.two_rooms.sets import RECIPES, SETS_VERSION, ProceduralSet

PROCEDURAL = ProceduralSet("probe_normal/val", replace(RECIPES["probe_normal/val"], count=40))


def write(root: Path, name: str = "probe_normal/val", dataset=PROCEDURAL, **changes) -> Path:
    """A folder with one set; `changes` replace whole arrays, None leaves one out."""
    indices = np.arange(len(dataset))
    arrays = {key: getattr(dataset, method)(indices).numpy() for key, method in KEYS.items()} | changes
    (root / name).mkdir(parents=True)
    for key, array in arrays.items():
        if array is not None:
            np.save(root / name / f"{key}.npy", array)
    return root


KEYS = {"states": "frames", "actions": "actions", "locations": "locations"}


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16", ">f4"])
def test_a_folder_reads_as_the_procedural_set(tmp_path, dtype):
    source = replace(PROCEDURAL.recipe, count=12)
    dataset = ProceduralSet(PROCEDURAL.name, source, Geometry(size=65), 0, "uint8" if dtype == "uint8" else "float32")
    states = dataset.frames(np.arange(12)).numpy().astype(dtype)
    read = CourseSet(write(tmp_path, dataset=dataset, states=states) / dataset.name, dataset.name, TWO_ROOMS)
    assert (len(read), read.length, read.image_size) == (12, 17, 65)
    indices, near = np.array([7, 0, 7, 11, -1]), 1e-4 if dtype == "float16" else 0
    torch.testing.assert_close(read.frames(indices), dataset.frames(indices), atol=near, rtol=0)  # the type, too
    assert torch.equal(read.actions(indices), dataset.actions(indices))
    assert torch.equal(read.locations(indices), dataset.locations(indices))
    for start, stop in ((0, 1), (3, 7), (16, None), (5, 5)):
        assert torch.equal(read.frames(indices, start, stop), read.frames(indices)[:, start:stop])


def test_loaders_shuffle_repeatably_and_drop_the_last():
    loader, same = (Loader(PROCEDURAL, batch_size=16, shuffle=True, seed=3) for _ in range(2))
    assert len(loader) == 2 and loader.batch_size == 16 and len(Loader(PROCEDURAL, batch_size=64)) == 1
    first, again, other = (torch.cat([batch.locations for batch in epoch]) for epoch in (loader, same, loader))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_procedural_sets_repeat_and_differ_by_name_and_seed():
    def first(name: str, seed: int) -> torch.Tensor:
        return ProceduralSet(name, PROCEDURAL.recipe, seed=seed).locations(np.arange(40))

    assert torch.equal(first("a", 0), first("a", 0))
    assert not torch.equal(first("a", 0), first("b", 0)) and not torch.equal(first("a", 0), first("a", 1))
    assert {name: len(open_source("procedural", TWO_ROOMS).require(name)) for name in RECIPES} == {
        "train": 147_000,
        "probe_normal/train": 10_000,
        "probe_expert/train": 6_000,
        **{name: 12_000 for name in RECIPES if name.endswith("/val")},
    }


def test_where_data_comes_from(tmp_path, monkeypatch):
    monkeypatch.delenv("TINY_JEPA_DATA", raising=False)
    monkeypatch.setattr("tiny_jepa.data.source.COURSE_ROOTS", (tmp_path / "none", tmp_path / "course"))
    said = open_source(None, TWO_ROOMS).describe()
    assert said == "procedural (64 px, uint8, seed 0), sets version 3, chosen by default"
    course, mine = write(tmp_path / "course"), write(tmp_path / "mine")
    assert open_source(None, TWO_ROOMS).root == course
    monkeypatch.setenv("TINY_JEPA_DATA", "")
    assert open_source(None, TWO_ROOMS).root == course
    monkeypatch.setenv("TINY_JEPA_DATA", str(mine))
    found = open_source(None, TWO_ROOMS)  # written by somebody else
    assert found.describe() == f"folder {mine}, chosen by TINY_JEPA_DATA" and found.sets_version is None
    assert open_source("procedural", TWO_ROOMS).sets_version == SETS_VERSION
    source = open_source("procedural:seed=2,size=65,dtype=float32", TWO_ROOMS)
    assert (source.root, source.drawn) == (None, Drawn(seed=2, size=65, dtype="float32"))
    assert source.spec == "procedural:dtype=float32,seed=2,size=65" and open_source(source.spec, TWO_ROOMS) == source
    assert open_source(str(mine), TWO_ROOMS).find("probe_expert/val") is None
    with pytest.raises(UserError, match="has no set probe_expert/val"):
        open_source(str(mine), TWO_ROOMS).require("probe_expert/val")
    for data, says in ((str(tmp_path), "folder of all sets"), ("procedural:size=10", "from 62 to 72 px, not 10")):
        with pytest.raises(UserError, match=says):
            open_source(data, TWO_ROOMS)


STATES = PROCEDURAL.frames(np.arange(40)).numpy()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"states": None}, r"states\.npy is missing; a set needs states\.npy and actions\.npy"),
        ({"locations": None}, r"locations\.npy is missing"),
        ({"states": STATES[:, :, :1]}, r"shape \(40, 17, 1, 64, 64\) .* expected \(N, T, 2, size, size\)"),
        ({"states": STATES[..., :60]}, r"shape \(40, 17, 2, 64, 60\) .* expected \(N, T, 2, size, size\)"),
        ({"states": STATES[:0]}, "N from 1"),
        ({"states": STATES.astype(np.int64)}, "type int64; expected .* of uint8 or floats"),
        ({"states": STATES[:, :16]}, r"actions\.npy has shape \(40, 16, 2\) .* expected floats \(40, 15, 2\)"),
        ({"locations": np.zeros((40, 16, 2), np.float32)}, r"locations\.npy has shape \(40, 16, 2\) .* \(40, 17, 2\)"),
    ],
)
def test_bad_sets_get_one_sentence_that_names_the_file(tmp_path, changes, message):
    with pytest.raises(UserError, match=message) as caught:
        read_batch(open_source(str(write(tmp_path, **changes)), TWO_ROOMS).require("probe_normal/val"), np.arange(40))
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


READ = """
import sys
from pathlib import Path
from tiny_jepa.data import CourseSet, Loader
from tiny_jepa.worlds.two_rooms import TWO_ROOMS
dataset = CourseSet(Path(sys.argv[1]), "train", TWO_ROOMS)
def peak():  # kB of this process alone; ru_maxrss starts at the parent's
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
before = peak()
for indices in Loader(dataset, 64, shuffle=True).batch_sampler:
    dataset.frames(indices)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from /proc")
def test_reading_does_not_keep_the_file_in_memory(tmp_path):
    np.save(tmp_path / "actions.npy", np.zeros((2500, 16, 2), np.float32))
    np.lib.format.open_memmap(tmp_path / "states.npy", "w+", np.uint8, (2500, 17, 2, 64, 64))  # 350 MB of zeros
    done = subprocess.run([sys.executable, "-c", READ, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 60_000


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
    with locked(tmp_path / "d" / "train.lock", ""), pytest.raises(Held, match="another process writes"):
        generate(tmp_path / "d", "--set", "train", "--count", "5")
    assert {path.name for path in tmp_path.iterdir()} == {"train", "file", "d"}


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
