"""Pictures of the page, on a desktop by day and on a phone by night, by headless Chromium, which tests drive as well.

Chromium is driven over its DevTools pipe, without a further package. The protocol, chromedevtools.github.io/devtools-
protocol, is JSON, each message ended by a zero byte; the browser reads from file descriptor 3 and writes to 4.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.shared import run
from tiny_jepa.commands import page
from tiny_jepa.errors import UserError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Enter": 13, " ": 32, "Tab": 9, "Escape": 27}


def find_chromium() -> str | None:
    """The path of a Chromium, or None. Pipes of this kind are POSIX's."""
    return next(filter(None, map(shutil.which, NAMES)), None) if os.name == "posix" else None


class Browser:
    """One page in a browser of its own; use as a context."""

    def __init__(self, width: int = 1200, height: int = 900, scale: float = 1, dark: bool = False, touch: bool = False):
        self.metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": touch}
        self.dark, self.touch = dark, touch
        self.count, self.loaded = itertools.count(1), False
        self.complaints: list[str] = []
        """Uncaught exceptions and console errors."""

    def __enter__(self) -> Browser:
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        (theirs_in, to), (back, theirs_out) = os.pipe(), os.pipe()
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--hide-scrollbars"]
        command = [str(find_chromium()), *flags, f"--user-data-dir={self.folder.name}", "about:blank"]
        # the shell puts the pipe's ends where the browser looks for them
        shell = ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", *command]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(shell, pass_fds=(theirs_in, theirs_out), stdout=quiet, stderr=quiet)
        os.close(theirs_in), os.close(theirs_out)
        self.to, self.stream, self.session = os.fdopen(to, "wb"), os.fdopen(back, "rb"), ""
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(each["targetId"] for each in targets if each["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", **self.metrics)
        self.call("Emulation.setTouchEmulationEnabled", enabled=self.touch)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if self.dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.stream.close(), self.to.close()
        self.folder.cleanup()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Sends a command and waits for its answer."""
        message: dict[str, Any] = {"id": next(self.count), "method": method, "params": params}
        message |= {"sessionId": self.session} if self.session else {}
        self.to.write(json.dumps(message).encode() + b"\0")
        self.to.flush()
        while True:
            answer = json.loads(b"".join(iter(lambda: self.stream.read(1), b"\0")))
            if answer.get("id") == message["id"]:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.loaded |= answer.get("method") == "Page.loadEventFired"
            details = answer.get("params", {})
            if "exceptionDetails" in details or details.get("entry", {}).get("level") == "error":
                self.complaints.append(str(details))

    def open(self, path: Path, part: str = "") -> None:
        """Opens a file from disk, at a part (#...) of it, and waits until its scripts have run."""
        self.loaded = False
        self.call("Page.navigate", url=path.resolve().as_uri() + part)
        while not self.loaded:
            self.evaluate("0")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; promises are waited for."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"]["exception"].get("description", expression))
        return found["result"].get("value")

    def wait(self, expression: str, seconds: float = 20) -> None:
        """Waits until an expression is true."""
        until = time.monotonic() + seconds
        while not self.evaluate(f"Boolean({expression})"):
            if time.monotonic() > until:
                raise TimeoutError(f"{expression}; the page says: {self.evaluate('document.body.innerText')}")
            time.sleep(0.03)

    def key(self, name: str, hold: float = 0.0, shift: bool = False) -> None:
        """Presses a key, holds it for some seconds, lets go."""
        event = {"key": name, "windowsVirtualKeyCode": KEYS.get(name, ord(name[0].upper())), "modifiers": 8 * shift}
        if len(name) == 1:
            event["text"] = name
        self.call("Input.dispatchKeyEvent", type="keyDown", **event)
        time.sleep(hold)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def drag(self, points: list[tuple[float, float]], hold: float = 0.0) -> None:
        """Presses at the first point (CSS px), moves along the others, holds for some seconds, lets go. A single point
        is a click; with touch, a finger does all this."""
        kind, verbs = ("touch", ("Start", "Move", "End")) if self.touch else ("mouse", ("Pressed", "Moved", "Released"))
        start, move, end = (kind + verb for verb in verbs)
        for way, (x, y) in zip([start, *[move] * (len(points) - 1), end], [*points, points[-1]], strict=True):
            time.sleep(hold if way == end else 0)
            mouse = {"x": x, "y": y, "button": "left", "clickCount": 1}
            finger = {"touchPoints": [] if way == end else [{"x": x, "y": y}]}
            self.call(f"Input.dispatch{kind.title()}Event", type=way, **(finger if self.touch else mouse))

    def screenshot(self, path: Path) -> None:
        """Writes a PNG of what is seen."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


def main(budget: str = "250", out: Path = Path("docs/images")) -> None:
    """The visitor drives the dot into the wall, then clicks a goal in the other room, and the model walks there."""
    if find_chromium() is None:
        raise UserError("no Chromium here; on Debian: apt-get install chromium")
    screens = {"page.png": Browser(1160, 985), "page_phone.png": Browser(390, 844, scale=2, dark=True, touch=True)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        page.main(["--budget", budget, "--out", str(path)])
        for name, screen in screens.items():
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
