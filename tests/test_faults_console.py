"""Programs as their users run them, where consoles, readers, libraries and systems are not as they should be."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_jepa import progress
from tiny_jepa.console import Console, printable
from tiny_jepa.errors import UserError, run_cli
from tiny_jepa.progress import bar
from tiny_jepa.tables import markdown

ROOT = Path(__file__).resolve().parent.parent
TINY = ["--budget", "150", "--encode-steps", "4", "--encode-batch", "4", "--cached", "40", "--predict-steps", "6"]
TINY += ["--predict-batch", "16", "--auditions", "1"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
@pytest.mark.parametrize(("full", "status"), [(False, 0), (True, 2)])
def test_a_reader_who_leaves_does_not_end_the_work(monkeypatch, capsys, full, status):
    done, (reader, writer) = [], os.pipe()
    os.close(reader)

    def work():
        for i in range(3):
            print("line", i, flush=True)
            done.append(i)

    with open("/dev/full" if full else writer, "w", encoding="utf-8") as stream, pytest.raises(SystemExit) as ended:
        monkeypatch.setattr(sys, "stdout", stream)
        run_cli(work)
    assert done == [0, 1, 2] and ended.value.code == status
    assert ("what was printed is lost" in capsys.readouterr().err) == bool(status)


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "cp1252", "utf-8"])
def test_a_console_prints_what_it_can(encoding):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding)
    print("0.5 ± 0.1 px², 1–3 \U0001f600 \udcff", file=Console(stream), flush=True)
    stream.flush()
    text = raw.getvalue().decode(encoding)
    assert "px²" in text or "px\\N{SUPERSCRIPT TWO}" in text
    print("nobody", file=Console(None), flush=True)  # closed from the start


@pytest.mark.parametrize(
    ("raised", "status", "says"),
    [
        (UserError("two\nlines"), 2, "error: two lines\n"),
        (FileNotFoundError(2, "No such file", "x"), 2, "error: x: No such file\n"),
        (ModuleNotFoundError(name="PIL"), 2, "error: this needs pillow; install it with: pip install pillow\n"),
        (MemoryError(), 2, "error: out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 2, "error: out of memory"),
        (RuntimeError("a bug stays a traceback"), None, ""),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (SystemExit(), 0, ""),
    ],
)
def test_whatever_a_user_or_a_machine_did_is_one_sentence(capsys, raised, status, says):
    def work():
        raise raised

    with pytest.raises(RuntimeError if status is None else SystemExit) as ended:
        run_cli(work)
    assert getattr(ended.value, "code", None) == status and capsys.readouterr().err.startswith(says)


def test_a_log_gets_plain_lines_of_long_work_and_none_of_short(capsys, monkeypatch):
    def work():
        for _ in bar(range(1000), desc="work", unit="step"):
            for _ in bar(range(3), desc="inner", leave=False):
                pass
        return capsys.readouterr().err

    assert work() == ""
    monkeypatch.setattr(progress, "SECONDS", 0.0)
    assert "work: 0 of 1000 step" in (said := work()) and not any(sign in said for sign in "\r\x1b█")


def run(script, *arguments, cwd, timeout=300, prelude="", **environment):
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    if prelude:
        start = f"import runpy, sys; sys.argv = {command[1:]!r}; sys.path.insert(0, {str(ROOT)!r})\n"
        command = [sys.executable, "-c", start + prelude + "\nrunpy.run_path(sys.argv[0], run_name='__main__')"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    done = run("tiny_jepa/__main__.py", "data", "generate", "--out", "d", "--count", 64, "--steps", 4, cwd=root)
    assert done.returncode == 0 and "MB to write" in done.stdout
    return root / "d"


POSIX = """
import os, torch, numpy, tyro, tqdm, subprocess, filelock
for name in ("preadv", "pread", "pwrite", "pwritev", "fork", "forkpty", "mkfifo", "geteuid", "getuid", "getloadavg",
             "sched_getaffinity", "sched_setaffinity", "nice", "setsid", "killpg", "getpgid", "uname", "sysconf",
             "posix_fallocate", "posix_fadvise", "wait", "statvfs", "fchmod", "fchown", "chown", "sync"):
    if hasattr(os, name): delattr(os, name)
for name in ("fcntl", "resource", "pwd", "grp", "termios"): sys.modules[name] = None
"""


HOSTILE = {"PYTHONIOENCODING": "ascii", "PYTHONWARNINGS": "error", "TQDM_DISABLE": "1"}
HOSTILE |= {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}


@pytest.mark.parametrize("place", [{"prelude": POSIX}, HOSTILE], ids=["without what only POSIX has", "hostile"])
def test_the_main_paths_work_in_places_unlike_ours(tmp_path, data, place):
    trained = run("train.py", *TINY, "--data", data, cwd=tmp_path, **place)
    assert trained.returncode == 0 and list((tmp_path / "runs").rglob("run.png")), trained.stderr[-2000:]
    scored = run("main.py", "--data", data, "--course", "--seeds", 2, "--store", "s.json", cwd=tmp_path, **place)
    assert scored.returncode == 0 and "normal loss: " in scored.stdout, scored.stderr[-2000:]
    assert (" \\N{PLUS-MINUS SIGN} " in scored.stdout) == (place is HOSTILE) and (tmp_path / "s.json").is_file()


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8") | st.sampled_from("\x1b\r\x9b\u202e")))
def test_whatever_is_printed_is_plain(text):
    print(text, file=Console(stream := io.StringIO()))
    assert all(map(str.isprintable, stream.getvalue().split("\n")))
    assert printable("a\x1b[2J\r\u202e²") == "a\\x1b[2J\\r\\u202e²"
    assert markdown(["model"], [["a|b<script>\n"]]).splitlines()[-1] == "| a\\|b&lt;script>\\n |"
