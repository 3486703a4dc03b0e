"""Write the pictures of the documentation: run the demo, open its page, and look.

``make screenshots``; ``python -m tests.browser.screenshots FOLDER`` writes them elsewhere, with some more to look at.
"""

import asyncio
import json
import shutil
import sys
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support")]

from chromium import Tab, chromium, chromium_path  # noqa: E402 - it stands beside this folder
from local_runs import LocalRun, local_run  # noqa: E402
from PIL import Image  # noqa: E402

SECONDS_OF_TREND = 24
COLOURS = 256


def main() -> int:
    path = chromium_path()
    if path is None:
        sys.stderr.write("screenshots need chromium: apt-get install chromium\n")
        return 1
    more = len(sys.argv) > 1
    folder = Path(sys.argv[1]) if more else ROOT / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, _demo(place) as run:
        run.wait_for_phase("demo-pipeline", "Running")
        asyncio.run(_take(path, run.page(), folder, more))
    if not more:
        # Of a cluster: `make e2e` takes them.
        for picture in sorted((ROOT / "build" / "screenshots").glob("cluster-*.png")):
            shutil.copy(picture, folder / picture.name)
    for name in sorted(file.name for file in folder.glob("*.png")):
        _shrink(folder / name)
        print(f"{folder / name}: {(folder / name).stat().st_size // 1024} KiB")
    return 0


def _demo(place: str) -> AbstractContextManager[LocalRun]:
    """With the interface that lets the page change something."""
    return local_run(Path(place), "--backgrounds", f"{place}/backgrounds", str(ROOT / "configs" / "demo"), page=True, rest=True)


async def _take(path: str, url: str, folder: Path, more: bool) -> None:
    async with chromium(path) as browser:
        async with browser.tab(1440, 900) as tab:
            await tab.scheme("dark")
            await tab.open(url)
            await tab.wait("pictures", "return view.tiles.size === 2 && [...view.tiles.values()].every((tile) => tile.painted)")
            await tab.wait("running", "return view.summary.textContent === '2 streams · 2 running'")
            await tab.resize(1000, 520)
            await tab.screenshot(folder / "overview.png")
        async with browser.tab(1440, 900) as tab:
            await tab.scheme("dark")
            await _stream(tab, url)
            await tab.screenshot(folder / "stream.png")
            await _set_up(tab)
            await tab.screenshot(folder / "setup.png")
            await tab.view("view.act('setup');")
            if not more:
                return
            await tab.scheme("light")
            await tab.wait(
                "another frame",
                "const before = view.shown; await new Promise((resolve) => setTimeout(resolve, 900)); return view.shown > before",
            )
            await tab.screenshot(folder / "stream-light.png")
        async with browser.tab(420, 900) as tab:
            await tab.resize(420, 900, 1, mobile=True)
            await tab.scheme("dark")
            await _stream(tab, url, seconds=2)
            await tab.screenshot(folder / "narrow.png")


async def _stream(tab: Tab, url: str, seconds: float = SECONDS_OF_TREND) -> None:
    await tab.open(f"{url}#/pipeline/default/demo-pipeline")
    await tab.wait(
        "a trend",
        f"const {{ times, first, next }} = view.readings.rows.get('x_fit_mean')?.series ?? {{}};"
        f" return times && times[next - 1] - first > {seconds}",
        timeout_s=60 + seconds,
    )


async def _set_up(tab: Tab) -> None:
    """A region that is chosen and not applied yet."""
    await tab.view("view.act('setup');")
    await tab.wait("the panel", "return view.setup.base !== null && !view.setup.region.pick.disabled")
    size = await tab.view("const { width, height } = view.frame.image; return { width, height };")
    region = {"offsetX": size["width"] // 4, "sizeX": size["width"] // 2, "offsetY": size["height"] // 5, "sizeY": size["height"] // 2}
    await tab.view(f"view.setup.region.show({json.dumps(region)}); view.setup.changed();")
    await tab.wait("drawn", "return view.figure.edges !== null")


def _shrink(path: Path) -> None:
    with Image.open(path) as picture:
        # Half the bytes, and no difference that could be seen: the noise of the camera is most of them.
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
