"""A page in Debian's Chromium without a window, steered by the DevTools protocol over a pair of pipes."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE_SECONDS = 60
"""How long an answer may take on a machine that is busy with other tests before the browser counts as stuck."""
SWITCHES = (
    "--headless",
    "--no-sandbox",  # a container has no user namespaces; only our own pages are opened
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # a page that asks for anything outside gets nothing
    "--remote-debugging-pipe",
)


@dataclass
class Seen:
    """What a page did by itself while it was open."""

    complaints: list[str] = field(default_factory=list)
    """Errors and warnings of the console, and exceptions."""
    requests: list[str] = field(default_factory=list)
    """Addresses that were asked for."""
    dialogs: list[str] = field(default_factory=list)
    """Texts of alert(): what an injected script would show."""


class Browser:
    """One process of Chromium; messages end in a zero byte, as `--remote-debugging-pipe` wants them."""

    def __init__(self, profile: Path) -> None:
        """Start Chromium with an empty profile folder."""
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        # Chromium reads from descriptor 3 and writes to 4; bash is what can put them there.
        redirected = f'exec "$0" "$@" 3<&{to_read} 4>&{to_write}'
        command = ["bash", "-c", redirected, str(PROGRAM), *SWITCHES, f"--user-data-dir={profile}", "about:blank"]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(
            command, stdin=quiet, stdout=quiet, stderr=quiet, pass_fds=(to_read, to_write), start_new_session=True
        )
        os.close(to_read)
        os.close(to_write)
        self._buffer = b""
        self._number = 0
        self._seen: dict[str, Seen] = {}

    def close(self) -> None:
        """End the browser, by its own command and otherwise by force."""
        try:
            self.ask("Browser.close")
            self._process.wait(PATIENCE_SECONDS)
        except (OSError, TimeoutError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._read)
        os.close(self._write)

    def ask(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Return the answer to one DevTools command; RuntimeError where Chromium refuses it."""
        self._number += 1
        wanted = self._number
        message = {"id": wanted, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == wanted:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])

    def wait_for(self, method: str, session: str) -> None:
        """Return once the page has told of an event of this name."""
        while True:
            message = self._next()
            if message.get("method") == method and message.get("sessionId") == session:
                return

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE_SECONDS
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise TimeoutError(f"Chromium has said nothing for {PATIENCE_SECONDS} seconds")
            part = os.read(self._read, 1 << 20)
            if not part:
                raise OSError("Chromium has ended")
            self._buffer += part
        first, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        self._note(message)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        session, method, told = message.get("sessionId", ""), message.get("method"), message.get("params", {})
        seen = self._seen.get(session)
        if seen is None:
            return
        if method == "Runtime.exceptionThrown":
            seen.complaints.append(str(told["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            seen.complaints.append(str(told["args"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            seen.complaints.append(told["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            seen.requests.append(told["request"]["url"])
        elif method == "Page.javascriptDialogOpening":
            seen.dialogs.append(told["message"])
            # An open dialog would hold the page for ever; its answer is not waited for.
            self._number += 1
            close = {"id": self._number, "method": "Page.handleJavaScriptDialog", "params": {"accept": True}}
            os.write(self._write, json.dumps({**close, "sessionId": session}).encode() + b"\0")

    @contextmanager
    def open(
        self, path: Path, *, width: int = 1200, height: int = 900, dark: bool = False, scripts: bool = True
    ) -> Iterator[Tab]:
        """Open a file in a tab of its own and close it afterwards.

        Args:
            path: an HTML file.
            width: of the page, in CSS pixels.
            height: of the visible part, in CSS pixels.
            dark: the reader's theme.
            scripts: False as for a reader who has switched them off.
        """
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable", session)
        # Processor time of the page, which a busy machine does not lengthen.
        self.ask("Performance.enable", session, timeDomain="threadTicks")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.ask("Emulation.setDeviceMetricsOverride", session, **size)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", session, features=[theme])
        self.ask("Emulation.setScriptExecutionDisabled", session, value=not scripts)
        self._seen[session] = seen = Seen()
        self.ask("Page.navigate", session, url=path.resolve().as_uri())
        self.wait_for("Page.loadEventFired", session)
        try:
            yield Tab(self, session, seen)
        finally:
            del self._seen[session]
            self.ask("Target.closeTarget", targetId=target)


@dataclass
class Tab:
    """An open page."""

    browser: Browser
    session: str
    seen: Seen

    def value(self, expression: str) -> Any:
        """Return what a JavaScript expression is worth, as JSON would carry it."""
        answer = self.browser.ask("Runtime.evaluate", self.session, expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def cpu_seconds(self) -> float:
        """Return the processor time that the page has taken until it was drawn."""
        self.picture()
        metrics = self.browser.ask("Performance.getMetrics", self.session)["metrics"]
        return float(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))

    def press(self, key: str) -> None:
        """Press and release a key that the page knows by this name, such as "Tab"."""
        text = {"Enter": "\r", " ": " "}.get(key, "")
        for kind in ("keyDown", "keyUp"):
            self.browser.ask("Input.dispatchKeyEvent", self.session, type=kind, key=key, code=key, text=text)

    def picture(self) -> str:
        """Return what is visible as a PNG in base64."""
        return str(self.browser.ask("Page.captureScreenshot", self.session)["data"])
