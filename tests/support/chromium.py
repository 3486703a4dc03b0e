"""A real headless Chromium, driven over its DevTools protocol."""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--disable-default-apps", "--disable-quic", "--mute-audio", "--hide-scrollbars", "--remote-debugging-port=0"),
    "--disable-features=Translate,MediaRouter,OptimizationHints",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
"""Software WebGL, and nothing that asks the network for anything."""

VIRTUAL_KEYS = {"Escape": 27, "Enter": 13, "Tab": 9}
"""Keys that the browser itself acts on."""

PERFORMANCE = "GL Driver Message (OpenGL, Performance"
"""What the driver says about pixels that a test reads back."""

MOST_BYTES = 64 << 20
TIMEOUT_S = 30.0
POLL_S = 0.03


def chromium_path() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


def require_chromium() -> str:
    """The program, or skip; in CI its absence is a failure."""
    path = chromium_path()
    if path is None and os.environ.get("CI") == "true":
        pytest.fail("there is no chromium, which CI must have: apt-get install chromium")
    if path is None:
        pytest.skip("no chromium: apt-get install chromium")
    return path


class Tab:
    """One page. What it complains about is kept in :attr:`complaints`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reader = asyncio.create_task(self._read())
        self.complaints: list[str] = []
        self.requests: list[str] = []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        return await asyncio.wait_for(answer, TIMEOUT_S)

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression, awaited where it is a promise."""
        found = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            details = found["exceptionDetails"]
            raise AssertionError(details.get("exception", {}).get("description", details["text"]))
        return found["result"].get("value")

    async def view(self, body: str) -> Any:
        """Run the body of a function of `view`, the view that the page shows."""
        return await self.evaluate(
            f'(async () => {{ const {{ page }} = await import("/page/main.js"); const view = page.view; {body} }})()'
        )

    async def wait(self, what: str, body: str, timeout_s: float = TIMEOUT_S) -> Any:
        """Ask until the body of a function of `view` returns something true."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not (answer := await self.view(body)):
            if asyncio.get_running_loop().time() > deadline:
                text = await self.evaluate("document.body.innerText")
                raise AssertionError(f"{what}: not within {timeout_s} s; last answer {answer!r}; the page says:\n{text}\n{self.complaints}")
            await asyncio.sleep(POLL_S)
        return answer

    async def open(self, url: str) -> None:
        await self.call("Page.navigate", url=url)
        await self.wait_for_module()

    async def wait_for_module(self) -> None:
        for _ in range(int(TIMEOUT_S / POLL_S)):
            with contextlib.suppress(AssertionError):
                if await self.evaluate('import("/page/main.js").then(({ page }) => page.view !== null)'):
                    return
            await asyncio.sleep(POLL_S)
        raise AssertionError(f"the page did not start: {self.complaints}")

    async def resize(self, width: int, height: int, scale: float = 1, mobile: bool = False) -> None:
        await self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile)

    async def scheme(self, name: str) -> None:
        """``dark`` or ``light``."""
        await self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    async def press(self, key: str, text: str | None = None) -> None:
        written = text if text is not None else key if len(key) == 1 else None
        code = {"windowsVirtualKeyCode": VIRTUAL_KEYS.get(key, 0)}
        await self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **code, **({"text": written} if written else {}))
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key, **code)

    async def move(self, x: float, y: float) -> None:
        await self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    async def screenshot(self, path: Path) -> None:
        found = await self.call("Page.captureScreenshot", format="png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(found["data"]))

    async def downloads_to(self, folder: Path) -> None:
        await self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    async def start(self) -> None:
        for domain in ("Page", "Runtime", "Log"):
            await self.call(f"{domain}.enable")

    async def note_requests(self) -> None:
        """Keep every address that is asked for from now on. It is told with every byte of every WebSocket, too: not for benchmarks."""
        await self.call("Network.enable")

    async def close(self) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self._socket.close()

    async def _read(self) -> None:
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                answer = self._answers.pop(told["id"])
                if answer.cancelled():
                    continue
                if "error" in told:
                    answer.set_exception(AssertionError(told["error"]["message"]))
                else:
                    answer.set_result(told["result"])
            else:
                self._note(told["method"], told["params"])

    def _note(self, method: str, event: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = event["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and event["type"] in ("error", "warning", "assert"):
            self.complaints.append(" ".join(str(a.get("value", a.get("description"))) for a in event["args"]))
        elif method == "Log.entryAdded" and event["entry"]["level"] in ("error", "warning") and PERFORMANCE not in event["entry"]["text"]:
            self.complaints.append(f"{event['entry']['text']} {event['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(event["request"]["url"])


class Chromium:
    """One browser with a profile of its own."""

    def __init__(self, http: aiohttp.ClientSession, port: int) -> None:
        self._http, self._port = http, port

    @asynccontextmanager
    async def tab(self, width: int = 1500, height: int = 950) -> AsyncIterator[Tab]:
        async with self._http.get(f"http://127.0.0.1:{self._port}/json/version") as answer:
            control = Tab(await self._http.ws_connect((await answer.json())["webSocketDebuggerUrl"]))
        # A window each: a tab behind another one is hidden, and a hidden page draws nothing.
        target = (await control.call("Target.createTarget", url="about:blank", newWindow=True))["targetId"]
        await control.close()
        tab = Tab(await self._http.ws_connect(f"http://127.0.0.1:{self._port}/devtools/page/{target}", max_msg_size=MOST_BYTES))
        try:
            await tab.start()
            await tab.resize(width, height)
            yield tab
        finally:
            await tab.close()
            async with self._http.get(f"http://127.0.0.1:{self._port}/json/close/{target}"):
                pass


@asynccontextmanager
async def chromium(path: str) -> AsyncIterator[Chromium]:
    """Start a browser; it and all its processes are gone at the end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            path,
            *FLAGS,
            f"--user-data-dir={folder}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=os.environ | {"HOME": folder, "DBUS_SESSION_BUS_ADDRESS": "disabled:"},
            start_new_session=True,
        )
        try:
            port = await _port(Path(folder) / "DevToolsActivePort", lambda: process.returncode)
            async with aiohttp.ClientSession() as http:
                yield Chromium(http, port)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _port(file: Path, ended: Callable[[], int | None]) -> int:
    """Where it listens; it says so in a file."""
    for _ in range(int(TIMEOUT_S / POLL_S)):
        if file.exists() and "\n" in (text := file.read_text()):
            return int(text.splitlines()[0])
        assert ended() is None, f"chromium ended with {ended()}"
        await asyncio.sleep(POLL_S)
    raise AssertionError("chromium did not open its DevTools port")
