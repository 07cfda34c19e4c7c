"""One way for a setting: a field with its comment is the option, its help, its type and its limits."""

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

from tiny_jepa.commands.train import LOOK_EVERY, Options, read_options
from tiny_jepa.errors import UserError
from tiny_jepa.models import Architecture
from tiny_jepa.options import flag, read
from tiny_jepa.settings import TrainingConfig
from tiny_jepa.training.watch import COLLAPSED_STD, GRACE_STEPS, PATIENCE

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "training.md").read_text()


GROUPS = ("training", "architecture")  # of Options
SETTINGS = (TrainingConfig, Architecture, Options)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: settings.__name__)
def test_every_field_says_what_it_is_for(settings):
    source = inspect.getsource(settings)
    for field in fields(settings):
        if field.name not in GROUPS:
            assert re.search(rf"^    {field.name}: .+  # \S.{{8,}}$", source, re.MULTILINE), field.name


def test_help_lists_every_field(capsys):
    with pytest.raises(SystemExit):
        read_options(["--help"])
    said = capsys.readouterr().out
    for settings in SETTINGS:
        assert all(f"{flag(field.name)}" in said for field in fields(settings) if field.name not in GROUPS)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--predict-lr inf", "--predict-lr must be from 1e-09 to 1000, not inf"),
        ("--encode-lr 1e400", "--encode-lr must be from"),
        ("--teacher-weight nan", "--teacher-weight must be from 0"),
        ("--seed -1", "--seed must be from 0"),
        ("--repr-dim 1000000000000", "--repr-dim must be from 0"),
        ("--repr-dim 3", "0 .no lift. or at least 4"),
        ("--agent-kernel 4", "an odd number from 1 to 63, not 4"),
        ("--gate-widths 0,4", "--gate-widths must be from 1"),
        ("--gate-widths True,True", "expected whole numbers such as"),
        ("--gate-widths 1-99999999999", "expected whole numbers such as"),
        ("--threads 99999999999", "--threads must be from 1"),
        ("--budget 1e23", "no count of parameters"),
        ("--budget lots", "no count of parameters"),
        ("--budget -5", "no count of parameters"),
        ("--predict-steps many", "--predict-steps: invalid literal"),
        ("--resume=", "--resume takes the name of a folder"),
        ("--agent-kernel 65", "an odd number from 1 to 63, not 65"),
        ("--corners 5", "--corners must be from 0 to 4, not 5"),
        ("--predict-step 3", "did you mean --predict-steps?"),
        ("--objective mse", "invalid choice 'mse'"),
        ("--no-install maybe", "Unrecognized options: maybe"),
        ("--teacher-weight 0 --decision-weight 0", "nothing would be predicted"),
        ("--name ../x", "--name takes the name of a folder"),
    ],
)
def test_a_bad_option_is_one_sentence(words, says):
    with pytest.raises(UserError, match=says) as caught:
        read_options(words.split())
    assert "\n" not in str(caught.value)


def test_a_preset_is_checked_as_a_command_line_is():
    with pytest.raises(UserError, match=r"^x.ini: --clip must be from 1e-09 to 1000, not -1.0$"):
        read(TrainingConfig, {"clip": "-1"}, "x.ini")
    with pytest.raises(UserError, match=r"x.ini has unknown keys: clips"):
        read(TrainingConfig, {"clips": "1"}, "x.ini")
    found = read(TrainingConfig, {"objective": "byol", "seed": "3"}, "x.ini")
    assert found.objective == "byol" and found.seed == 3


def test_settings_are_checked_wherever_they_are_made():
    with pytest.raises(UserError, match="--encode-batch must be from 2"):
        TrainingConfig(encode_batch=1)
    with pytest.raises(UserError, match="--gate-widths"):
        Architecture(gate_widths=())


def test_figures_of_the_collapse_watch_are_those_in_the_code():
    assert f"a row every {LOOK_EVERY} steps" in PAGE and f"From step {GRACE_STEPS + LOOK_EVERY} on" in PAGE
    assert f"is below {COLLAPSED_STD} (1.6 px)" in PAGE and PATIENCE == 6 and "at six looks in a row" in PAGE
    assert f"at step {GRACE_STEPS + PATIENCE * LOOK_EVERY} " in PAGE
