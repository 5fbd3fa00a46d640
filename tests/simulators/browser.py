"""The real Chromium without a window, driven by its DevTools protocol: no simulation.

One browser serves many tests, since it takes ten times as long to start as most of them take. Each page has a context
of its own, as a private window has: it shares no cookies, no storage and no cache with any other.

Source: https://chromedevtools.github.io/devtools-protocol/ (Target, Page, Runtime, Network, Log, Input).
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

from tests.patience import PATIENCE


@dataclass
class Talk:
    """With the browser itself, or one of its pages."""

    _socket: aiohttp.ClientWebSocketResponse
    _answers: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    _number: int = 0

    async def command(self, method: str, **parameters: object) -> dict[str, Any]:
        """What it answers to a command."""
        self._number += 1
        answer = self._answers[self._number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        async with asyncio.timeout(PATIENCE):
            found: dict[str, Any] = await answer
        return found

    async def listen(self) -> None:
        """Take what it says, until it ends."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                waiting = self._answers.pop(said["id"])
                if not waiting.done():
                    waiting.set_result(said.get("result", {"error": said.get("error")}))
            else:
                await self._happened(said["method"], said["params"])

    async def _happened(self, method: str, what: dict[str, Any]) -> None:
        """Nobody minds."""


_Talk = TypeVar("_Talk", bound=Talk)


@dataclass
class Page(Talk):
    """One page of it."""

    asked: list[str] = field(default_factory=list)
    """URL of every request that it sent."""
    complaints: list[str] = field(default_factory=list)
    """What went wrong in it: exceptions, errors in its log (refusals by a policy too), dialogs."""

    async def go(self, url: str) -> None:
        """Open a URL, as if somebody had typed it, and wait until it is there."""
        await self.command("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def run(self, script: str) -> Any:  # noqa: ANN401 - whatever the script gives
        """What an expression gives in the page, with what it promises."""
        answer = await self.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, condition: str) -> None:
        """Wait for a condition."""
        waiting = (
            f"new Promise((done) => {{ const look = () => ({condition}) ? done() : setTimeout(look, 10); look(); }})"
        )
        expression = {"expression": waiting, "awaitPromise": True}
        async with asyncio.timeout(PATIENCE):
            while "error" in await self.command("Runtime.evaluate", **expression):
                pass  # another page came meanwhile: it is looked at in that one

    async def write(self, selector: str, text: str) -> None:
        """Replace what a field holds, as by typing."""
        await self.run(
            f"(() => {{ const at = document.querySelector({json.dumps(selector)}); at.focus(); at.select(); }})()"
        )
        await self.command("Input.insertText", text=text)

    async def choose(self, selector: str, value: str) -> None:
        """Choose from a list, as by clicking."""
        await self.run(
            f"(() => {{ const at = document.querySelector({json.dumps(selector)}); at.value = {json.dumps(value)};"
            " at.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )

    async def text(self, selector: str) -> str:
        """What somebody reads there."""
        return str(await self.run(f"document.querySelector({json.dumps(selector)}).innerText"))

    async def screenshot(self, file: Path) -> None:
        """Keep what it looks like, where it is drawn."""
        answer = await self.command("Page.captureScreenshot", format="png")
        await asyncio.to_thread(file.write_bytes, base64.b64decode(answer["data"]))

    async def _happened(self, method: str, what: dict[str, Any]) -> None:
        match method:
            case "Network.requestWillBeSent":
                self.asked.append(what["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(what["exceptionDetails"]))
            case "Log.entryAdded" if what["entry"]["level"] == "error":
                self.complaints.append(what["entry"]["text"])
            case "Page.javascriptDialogOpening":
                self.complaints.append(f"dialog: {what['message']}")
                await self._socket.send_json(
                    {"id": 0, "method": "Page.handleJavaScriptDialog", "params": {"accept": True}}
                )
                self._answers[0] = asyncio.get_running_loop().create_future()
            case _:
                pass


@contextmanager
def chromium(folder: Path) -> Iterator[int]:
    """A new one that keeps its things in this folder; the port at which it is driven. Skips where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    options = ["--headless=new", "--remote-debugging-port=0", f"--user-data-dir={folder}", "--window-size=1500,1150"]
    options += ["--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    options += ["--no-sandbox"] if os.geteuid() == 0 else []  # it refuses to have one where root starts it
    devnull = subprocess.DEVNULL
    with subprocess.Popen([program, *options, "about:blank"], stdout=devnull, stderr=devnull) as process:
        try:
            yield _port_in(folder / "DevToolsActivePort")
        finally:
            process.terminate()


@asynccontextmanager
async def browsing(port: int, *, is_drawn: bool = False) -> AsyncIterator[Page]:
    """A page of the browser that is driven at this port, and of nobody else.

    In a window, where it is drawn, only if somebody looks: the window is most of the work.
    """
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/json/version") as answer:
            url = (await answer.json())["webSocketDebuggerUrl"]
        async with _talking(session, url, Talk) as browser:
            context = (await browser.command("Target.createBrowserContext"))["browserContextId"]
            about = {"url": "about:blank", "browserContextId": context, "hidden": not is_drawn}
            target = (await browser.command("Target.createTarget", **about))["targetId"]
            try:
                async with _talking(session, f"ws://127.0.0.1:{port}/devtools/page/{target}", Page) as page:
                    for domain in ("Page", "Runtime", "Network", "Log"):
                        await page.command(f"{domain}.enable")
                    yield page
            finally:
                await browser.command("Target.disposeBrowserContext", browserContextId=context)


@asynccontextmanager
async def _talking(session: aiohttp.ClientSession, url: str, kind: type[_Talk]) -> AsyncIterator[_Talk]:
    async with session.ws_connect(url, max_msg_size=2**26) as socket:
        talk = kind(socket)
        listening = asyncio.create_task(talk.listen())
        yield talk
        listening.cancel()


def _port_in(file: Path) -> int:
    until = time.monotonic() + PATIENCE
    while not file.exists() or "\n" not in file.read_text():
        assert time.monotonic() < until, "Chromium says no port"
        time.sleep(0.02)
    return int(file.read_text().splitlines()[0])
