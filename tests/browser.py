"""A headless Chromium for tests, driven over its debugging pipe: no driver, no port, no library."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import axe_core_python

from programs import program

BINARIES = ("chromium", "chromium-browser", "google-chrome")
WIDTHS = (390, 768, 1440)  # a phone, a tablet, a screen
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe")


def binary() -> str:
    """The browser's path; where there is none the test is skipped, or fails on CI."""
    return program(*BINARIES, package="chromium")


class Page:
    """One page of a browser of its own. `errors` are what its console said was wrong, since it was opened."""

    def __init__(self, profile: Path, *, scripts: bool = True, dark: bool = False) -> None:
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        self.errors: list[str] = []
        self._numbers = itertools.count(1)
        self._session: str | None = None
        # The browser reads commands from descriptor 3 and answers on 4.
        wiring = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
        command = ["bash", "-c", wiring, binary(), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        quiet = subprocess.DEVNULL
        self._browser = subprocess.Popen(
            command, pass_fds=(to_browser, from_browser), stdin=quiet, stdout=quiet, stderr=quiet
        )
        os.close(to_browser)
        os.close(from_browser)
        self._answers = os.fdopen(self._read, "rb")
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def close(self) -> None:
        os.close(self._write)
        self._browser.terminate()
        self._browser.wait(timeout=60)
        self._answers.close()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the DevTools protocol and its answer."""
        number = next(self._numbers)
        command: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            command["sessionId"] = self._session
        os.write(self._write, json.dumps(command).encode() + b"\0")
        while (message := self._message()).get("id") != number:
            pass
        assert "error" not in message, message
        answer: dict[str, Any] = message["result"]
        return answer

    def _message(self) -> dict[str, Any]:
        """The next message of the browser; what it complains about is kept."""
        content = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "the browser has gone"
            content += byte
        message: dict[str, Any] = json.loads(content)
        match message.get("method"), message.get("params", {}):
            case "Runtime.exceptionThrown", said:
                self.errors.append(str(said["exceptionDetails"]))
            case "Log.entryAdded", said if said["entry"]["level"] in ("error", "warning"):
                self.errors.append(said["entry"]["text"])
            case "Runtime.consoleAPICalled", said if said["type"] in ("error", "warning", "assert"):
                self.errors.append(str(said["args"]))
        return message

    def resize(self, width: int, height: int = 900) -> None:
        """Gives the window another size, below 500 pixels that of a phone."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def open(self, file: Path) -> None:
        """Opens a file and waits until it has been loaded."""
        self.call("Page.navigate", url=file.as_uri())
        while self._message().get("method") != "Page.loadEventFired":
            pass

    def js(self, expression: str) -> Any:
        """The value of an expression in the page, awaited; also where the page's own scripts are off."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Clicks an element where it is, as a hand would."""
        [x, y] = self._middle(selector)
        for kind in ("mousePressed", "mouseReleased"):
            place = {"x": x, "y": y, "button": "left", "clickCount": 1}
            self.call("Input.dispatchMouseEvent", type=kind, **place)

    def tap(self, selector: str) -> None:
        """Taps an element on a touch screen."""
        self.call("Emulation.setTouchEmulationEnabled", enabled=True)
        [x, y] = self._middle(selector)
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def _middle(self, selector: str) -> list[float]:
        """Where an element is, scrolled into view."""
        box: list[float] = self.js(
            f"(e => {{ e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect();"
            f" return [r.x + r.width / 2, r.y + r.height / 2]; }})(document.querySelector({json.dumps(selector)}))"
        )
        return box

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key)

    def write(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def nameless(self, roles: frozenset[str]) -> list[str]:
        """Elements of these roles that a screen reader could not name."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        found = [node for node in nodes if node.get("role", {}).get("value") in roles]
        assert found
        return [str(node) for node in found if not node.get("name", {}).get("value")]


def violations(page: Page) -> list[list[str]]:
    """What axe finds wrong with the page for readers with disabilities: the rule, and the first element."""
    script = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    page.js(f"{script};0")
    found: list[list[str]] = page.js(
        "axe.run(document, {resultTypes: ['violations']}).then(found => "
        "found.violations.map(rule => [rule.id, rule.nodes[0].html.slice(0, 200)]))"
    )
    return found
