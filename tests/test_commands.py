"""Every command with every world: right, or one sentence."""

import runpy
import sys
from pathlib import Path

import pytest

from tiny_jepa.__main__ import VERBS
from tiny_jepa.weights import read_weights, save_weights

ROOT = Path(__file__).resolve().parent.parent
TINY = "--encode-steps 2 --encode-batch 4 --cached 40 --predict-steps 2 --predict-batch 16 --auditions 1 --no-install"
SWM, COURSE = ROOT / "budgets" / "tworoom" / "500.pth", ROOT / "budgets" / "50.pth"
OWN = "from tiny_jepa.worlds.pixels import pixel_world\nWORLD = pixel_world(56)\n"


def run(words, monkeypatch, capsys):
    """A command as it is typed, `train ...` for a script of the root or a verb -> exit status, stdout, stderr."""
    name, *rest = words.split()
    script = ROOT / f"{name}.py"
    monkeypatch.setattr(sys, "argv", [script.name, *rest] if script.is_file() else ["tiny_jepa", name, *rest])
    with pytest.raises(SystemExit) as ended:
        if script.is_file():
            runpy.run_path(str(script), run_name="__main__")
        else:
            runpy.run_module("tiny_jepa", run_name="__main__")
    return ended.value.code, *capsys.readouterr()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Holds a world of one's own, and weights that name it."""
    folder = tmp_path_factory.mktemp("commands")
    (folder / "own.py").write_text(OWN, encoding="utf-8")
    (folder / "raises.py").write_text("1 / 0", encoding="utf-8")
    model, metadata = read_weights(SWM)
    object.__setattr__(model.frame, "world", "own:WORLD")
    save_weights(folder / "own.pth", model, metadata)
    return folder


@pytest.mark.parametrize("words", ["train", "main", "count_params", *VERBS])
def test_help_is_printed(words, monkeypatch, capsys):
    status, out, err = run(f"{words} --help", monkeypatch, capsys)
    assert status == 0 and "usage" in out and not err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (f"train --budget 150 {TINY}", None),
        (f"train --world tworoom --budget 500 {TINY} --data procedural", "simulat"),
        (f"train --world own:WORLD --budget 500 {TINY} --data procedural", "simulat"),
        *((f"count_params --budget 500 --world {world}", None) for world in ("two_rooms", "tworoom", "own:WORLD")),
        ("count_params --budget 500 --world raises:WORLD", "ZeroDivisionError"),
        *((f"count_params --weights {path}", None) for path in (SWM, "own.pth")),
        (f"export --weights {SWM}", "for models of the two rooms"),
        *((f"{verb} --weights {SWM}", "for models of the two rooms") for verb in ("plan", "page")),
        (f"main --weights {SWM} --data procedural", "simulat"),
        (f"main --weights {SWM} --world two_rooms", "is of the world 'tworoom', not of two_rooms"),
        (f"main --weights {COURSE} --world tworoom", "is of the world 'two_rooms', not of tworoom"),
        ("main --weights own.pth --world own:WORLD --data procedural", "simulat"),
        (f"plan --weights {COURSE} --world own:WORLD", "not of own:WORLD"),
        ("plan --weights own.pth --world own:WORLD", "for models of the two rooms"),
        *((f"{verb} --weights own.pth", "does not come with") for verb in ("main", "plan", "page", "export")),
        ("main --model dead-reckoning --write-metrics", "is for trained, lifted weights"),
        ("main --budget 50 --device abacus", "no device 'abacus'"),
        (f"main --weights {COURSE} --store {COURSE}", "is read itself"),
        (f"plan --budget 100 --store {COURSE}", "is read itself"),
        ("plan --budget 50 --record walk.txt", "call it walk.gif"),
        ("plan --budget 50 --map own.py", "own.py is no PNG"),
        ("export --out m.bin", "ends in .onnx, such as model.onnx, not 'm.bin'"),
        ("train --resume nothing", "config.json is missing; start the run anew; other runs here: "),
        ("train --budget 150 --runs own.py", "cannot write own.py"),
        ("train --gate-widths 1-99999999999", "--gate-widths must be whole numbers such as 24,24"),
        ("train --cached many", "--cached cannot be 'many'"),
        ("train --resume=", "--resume takes the name of a folder"),
        ("train --predict-step 3", "did you mean --predict-steps?"),
        ("train --teacher-weight 0 --decision-weight 0", "nothing would be predicted"),
    ],
)
def test_every_command_with_every_world_does_right_or_says_one_sentence(folder, words, says, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "own", raising=False)
    status, out, err = run(words, monkeypatch, capsys)
    if says is None:
        assert status == 0 and out, err
    else:
        assert status == 2 and says in err and err.count("\n") == 1, err
    assert ("own" in sys.modules) == ("own:WORLD" in words)  # no file names code that is run
