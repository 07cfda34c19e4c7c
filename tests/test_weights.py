"""Weights files: what they hold, that they load safely, and what is said of broken ones."""

import pytest
import torch

from tiny_jepa.errors import UserError
from tiny_jepa.models import JEPA, Architecture
from tiny_jepa.weights import fingerprint, read_weights, save_weights


@pytest.fixture
def model():
    torch.manual_seed(0)
    return JEPA(Architecture(gate_widths=(4, 3)))


def test_a_file_says_what_model_it_holds(tmp_path, model):
    path = tmp_path / "deep" / "w.pth"
    save_weights(path, model, {"budget": "99", "seed": 3})
    loaded, metadata = read_weights(path)
    assert metadata == {"budget": "99", "seed": 3} == loaded.metadata
    assert loaded.architecture == model.architecture and not loaded.training
    states, actions = torch.rand(3, 1, 2, 64, 64), torch.randn(3, 5, 2)
    assert torch.equal(loaded(states, actions), model(states, actions))
    content = torch.load(path, weights_only=True)
    assert content["format"] == 2 and set(content) == {"format", "architecture", "state_dict", "metadata"}
    assert len(fingerprint(model)) == 12 and fingerprint(model) == fingerprint(loaded)
    next(loaded.parameters()).data[0] += 1
    assert fingerprint(model) != fingerprint(loaded)
    assert [p.name for p in path.parent.iterdir()] == ["w.pth"]


def test_each_broken_file_gets_its_sentence(tmp_path, model):
    good = tmp_path / "good.pth"
    save_weights(good, model, {})
    broken = tmp_path / "broken.pth"

    def says(pattern):
        with pytest.raises(UserError, match=pattern) as raised:
            read_weights(broken)
        assert "\n" not in str(raised.value) and str(broken) in str(raised.value)

    says("no weights file")
    broken.write_bytes(good.read_bytes()[:1000])
    says("is not a readable weights file")
    broken.write_text("hello")
    says("is not a readable weights file")
    torch.save({"weight": torch.ones(2)}, broken)
    says("is no tiny_jepa weights file")
    content = torch.load(good, weights_only=True)
    torch.save({"architecture": {}}, broken)
    says("lacks format, metadata, state_dict")
    torch.save(content | {"format": 99}, broken)
    says("has format 99")
    torch.save(content | {"architecture": content["architecture"] | {"wings": 2}}, broken)
    says("another architecture .*wings")
    torch.save(content | {"architecture": content["architecture"] | {"gate_widths": (5, 3)}}, broken)
    says("do not fit its architecture")


def test_a_pickled_object_is_not_run(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    torch.save(Harmful(), tmp_path / "w.pth")
    with pytest.raises(UserError, match="is not a readable weights file"):
        read_weights(tmp_path / "w.pth")
    assert not (tmp_path / "harm").exists()


def test_an_unwritable_folder_is_said_and_nothing_is_left(tmp_path, model):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        save_weights(tmp_path / "file" / "w.pth", model, {})
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
