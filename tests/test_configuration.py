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
        ("--repr-dim 3", "0 .no lift. or at least 4"),
        ("--agent-kernel 4", "--agent-kernel must be an odd number, not 4"),
        ("--gate-widths 1-99999999999", "--gate-widths: .* from"),
        ("--resume=", "--resume takes the name of a folder"),
        ("--predict-step 3", "did you mean --predict-steps?"),
        ("--teacher-weight 0 --decision-weight 0", "nothing would be predicted"),
        ("--name ../x", "--name takes the name of a folder"),
    ],
)
def test_a_bad_option_is_one_sentence(words, says):
    with pytest.raises(UserError, match=says) as caught:
        read_options(words.split())
    assert "\n" not in str(caught.value)


def test_a_module_of_ones_own_is_found_in_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "room_of_mine.py").write_text("WORLD = 1", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [path for path in sys.path if path])
    assert imported("room_of_mine:WORLD", "no world") == 1
