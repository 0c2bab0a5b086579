"""Debian's Chromium without a screen, driven through a pipe by its DevTools protocol.

https://chromedevtools.github.io/devtools-protocol
"""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.conftest import end

SECONDS: Final = 30.0
"""More than anything takes that is waited for."""

OPTIONS: Final = (
    "--headless=new",
    "--no-sandbox",  # of which root has none
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--remote-debugging-pipe",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # no network
)
BUTTON: Final = {"button": "left", "clickCount": 1}


class Page:
    """A page in Chromium; a pointer and keys act on it as a person's do.

    Attributes
    ----------
    said
        Errors and warnings that the page and its scripts came to.
    """

    def __init__(self, into: int, out: int) -> None:
        self._into, self._out, self._rest, self._last = into, out, b"", 0
        self.said: list[str] = []
        self._session: str | None = None
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        attached = self.command("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Carry out a command of the protocol; return its result."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._into, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._last:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self._note(answer)

    def _message(self) -> dict[str, Any]:
        give_up = time.monotonic() + SECONDS
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._out], [], [], max(0, give_up - time.monotonic()))
            assert ready, "Chromium does not answer"
            part = os.read(self._out, 2**20)
            assert part, "Chromium has ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        """Keep what went wrong on the page."""
        about = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.said.append(json.dumps(about["exceptionDetails"]))
        if event.get("method") == "Log.entryAdded" and about["entry"]["level"] != "verbose":
            self.said.append(json.dumps(about["entry"]))

    def open(self, path: Path, width: int = 1100, height: int = 900, dark: bool = False) -> None:
        """Open a file, and wait until its map or, without one, its curve is drawn."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.command("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])
        self.command("Page.navigate", url=path.absolute().as_uri())
        self.wait(
            "document.readyState === 'complete' && (document.querySelector('#maps').hidden"
            " || document.querySelector('#map-label').textContent !== '')"
        )

    def js(self, expression: str) -> Any:
        """Return the value of an expression on the page; of a promise, when it is kept."""
        kept = {"returnByValue": True, "awaitPromise": True}
        found = self.command("Runtime.evaluate", expression=expression, **kept)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until an expression is true."""
        give_up = time.monotonic() + SECONDS
        while not self.js(expression):
            assert time.monotonic() < give_up, f"never: {expression}"
            time.sleep(0.02)

    def text(self, selector: str) -> str:
        """Return what a person reads in an element; empty if it is not seen."""
        element = f"document.querySelector({json.dumps(selector)})"
        return self.js(f"{element}.innerText ?? {element}.textContent")

    def place(self, selector: str, x: float, y: float) -> tuple[float, float]:
        """Scroll to an element; return a place in it, by parts of its width and height."""
        found = self.js(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            " return [b.left, b.top, b.width, b.height]; })()"
        )
        left, top, width, height = found
        return left + x * width, top + y * height

    def point(self, selector: str, x: float, y: float) -> None:
        """Move the pointer to a place in an element."""
        at = self.place(selector, x, y)
        self._mouse("mouseMoved", at)

    def click(self, selector: str) -> None:
        """Click on the middle of an element."""
        self.drag(selector, (0.5, 0.5), (0.5, 0.5))

    def drag(self, selector: str, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the pointer at a place in an element, move it to another, and let it go."""
        a, b = self.place(selector, *begin), self.place(selector, *end)
        self._mouse("mouseMoved", a)
        self._mouse("mousePressed", a, **BUTTON)
        for k in range(1, 6):
            at = (a[0] + (b[0] - a[0]) * k / 5, a[1] + (b[1] - a[1]) * k / 5)
            self._mouse("mouseMoved", at, button="left", buttons=1)
        self._mouse("mouseReleased", b, **BUTTON)

    def _mouse(self, kind: str, at: tuple[float, float], **more: Any) -> None:
        self.command("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], **more)

    def key(self, name: str, code: int) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            self.command(
                "Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code
            )

    def picture(self, path: Path, whole: bool = True) -> None:
        """Save what is seen, or all of the page, as PNG."""
        found = self.command("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def printed(self) -> bytes:
        """Return the page as PDF."""
        return base64.b64decode(self.command("Page.printToPDF", printBackground=False)["data"])


@contextmanager
def chromium(folder: Path) -> Iterator[Page]:
    """Start Chromium with a profile of its own in a folder; end it and all it started."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "no chromium here; tools/test --browser installs it"
    (read, into), (out, write) = os.pipe(), os.pipe()
    ends = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 10) for one in (read, write)]
    as_3_and_4 = f'exec "$@" 3<&{ends[0]} 4>&{ends[1]}'
    process = subprocess.Popen(
        ["bash", "-c", as_3_and_4, "-", program, *OPTIONS, f"--user-data-dir={folder}"],
        pass_fds=ends,
        env={**os.environ, "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    for one in (read, write, *ends):
        os.close(one)
    try:
        yield Page(into, out)
    finally:
        end(process)
        os.close(into)
        os.close(out)
