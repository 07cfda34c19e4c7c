"""Reading: folders and the procedural sets behind one interface, in bounded memory, with sentences for bad input."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tiny_jepa.data import CourseSet, Loader, open_source, read_batch
from tiny_jepa.data.source import Drawn
from tiny_jepa.errors import UserError
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


STATES = PROCEDURAL.frames(np.arange(40)).numpy()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"states": None}, r"states\.npy is missing: a set needs states\.npy and actions\.npy"),
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


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{tmp}/nowhere", "no such data folder: .*nowhere"),
        ("{tmp}", "not the folder of all sets; expected train/"),
        ("procedural:size=10", "size must be from 62 to 72 px, not 10"),
    ],
)
def test_bad_sources_get_one_sentence(tmp_path, data, message):
    with pytest.raises(UserError, match=message):
        open_source(data.format(tmp=tmp_path), TWO_ROOMS)


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
