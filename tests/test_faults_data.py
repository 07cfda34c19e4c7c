"""Data that are not what they claim: said in one sentence before the work, and found by `data check`."""

import io
import os
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_jepa.commands import train as cli
from tiny_jepa.commands.data import main
from tiny_jepa.course import read_metrics
from tiny_jepa.data import CourseSet, look_at
from tiny_jepa.data.folder import NpyFile
from tiny_jepa.errors import UserError
from tiny_jepa.files import clear, read_ini, read_json, require_writable, write_together
from tiny_jepa.probing.results import read_result
from tiny_jepa.weights import read_weights
from tiny_jepa.worlds.two_rooms import TWO_ROOMS

NORMAL = "probe_normal/val"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    out = tmp_path_factory.mktemp("good")
    names = (NORMAL, "train")
    assert main(["generate", "--out", str(out), "--count", "40", *(f"--set={name}" for name in names)]) == 0
    return out


def changed(good, root, name, change):
    """A copy of a set with changed arrays."""
    arrays = {path.stem: np.load(path) for path in (good / name).glob("*.npy")}
    change(arrays)
    (root / name).mkdir(parents=True)
    for key, array in arrays.items():
        np.save(root / name / f"{key}.npy", np.ascontiguousarray(array))
    return root / name


def looked_at(folder, name):
    look_at(dataset := CourseSet(folder, name, TWO_ROOMS))
    for read in (dataset.frames, dataset.actions, *[dataset.locations] * (name != "train")):
        read(np.arange(len(dataset)))


def made(key, change):
    return lambda arrays: arrays.update({key: change(arrays[key])})


def put(key, *where, value):
    return lambda arrays: arrays[key].__setitem__(where, value)


