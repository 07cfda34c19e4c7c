"""Weights files: what they hold, that they load safely, and what is said of broken ones."""

import random
from pathlib import Path

import pytest
import torch
from torch import nn

from tiny_jepa.errors import UserError
from tiny_jepa.models import JEPA, Architecture
from tiny_jepa.weights import fingerprint, read_weights, save_weights
from tiny_jepa.worlds.two_rooms import TWO_ROOMS

METADATA = {"budget": "99", "budget_limit": 99, "seed": 3, "metrics": {"64 px uint8": {"normal": 0.25, "wall": None}}}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return JEPA(Architecture(gate_widths=(4, 3)), TWO_ROOMS.frame)


@pytest.fixture
def good(tmp_path, model):
    save_weights(tmp_path / "good.pth", model, METADATA)
    return tmp_path / "good.pth"


def refused(path, pattern="."):
    with pytest.raises(UserError, match=pattern) as raised:
        read_weights(path)
    assert "\n" not in str(raised.value) and str(path) in str(raised.value)


def changed(good, to, **parts):
    torch.save(torch.load(good, weights_only=True) | parts, to)
    return to


def test_a_file_says_what_model_it_holds(tmp_path, model):
    path = tmp_path / "deep" / "w.pth"
    save_weights(path, model, METADATA)
    loaded, metadata = read_weights(path)
    assert metadata == METADATA == loaded.metadata
    assert loaded.architecture == model.architecture and not loaded.training
    states, actions = torch.rand(3, 1, 2, 64, 64), torch.randn(3, 5, 2)
    assert torch.equal(loaded(states, actions), model(states, actions))
    assert len(fingerprint(model)) == 12 and fingerprint(model) == fingerprint(loaded)
    next(loaded.parameters()).data[0] += 1
    assert fingerprint(model) != fingerprint(loaded)
    assert [p.name for p in path.parent.iterdir()] == ["w.pth"]


def test_a_flipped_byte_is_found_or_harmless(tmp_path, good):
    model, metadata = read_weights(good)
    content, path, rng = good.read_bytes(), tmp_path / "flipped.pth", random.Random(0)
    refusals = 0
    for _ in range(60):
        flipped = bytearray(content)
        flipped[rng.randrange(len(flipped))] ^= rng.randrange(1, 256)
        path.write_bytes(flipped)
        try:
            found, says = read_weights(path)
            assert fingerprint(found) == fingerprint(model) and says == metadata
        except UserError:
            refusals += 1
    assert refusals > 20


def test_each_broken_file_gets_its_sentence(tmp_path, good):
    broken = tmp_path / "broken.pth"
    refused(broken, "is missing")
    refused(tmp_path, "is no file")
    for content in (good.read_bytes()[:1000], b"hello", b"", b"PK\x05\x06" + bytes(18)):
        broken.write_bytes(content)
        refused(broken, "is not a readable weights file")
    for content, says in ([1, 2], "not a readable"), ({}, "format None"), ({"format": torch.ones(2)}, "has format"):
        torch.save(content, broken)
        refused(broken, says)
    torch.save({"format": 3, "architecture": {}}, broken)
    refused(broken, "missing key 'frame'")
    refused(changed(good, broken, format=2), "has format 2, this version reads 3")  # 2 encoded the layout
    refused(changed(good, broken, notes="..."), "unknown key 'notes'")


LIES = {
    "architecture": [None, {1: 2}, {"wings": 2}, {"gate_widths": (10**7,) * 99}, {"gate_widths": None}],
    "metadata": [None, {1: 2}, {"budget_limit": "99"}, {"minutes": float("nan")}],
    "state_dict": [None, {}, {"a": 1}, {1: torch.ones(2)}],
    "frame": [None, {}, {"channels": 0, "agent": 0, "map": 1, "unit": 1.0}],
}  # fmt: skip


@pytest.mark.parametrize(("part", "lie"), [(part, lie) for part, lies in LIES.items() for lie in lies])
def test_parts_are_compared_before_anything_is_built(good, part, lie):
    refused(changed(good, good, **{part: lie}))


TENSORS = {
    "not finite": lambda t: torch.full_like(t, float("nan")),
    "infinite as float32": lambda t: torch.full_like(t, 1e300, dtype=torch.float64),
    "of another shape": lambda t: torch.ones(7, 7),
    "larger than the file": lambda t: torch.ones(1).expand(10**7, 10**7),
    "complex": lambda t: t.cfloat(),
    "sparse": lambda t: torch.ones(3, 3).to_sparse(),
    "nowhere": lambda t: t.to("meta"),
}


@pytest.mark.parametrize("kind", TENSORS)
def test_tensors_are_looked_at_before_they_are_used(good, kind):
    state = torch.load(good, weights_only=True)["state_dict"]
    for name in state:
        refused(changed(good, good, state_dict=state | {name: TENSORS[kind](state[name])}))


def test_a_wrapped_models_weights_are_its_own(tmp_path, model):
    expected = fingerprint(model)
    for each in (torch.compile(model, backend="eager"), nn.DataParallel(model)):
        save_weights(tmp_path / "w.pth", each, METADATA)
        assert fingerprint(read_weights(tmp_path / "w.pth")[0]) == expected


def test_a_pickled_object_is_not_run(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    torch.save(Harmful(), tmp_path / "w.pth")
    with pytest.raises(UserError, match="is not a readable weights file"):
        read_weights(tmp_path / "w.pth")
    assert not (tmp_path / "harm").exists()


def test_what_cannot_be_written_is_said_and_nothing_is_left(tmp_path, model, monkeypatch):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "w.pth", tmp_path, Path("/dev/null"), Path("w\0.pth"), tmp_path / ("w" * 256)):
        with pytest.raises(UserError, match=r"cannot write|give the name of a file|is no name of a file"):
            save_weights(path, model, {})
    full, real = Path("/dev/full"), torch.save
    if full.exists():
        monkeypatch.setattr(torch, "save", lambda content, path: real(content, full))
        with pytest.raises(UserError, match="cannot write"):
            save_weights(tmp_path / "w.pth", model, {})
    model.predictor.out.bias.data.fill_(float("inf"))
    with pytest.raises(UserError, match=r"not written.* state_dict\.predictor\.out\.bias must be a tensor of finite"):
        save_weights(tmp_path / "w.pth", model, {})
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_link_stays_one_and_so_do_permissions(tmp_path, model):
    save_weights(tmp_path / "w.pth", model, {})
    (tmp_path / "w.pth").chmod(0o600)
    (tmp_path / "link.pth").symlink_to(tmp_path / "w.pth")
    save_weights(tmp_path / "link.pth", model, {"seed": 1})
    assert (tmp_path / "link.pth").is_symlink() and read_weights(tmp_path / "w.pth")[1] == {"seed": 1}
    assert (tmp_path / "w.pth").stat().st_mode & 0o777 == 0o600
