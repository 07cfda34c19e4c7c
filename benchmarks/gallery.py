"""Pictures of the page: on a desktop by day, on a phone by night. Needs Chromium.

The visitor drives the dot into the wall, then clicks a goal in the other room, and the model walks there.
"""

import tempfile
from pathlib import Path

from benchmarks.browser import Browser, find_chromium
from benchmarks.shared import run
from tiny_jepa.commands import page
from tiny_jepa.errors import UserError

DESKTOP, PHONE = Browser(1160, 985), Browser(390, 844, scale=2, dark=True, touch=True)


def main(budget: str = "250", out: Path = Path("docs/images")) -> None:
    if find_chromium() is None:
        raise UserError("no Chromium here; on Debian: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        page.main(["--budget", budget, "--out", str(path)])
        for name, screen in {"page.png": DESKTOP, "page_phone.png": PHONE}.items():
            with screen as browser:
                browser.open(path)
                browser.key("ArrowRight", hold=1.2)
                browser.wait("tinyJepa.session.blocked")
                box = browser.evaluate("document.getElementById('room').getBoundingClientRect().toJSON()")
                browser.drag([(box["left"] + 0.77 * box["width"], box["top"] + 0.74 * box["height"])])
                browser.wait("document.getElementById('status').textContent.startsWith('There')")
                browser.screenshot(out / name)
                print(f"wrote {out / name}")


if __name__ == "__main__":
    run(main)
