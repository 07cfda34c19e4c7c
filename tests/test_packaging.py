"""What is handed out is whole: wheel and source distribution, the links of pages, the notebook."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_every_folder_is_packaged_and_nothing_is_capped():
    text = (ROOT / "pyproject.toml").read_text()
    folders = {".".join(path.parent.relative_to(ROOT).parts) for path in ROOT.glob("tiny_jepa/**/__init__.py")}
    assert set(re.findall(r'"(tiny_jepa[a-z_.]*)",', text)) == folders | {"tiny_jepa.presets"}
    assert '"torch>=2.4"' in text and "<=" not in text
    assert "torch>=2.4,<=" in (ROOT / "requirements.txt").read_text()  # the tested set


def run(*command, cwd, **environment):
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, env=kept | environment)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    return done.stdout


@pytest.mark.slow
def test_wheel_and_source_distribution(tmp_path):
    pytest.importorskip("build")
    ignored = shutil.ignore_patterns(".git", ".venv", "runs", "build", "dist", "*.egg-info", "__pycache__", ".*_cache")
    copy, dist = shutil.copytree(ROOT, tmp_path / "copy", ignore=ignored), tmp_path / "dist"
    run(sys.executable, "-m", "build", "--outdir", dist, copy, cwd=tmp_path)
    (wheel,), (source,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    run(sys.executable, "-m", "venv", "empty", cwd=tmp_path)
    inside = tmp_path / "empty" / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(inside, "-m", "pip", "install", "-q", wheel, "-c", ROOT / "requirements.txt", cwd=tmp_path)
    says = "import tiny_jepa; print(tiny_jepa.list_budgets(), tiny_jepa.build_model('2k').repr_dim, tiny_jepa.__file__)"
    out = run(inside, "-c", says, cwd=tmp_path)
    assert "'2k'" in out and "512" in out and str(tmp_path) in out
    assert "train and score a grid" in run(inside, "-m", "tiny_jepa", "--help", cwd=tmp_path)
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path)
    (unpacked,) = tmp_path.glob("tiny_jepa-*")
    command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")
    run(*command, "--collect-only", cwd=unpacked, PYTHONPATH=str(unpacked))
    run(*command, "tests/test_rooms.py", "tests/test_configuration.py", cwd=unpacked, PYTHONPATH=str(unpacked))


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_of_pages_lead_somewhere():
    broken = []
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("results/*.md")):
        text = page.read_text(encoding="utf-8")
        for link in re.findall(r"\]\((?!http)([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text):
            file, _, anchor = link.partition("#")
            target = page.parent / file if file else page
            if not target.exists() or (anchor and anchor not in anchors(target)):
                broken.append(f"{page.name}: {link}")
    assert broken == []


@pytest.mark.slow
def test_all_cells_of_the_notebook_run(monkeypatch):
    for name in ("gymnasium", "matplotlib"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    names: dict = {}
    for number, cell in enumerate(json.loads((ROOT / "examples" / "tour.ipynb").read_text(encoding="utf-8"))["cells"]):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"tour.ipynb, cell {number}", "exec"), names)
    assert names["error"].mean() < 0.1 < names["missed"].mean()
    assert names["losses"]["wall"] < 0.742
    assert names["there"]
