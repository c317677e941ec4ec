"""A headless Chromium for tests of pages, driven by its own protocol over two pipes: no driver, no port."""

import base64
import json
import os
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
NEEDS_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium or Chrome on PATH, to open the page as a reader does")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --disable-dev-shm-usage --hide-scrollbars"
).split()
_ANSWERS_WITHIN = 60.0  # seconds


class Browser:
    """One page in a browser of its own.

    Parameters
    ----------
    profile : Path
        A folder for the browser's own files.

    Attributes
    ----------
    requests : list of str
        Addresses that the page asked for.
    dialogs : list of str
        What alerts and other dialogs said; each is closed at once.
    errors : list of str
        Exceptions of scripts that nothing caught, and what the console reported as errors.
    """

    def __init__(self, profile: Path) -> None:
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        self.errors: list[str] = []
        self._number = 0
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        to_read, self._to_browser = os.pipe()
        self._from_browser, to_write = os.pipe()
        # The browser reads descriptor 3 and writes to 4.
        joined = f'exec "$@" 3<&{to_read} 4>&{to_write}'
        command = ["bash", "-c", joined, "bash", str(CHROMIUM), *FLAGS, "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(command, pass_fds=(to_read, to_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        threading.Thread(target=self._listen, daemon=True).start()
        self._session: str | None = None
        pages = self.call("Target.getTargets")["targetInfos"]
        target = next(page["targetId"] for page in pages if page["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._to_browser)

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the browser's protocol and return its result."""
        number = self._send(method, parameters)
        end = time.monotonic() + _ANSWERS_WITHIN
        while True:
            answer = self._answers.get(timeout=max(0.0, end - time.monotonic()))
            if answer["id"] == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def open(self, address: str) -> None:
        """Open an address and wait until the page is loaded."""
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """Return the value of a script in the page; a promise is waited for."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, script: str, seconds: float = 30.0) -> None:
        """Wait until a script gives something true."""
        end = time.monotonic() + seconds
        while not self.run(f"!!({script})"):
            assert time.monotonic() < end, f"waited {seconds:g} s for {script}; the page says: {self.run('document.body.innerText')}"
            time.sleep(0.05)

    def type(self, text: str) -> None:
        """Type a text where the focus is."""
        self.call("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """Click on the middle of an element."""
        place = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center'}});"
            " const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for event in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=event, x=place[0], y=place[1], button="left", clickCount=1)

    def look(self, width: int, height: int = 800, dark: bool = False) -> None:
        """Set the window's size, and whether its reader prefers dark pages."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def picture(self, path: Path) -> None:
        """Write a picture of the whole page."""
        shown = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shown["data"]))

    def _send(self, method: str, parameters: dict[str, Any]) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to_browser, json.dumps(message).encode() + b"\0")
        return self._number

    def _listen(self) -> None:
        heard: dict[str, Callable[[dict[str, Any]], None]] = {
            "Network.requestWillBeSent": lambda event: self.requests.append(event["request"]["url"]),
            "Page.javascriptDialogOpening": self._close_dialog,
            "Runtime.exceptionThrown": lambda event: self.errors.append(str(event["exceptionDetails"])),
            "Log.entryAdded": lambda event: self.errors.append(event["entry"]["text"]) if event["entry"]["level"] == "error" else None,
        }
        with os.fdopen(self._from_browser, "rb") as pipe:
            unread = b""
            while part := pipe.read1(65536):
                *messages, unread = (unread + part).split(b"\0")
                for message in map(json.loads, messages):
                    if "id" in message:
                        self._answers.put(message)
                    elif message["method"] in heard:
                        heard[message["method"]](message["params"])

    def _close_dialog(self, event: dict[str, Any]) -> None:
        self.dialogs.append(event["message"])
        self._send("Page.handleJavaScriptDialog", {"accept": True})
