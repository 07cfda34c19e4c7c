"""How large the project is, in lines and words: `python -m benchmarks.size`.

The training path is what leads from `train.py` and a budget to a weights file. Models and objectives, which it trains,
and data and worlds, which it reads, are counted on lines of their own.
"""

from pathlib import Path

from tiny_jepa.tables import markdown

ROOT = Path(__file__).resolve().parent.parent
TRAINING = ("train.py", "tiny_jepa/settings.py", "tiny_jepa/budgets.py", "tiny_jepa/weights.py", "tiny_jepa/training")
ROOMS = sorted(path.name for path in (ROOT / "tiny_jepa").glob("[a-z]*/"))
PARTS = {
    "package": (("tiny_jepa",), "*.py"),
    **{f"  {room}/": ((f"tiny_jepa/{room}",), "*.py") for room in ROOMS},
    "training path": (TRAINING, "*.py"),
    "  with models and objectives": ((*TRAINING, "tiny_jepa/models", "tiny_jepa/objectives"), "*.py"),
    "root scripts": (("main.py", "evaluator.py", "train.py", "count_params.py"), "*.py"),
    "tests": (("tests",), "*.py"),
    "README and docs": (("README.md", "docs"), "*.md"),
}


def files(names: tuple[str, ...], pattern: str) -> list[Path]:
    """Files that are named, or lie under a named folder."""
    paths = [ROOT / name for name in names]
    return [file for path in paths for file in (path.rglob(pattern) if path.is_dir() else [path])]


def main() -> None:
    rows = []
    for part, (names, pattern) in PARTS.items():
        texts = [file.read_text(encoding="utf-8") for file in files(names, pattern)]
        lines, words = sum(text.count("\n") for text in texts), sum(len(text.split()) for text in texts)
        rows.append([part, f"{lines:,}", f"{words:,}"])
    print(markdown(["part", "lines", "words"], rows))


if __name__ == "__main__":
    main()
