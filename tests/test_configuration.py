"""One way for a setting: a field with its comment is the option, its help, its type and its limits."""

import inspect
import re
import sys
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from tiny_jepa.commands.train import Options, read_options
from tiny_jepa.errors import UserError
from tiny_jepa.models import Architecture
from tiny_jepa.options import flag, imported
from tiny_jepa.settings import TrainingConfig

GROUPS = ("training", "architecture")  # of Options
SETTINGS = (TrainingConfig, Architecture, Options)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: settings.__name__)
def test_every_field_says_what_it_is_for_and_help_lists_it(settings, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1")
    with pytest.raises(SystemExit):
        read_options(["--help"])
    source, said = inspect.getsource(settings), capsys.readouterr().out
    for field in fields(settings):
        if field.name not in GROUPS:
            assert re.search(rf"^    {field.name}: [^#]+  # \S.{{8,}}$", source, re.MULTILINE), field.name
            assert flag(field.name) in said


@trials(deadline=None)
@given(st.sampled_from([each.name for one in SETTINGS for each in fields(one) if each.name not in GROUPS]), st.text())
def test_any_word_for_any_option_is_taken_or_one_sentence(name, word):
    try:
        read_options([f"{flag(name)}={word}"])
    except UserError as error:
        said = str(error).replace(word, "")
        assert not re.search(r"\n|(?<!NotFound)Error|NoneType|instantiated|tiny_jepa\.", said)


def test_a_module_of_ones_own_is_found_in_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "room_of_mine.py").write_text("WORLD = 1", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [path for path in sys.path if path])
    assert imported("room_of_mine:WORLD", "no world") == 1
