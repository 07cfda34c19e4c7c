"""Data that are not what they claim: said in one sentence when a source is opened, or right.

1. A header of any bytes, and a file that is no file, end no program and block none.
2. Values that cannot be frames, px or moves are named where they are read.
3. What is wrong with most trajectories of a folder is said before the work: channels, walls, units.
4. One set's folder is what a user points at.
"""

import os
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tiny_jepa.commands import train as cli
from tiny_jepa.commands.data import main
from tiny_jepa.course.metrics import read_metrics
from tiny_jepa.data import CourseSet, look_at, open_source
from tiny_jepa.data.npy import NpyFile
from tiny_jepa.errors import UserError
from tiny_jepa.files import read_json
from tiny_jepa.probing.results import read_result
from tiny_jepa.weights import read_weights
from tiny_jepa.worlds.two_rooms import TWO_ROOMS


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "d"
    assert main(["generate", "--out", str(root), "--count", "24", "--steps", "5", "--set", "train"]) == 0
    more = ["--count", "24", "--steps", "5", "--set", "probe_normal/val", "--dtype", "float32"]
    assert main(["generate", "--out", str(root), *more]) == 0
    return root


def opened(root, name, **changes):
    """A copy of a set with changed arrays, opened and looked at."""
    arrays = {path.stem: np.load(path) for path in (root / name).glob("*.npy")}
    for key, change in changes.items():
        np.save(root / name / f"{key}.npy", change(arrays[key]))
    dataset = CourseSet(root / name, name, TWO_ROOMS)
    look_at(dataset)
    return dataset


def swapped(states):
    return np.ascontiguousarray(states[:, :, ::-1])


def blanked(channel):
    def change(states):
        states[:, :, channel] = 0
        return states

    return change


def two_walls(states):
    states[:, :, 1, :, 12:15] = states.max()
    return states


def put(value):
    def change(array):
        array[3, 2, 0] = value
        return array

    return change


FAULTS = {
    "swapped channels": ("states", swapped, "the layout changes from frame to frame"),
    "no agent": ("states", blanked(0), "does not agree with the agent"),
    "no layout": ("states", blanked(1), "the layout"),
    "two walls": ("states", two_walls, "the layout is not two pairs"),
    "actions in m": ("actions", lambda a: a / 10, "actions.npy does not agree"),
    "actions upside down": ("actions", lambda a: a * np.float32([1, -1]), "actions.npy does not agree"),
    "absurd actions": ("actions", put(1e30), "must be from -64 to 64 px"),
    "infinite actions": ("actions", put(np.inf), "NaN or infinite"),
    "normalised locations": ("locations", lambda a: (a - 32) / 16, "must be from 0 to 64 px|does not agree"),
    "absurd locations": ("locations", put(1e30), "must be from 0 to 64 px"),
    "standardised frames": ("states", lambda a: (a - a.mean()) / a.std(), "black being 0"),
    "frames that are not numbers": ("states", lambda a: a * np.float32("nan"), "NaN or infinite"),
    "one frame": ("states", lambda a: a[:, :1], "at least one trajectory of two frames"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_folder_is_looked_at_before_the_work(good, tmp_path, kind):
    shutil.copytree(good, tmp_path / "d")
    array, change, says = FAULTS[kind]
    names = ["probe_normal/val"] + ["train"] * (array == "actions")
    for name in names:
        with pytest.raises(UserError, match=says):
            dataset = opened(tmp_path / "d", name, **{array: change})
            for read in (dataset.frames, dataset.actions, dataset.locations):
                read(np.arange(len(dataset)))


def test_good_folders_are_taken_as_they_are(good, tmp_path):
    shutil.copytree(good, tmp_path / "d")
    for name in ("train", "probe_normal/val"):
        opened(tmp_path / "d", name)
    opened(tmp_path / "d", "probe_normal/val", states=lambda a: 7 * a)  # of any scale


def test_training_stops_before_it_starts(good, tmp_path, monkeypatch):
    shutil.copytree(good, tmp_path / "d")
    monkeypatch.chdir(tmp_path)
    states = np.load(tmp_path / "d/train/states.npy")
    np.save(tmp_path / "d/train/states.npy", swapped(states))
    with pytest.raises(UserError, match="the layout changes from frame to frame"):
        cli.main(["--budget", "150", "--data", "d"])
    assert not (tmp_path / "runs").exists()


HEADERS = {
    "negative": "(-3, 17, 2, 64, 64)",
    "overflowing": f"({2**62}, 17, 2, 64, {2**40})",
    "of half": "(3.5, 17)",
    "of text": "('a', 2)",
    "endless": "(" * 9_000,
    "nothing": "",
}


@pytest.mark.parametrize("shape", HEADERS)
def test_a_header_that_cannot_be_is_refused(tmp_path, shape):
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {HEADERS[shape]}, }}".encode()
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(100))
    with pytest.raises(UserError, match=r"a\.npy"):
        NpyFile(tmp_path / "a.npy")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_with_a_name_blocks_nothing(tmp_path):
    os.mkfifo(tmp_path / "a.npy")
    for read in (NpyFile, read_weights, read_result, read_metrics, lambda path: read_json(path, "")):
        with pytest.raises(UserError):
            read(tmp_path / "a.npy")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.sampled_from([b"", b"\x93NUMPY\x01\x00", b"PK\x03\x04"]), content=st.binary(max_size=300))
def test_arbitrary_bytes_are_no_array(tmp_path, start, content):
    (tmp_path / "a.npy").write_bytes(start + content)
    with pytest.raises(UserError) as raised:
        NpyFile(tmp_path / "a.npy")
    assert "\n" not in str(raised.value)


def test_one_sets_folder_is_what_it_is(good, tmp_path, capsys):
    assert main(["check", str(good / "probe_normal" / "val")]) == 0
    out = capsys.readouterr().out
    assert "probe_normal/val" in out and "train" not in out
    with pytest.raises(UserError, match="is the one set train; give the folder of all sets"):
        open_source(str(good / "train"), TWO_ROOMS)
    assert main(["show", str(good / "train"), "--count", "1", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "trajectories.png").is_file()


@pytest.mark.parametrize("line", ["inf", "nan", "-1", "1e3", "1_0", "²", "0x1", " 1", "", "9" * 400, "not  available"])
def test_a_loss_in_metrics_txt_is_a_plain_number(tmp_path, line):
    path = tmp_path / "metrics.txt"
    names = ("normal", "wall", "wall_other", "expert")
    text = "".join(f"probe_{name} val loss: {line if name == 'wall' else 0.5}\n" for name in names)
    path.write_text(text + "1,994\npython train.py\n", encoding="utf-8")
    with pytest.raises(UserError, match="'probe_wall val loss: X'"):
        read_metrics(path)
    fine = text.replace(f"wall val loss: {line}\n", "wall val loss: not available\n") + "1,994\npython train.py\n"
    for encoded in (fine.encode(), fine.encode("utf-8-sig"), fine.replace("\n", "\r\n").encode()):
        path.write_bytes(encoded)
        assert read_metrics(path).parameters == 1994 and read_metrics(path).losses["wall"] is None
    path.write_bytes(fine.encode("utf-16"))
    with pytest.raises(UserError, match="is no text in UTF-8"):
        read_metrics(path)
