"""docs/configuration.md lists exactly the keys and defaults that there are."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from tiny_jepa.models import Architecture
from tiny_jepa.settings import TrainingConfig, parse_value
from tiny_jepa.training.cli import LOOK_EVERY
from tiny_jepa.training.options import parse_arguments
from tiny_jepa.training.watch import COLLAPSED_STD, GRACE_STEPS, PATIENCE

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "configuration.md").read_text()


def table(heading):
    """Rows (key, default, what it does) of the first table under a heading."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL).group(1)
    return re.findall(r"^\| `(.+?)` \| `?(.*?)`? ?\| (.+) \|$", section, re.MULTILINE)


@pytest.mark.parametrize(("heading", "settings"), [("Training", TrainingConfig), ("Architecture", Architecture)])
def test_tables_list_every_key_with_its_default(heading, settings):
    listed = [(key, parse_value(default)) for key, default, _ in table(heading)]
    assert listed == [(field.name, field.default) for field in fields(settings)]


def test_other_options_are_listed():
    settings = {field.name for kind in (TrainingConfig, Architecture) for field in fields(kind)}
    options = {key.split()[0][2:].replace("-", "_") for key, _, _ in table("Options that are no settings")}
    assert options == set(vars(parse_arguments([]))) - settings


def test_figures_of_the_collapse_watch_are_those_in_the_code():
    assert f"a row every {LOOK_EVERY} steps" in PAGE and f"From step {GRACE_STEPS + LOOK_EVERY} on" in PAGE
    assert f"is below {COLLAPSED_STD} (1.6 px)" in PAGE and PATIENCE == 6 and "at six looks in a row" in PAGE
    assert f"at step {GRACE_STEPS + PATIENCE * LOOK_EVERY} " in PAGE
