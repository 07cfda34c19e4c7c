"""Pictures of the page: on a desktop by day, on a phone by night. Needs Chromium.

    python -m benchmarks.gallery [--budget 250] [--out docs/images]

The visitor drives the dot into the wall, then clicks a goal in the other room, and the model walks there.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.browser import Browser, find_chromium
from tiny_jepa.commands import page
from tiny_jepa.errors import UserError, run_cli

GOAL = (0.77, 0.74)  # shares of the room's side
SCREENS = {
    "page.png": {"width": 1160, "height": 985},
    "page_phone.png": {"width": 390, "height": 844, "scale": 2, "dark": True, "touch": True},
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gallery", description="Pictures of the page.")
    parser.add_argument("--budget", default="250", help="preset (250)")
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="folder (docs/images)")
    args = parser.parse_args()
    if find_chromium() is None:
        raise UserError("no Chromium here; on Debian: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        page.main(["--budget", args.budget, "--out", str(path)])
        for name, screen in SCREENS.items():
            with Browser(**screen) as browser:  # type: ignore[arg-type]
                browser.open(path)
                browser.key("ArrowRight", hold=1.2)
                browser.wait("tinyJepa.session.blocked")
                box = browser.evaluate("document.getElementById('room').getBoundingClientRect().toJSON()")
                browser.drag([(box["left"] + GOAL[0] * box["width"], box["top"] + GOAL[1] * box["height"])])
                browser.wait("document.getElementById('status').textContent.startsWith('There')")
                browser.screenshot(args.out / name)
                print(f"wrote {args.out / name}")


if __name__ == "__main__":
    run_cli(main)
