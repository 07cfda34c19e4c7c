"""One way for a setting: a field with its comment is the option, its help, its type and its limits."""

import inspect
import re
import sys
from dataclasses import fields

import pytest

from tiny_jepa.commands.train import Options, read_options
from tiny_jepa.errors import UserError
from tiny_jepa.models import Architecture
from tiny_jepa.options import flag, imported
from tiny_jepa.settings import TrainingConfig

GROUPS = ("training", "architecture")  # of Options
SETTINGS = (TrainingConfig, Architecture, Options)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: settings.__name__)
def test_every_field_says_what_it_is_for_and_help_lists_it(settings, capsys):
    with pytest.raises(SystemExit):
        read_options(["--help"])
    source, said = inspect.getsource(settings), capsys.readouterr().out
    for field in fields(settings):
        if field.name not in GROUPS:
            assert re.search(rf"^    {field.name}: [^#]+  # \S.{{8,}}$", source, re.MULTILINE), field.name
            assert flag(field.name) in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--predict-lr inf", "--predict-lr must be a finite number, not inf"),
        ("--encode-batch 1", "--encode-batch must be greater than or equal to 2"),
        ("--seed -1", "--seed must be greater than or equal to 0, not -1"),
        ("--repr-dim 1000000000000", "--repr-dim must be less than or equal to"),
        ("--repr-dim 3", "0 .no lift. or at least 4"),
        ("--agent-kernel 4", "--agent-kernel must be an odd number, not 4"),
        ("--gate-widths 0,4", "--gate-widths must be greater than or equal to 1, not 0"),
        ("--gate-widths 1-99999999999", "--gate-widths: .* from"),
        ("--predict-steps many", "--predict-steps: invalid literal"),
        ("--resume=", "--resume takes the name of a folder"),
        ("--predict-step 3", "did you mean --predict-steps?"),
        ("--objective mse", "invalid choice 'mse'"),
        ("--teacher-weight 0 --decision-weight 0", "nothing would be predicted"),
        ("--name ../x", "--name takes the name of a folder"),
    ],
)
def test_a_bad_option_is_one_sentence(words, says):
    with pytest.raises(UserError, match=says) as caught:
        read_options(words.split())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("option", ["--gate-widths 8,8", "--gate_widths 8,8", "--gate_widths=8,8"])
def test_widths_are_honoured_however_they_are_spelt(option):
    assert read_options(["--budget", "10k", *option.split()])[1].architecture.gate_widths == (8, 8)


def test_a_module_of_ones_own_is_found_in_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "room_of_mine.py").write_text("WORLD = 1", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [path for path in sys.path if path])
    assert imported("room_of_mine:WORLD", "no world") == 1