ALL = slice(None)
FEW = [  # what is said, and of which change to the arrays
    ("locations.npy does not agree", put("locations", 3, 4, 0, value=11.5)),
    ("the layout changes from frame to frame", lambda a: put("states", 2, 9, 1, value=a["states"][3, 0, 1].T)(a)),
]
UNUSUAL = [
    ("the agent's peak is not 200 to 255", made("states", lambda a: a // 2)),
    ("the agent does not sum to 1", made("states", lambda a: 7 * a.astype(np.float32))),
    ("actions are longer than 2 px", made("actions", lambda a: a * 0 + 3)),
]
MOST = [
    ("locations.npy: x and y are swapped", made("locations", lambda a: a[..., ::-1])),
    ("actions.npy: x and y are swapped", made("actions", lambda a: a[..., ::-1])),
    ("locations.npy: shifted by a frame", made("locations", lambda a: np.roll(a, 1, axis=1))),
    ("actions.npy: shifted by a frame", made("actions", lambda a: np.roll(a, -1, axis=1))),
    ("the agent is the first channel, the layout the second", made("states", lambda a: a[:, :, ::-1])),
    ("the agent's channel, the first, is empty", put("states", ALL, ALL, 0, value=0)),
    ("the layout, the second channel, is empty", put("states", ALL, ALL, 1, value=0)),
    ("actions.npy does not agree", made("actions", lambda a: a / 10)),
    ("actions.npy holds NaN or infinite values", put("actions", 1, 1, 1, value=np.inf)),
    ("must be from 0 to 64 px|does not agree", made("locations", lambda a: (a - 32) / 16)),
    ("black being 0", made("states", lambda a: (a - a.mean()) / a.std())),
    ("states.npy holds NaN or infinite values", made("states", lambda a: a * np.float32("nan"))),
    ("T from 2", made("states", lambda a: a[:, :1])),
]


@pytest.mark.parametrize(("says", "change"), FEW + MOST)
def test_check_finds_the_fault_it_is_given(good, tmp_path, says, change, capsys):
    folder = changed(good, tmp_path, NORMAL, change)
    assert main(["check", str(tmp_path)]) == 1
    assert f"fault in {NORMAL}: " in (out := capsys.readouterr().out) and re.search(says, out)
    if (says, change) in MOST:
        with pytest.raises(UserError, match=says):
            looked_at(folder, NORMAL)


@pytest.mark.parametrize(("says", "change"), UNUSUAL)
def test_what_a_model_does_not_mind_is_told_and_taken(good, tmp_path, says, change, capsys):
    folder = changed(good, tmp_path, NORMAL, change)
    main(["check", str(tmp_path)])
    assert f"unusual: {says} (40 of 40 trajectories read)" in capsys.readouterr().out
    if says.startswith("the"):
        looked_at(folder, NORMAL)


def test_training_stops_before_it_starts(good, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    changed(good, tmp_path / "d", "train", made("states", lambda a: a[:, :, ::-1]))
    with pytest.raises(UserError, match="the layout changes from frame to frame"):
        cli.main(["--budget", "150", "--data", "d"])
    assert not (tmp_path / "runs").exists()


def headed(shape):
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(100)


def saved(array):
    np.save(file := io.BytesIO(), array)
    return file.getvalue()


SHAPES = ("(-3, 17, 2)", "(3.5, 17)", "('a', 2)", "(" * 9_000, "")
BROKEN = {
    "": [*map(headed, (*SHAPES, f"({2**62}, 17, {2**40})")), b"", b"PK\x03\x04", saved(np.ones(999))[:60]],
    "greater than file size": [saved(np.ones(999))[:5000]],
    "Fortran order|Python objects": [saved(np.ones((2, 3), order="F")), saved(np.array([1], object))],
}


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize(("says", "content"), [(says, content) for says in BROKEN for content in BROKEN[says]])
def test_a_file_that_is_no_array_is_refused(tmp_path, says, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(UserError, match=rf"^\S+a\.npy is not a readable \.npy array .*({says})"):
        NpyFile(tmp_path / "a.npy")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_with_a_name_blocks_nothing(tmp_path):
    os.mkfifo(tmp_path / "a.npy")
    clear(tmp_path / "a.npy")
    for read in (NpyFile, read_weights, read_result, read_metrics, lambda path: read_json(path, "")):
        with pytest.raises(UserError):
            read(tmp_path / "a.npy")


GOOD = b'{"model": "a", "seeds": [0]}', b"[training]\nseed = 5\n[model]\nreach = 1\n"


@settings(max_examples=60, deadline=None)
@given(good=st.sampled_from(GOOD), at=st.integers(0, 44), put=st.binary(max_size=6), drop=st.integers(0, 9))
def test_any_bytes_in_a_file_of_ours_are_read_or_one_sentence(tmp_path_factory, good, at, put, drop):
    path = tmp_path_factory.getbasetemp() / "any.file"
    path.write_bytes(good[:at] + put + good[at + drop :])
    for read in (read_result, read_metrics, lambda path: read_json(path, "x"), lambda path: read_ini(path, "x")):
        try:
            read(path)
        except UserError as error:
            assert "any.file" in str(error)


def test_a_set_of_files_changes_together_and_an_input_is_no_output(tmp_path):
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text("old")

    def full(path):
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="No space"):
        write_together(*[(path, lambda to: to.write_text("new")) for path in paths[:2]], (paths[2], full))
    assert {path.read_text() for path in tmp_path.iterdir()} == {"old"}
    (tmp_path / "link").symlink_to("a")
    for outputs in (("link",), ("b", "./b")):
        with pytest.raises(UserError, match="read itself, or written twice"):
            require_writable(*(tmp_path / name for name in outputs), reads=paths[:1])


@pytest.mark.parametrize("line", ["inf", "nan", "-1", "1e3", "1_0", "²", "0x1", " 1", "", "9" * 400, "not  available"])
def test_a_loss_in_metrics_txt_is_a_plain_number(tmp_path, line):
    path = tmp_path / "metrics.txt"
    names = ("normal", "wall", "wall_other", "expert")
    text = "".join(f"probe_{name} val loss: {line if name == 'wall' else 0.5}\n" for name in names)
    path.write_text(text + "1,994\npython train.py\n", encoding="utf-8")
    with pytest.raises(UserError, match="has not the six lines"):
        read_metrics(path)
    fine = text.replace(f"wall val loss: {line}\n", "wall val loss: not available\n") + "1,994\npython train.py\n"
    path.write_bytes(fine.replace("\n", "\r\n").encode("utf-8-sig"))
    assert read_metrics(path).parameters == 1994 and read_metrics(path).losses["wall"] is None
