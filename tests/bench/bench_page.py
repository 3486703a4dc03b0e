"""The live page in a headless browser with software rendering: frames that it shows per second.

Everything runs on this machine: a simulated camera, the gateway, the browser, and what the browser needs to draw without a graphics card.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from chromium import chromium, chromium_path
from gateways import gateway, view
from harness import Measurement
from workers import camera, simulation, worker

CASES = (("1280x1024", 1280, 1024, 15.0), ("640x512", 640, 512, 25.0))
"""Size, width, height, and how many frames per second should be shown."""

SPARE = 4 / 3
"""The camera sends so many times as many: what is asked for must be possible, and no more than that be given away."""

WARM_FRAMES = 20

SHOW = """
const shown = view.shown, sent = view.status.sent, skipped = view.status.skipped, start = performance.now();
await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
const seconds = (performance.now() - start) / 1000;
return { rate: (view.shown - shown) / seconds, codec: view.frame.image.codec, binning: view.frame.image.binning, bytes: view.frame.bytes };
"""


def run(short: bool) -> list[Measurement]:
    """:raises RuntimeError: if what is shown is not exact"""
    path = chromium_path()
    if path is None:
        print("  no chromium: the live page is not measured")
        return []
    return [asyncio.run(_measure(path, *case, 4 if short else 15)) for case in CASES]


async def _measure(path: str, size: str, width: int, height: int, goal: float, seconds: int) -> Measurement:
    with tempfile.TemporaryDirectory() as folder:
        config = camera(simulation(width, height, SPARE * goal))
        with worker(Path(folder), config) as process, gateway(Path(folder), view(config["streamAddress"])) as served:
            process.wait_for_status("frames", lambda status: status["frames"]["sent"] > 0)
            async with chromium(path) as browser, browser.tab() as tab:
                await tab.open(f"{served.url}#/camera/default/cam")
                await tab.wait("frames", f"return view.shown > {WARM_FRAMES}")
                await tab.view('view.choose({ transfer: "exact" });')
                found: dict[str, Any] = await tab.view(SHOW.replace("SECONDS", str(seconds)))
    if found["binning"] != 1:
        raise RuntimeError(f"the page shows an image that is reduced {found['binning']} times")
    raw = {
        "shown [Hz]": round(found["rate"], 1),
        "sent [Hz]": round(SPARE * goal, 1),
        "data [MB/s]": round(found["rate"] * found["bytes"] / 1e6, 1),
    }
    return Measurement("live page, software rendering", size, found["rate"] / goal, 1.0, baseline=f"{goal:g} frames per second", raw=raw)
