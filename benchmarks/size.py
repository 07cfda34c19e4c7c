"""How large the project is, in lines and words: `python -m benchmarks.size`."""

from pathlib import Path

from tiny_jepa.tables import markdown

ROOT = Path(__file__).resolve().parent.parent
ROOMS = sorted({path.parent.name for path in (ROOT / "tiny_jepa").glob("*/*.py")})
PARTS = {
    "package": ("tiny_jepa",),
    **{f"  {room}/": (f"tiny_jepa/{room}",) for room in ROOMS},
    "root scripts": ("main.py", "evaluator.py", "train.py", "count_params.py"),
    "tests": ("tests",),
    "benchmarks": ("benchmarks",),
    "pages": ("README.md", "CONTRIBUTING.md", "docs"),
}


def main() -> None:
    rows = []
    for part, names in PARTS.items():
        paths, pattern = [ROOT / name for name in names], "*.md" if part == "pages" else "*.py"
        files = [file for path in paths for file in (path.rglob(pattern) if path.is_dir() else [path])]
        texts = [file.read_text(encoding="utf-8") for file in files]
        lines, words = sum(text.count("\n") for text in texts), sum(len(text.split()) for text in texts)
        rows.append([part, f"{lines:,}", f"{words:,}"])
    print(markdown(["part", "lines", "words"], rows))


if __name__ == "__main__":
    main()
