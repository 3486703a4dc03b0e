"""The live page of a cluster in a real browser: it starts what sleeps, tells how it is, and changes it."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from browsers import running_browser
from chromium import Tab
from cluster_runs import Workspace, camera, pipeline
from kind import ROOT
from setup_panel import FIELD, applied, apply, drag, enter, look

from camstream.names import API_VERSION, READ_ONLY

IDLE_S = 10
PICTURES = ROOT / "build" / "screenshots"
"""`make screenshots` takes those of a cluster from there."""
FITS = "document.documentElement.scrollWidth <= window.innerWidth"


async def elsewhere(work: Callable[..., Any], *arguments: Any) -> Any:
    """Something that waits, while the browser goes on."""
    return await asyncio.get_running_loop().run_in_executor(None, partial(work, *arguments))


def test_page_starts_changes_and_leaves_a_pipeline(workspace: Workspace, gateway: dict[int, str]) -> None:
    lifecycle = {"mode": "OnDemand", "idleTimeoutSeconds": IDLE_S}
    spec = {"input": {"camera": {"name": "cam"}}, "lifecycle": lifecycle}
    # One that runs on demand is shared, and read-only, unless it says otherwise.
    metadata = {"name": "fit", "annotations": {READ_ONLY: "false"}}
    workspace.apply(camera(lifecycle=lifecycle), {"apiVersion": API_VERSION, "kind": "Pipeline", "metadata": metadata, "spec": spec})
    workspace.wait_for_phase("pipeline/fit", "Idle")
    page, stream = f"{gateway[8080]}/", f"pipeline/{workspace.namespace}/fit"

    def threshold() -> Any:
        return workspace.get("pipeline/fit")["spec"].get("processing", {}).get("threshold")

    async def test(tab: Tab) -> None:
        # To open it is to ask for it.
        await look(tab, page, stream)
        await tab.wait("running", "return view.setup.pill.textContent === '● Running'")
        rows = await tab.view("return [...view.setup.conditions.element.children].map((row) => row.innerText);")
        assert any("Ready" in row and "FramesFlow" in row for row in rows)
        await enter(tab, "processing.threshold", 7)
        await apply(tab)
        await applied(tab)
        assert await elsewhere(threshold) == 7
        # Somebody else is faster.
        await enter(tab, "processing.threshold", 9)
        await elsewhere(partial(workspace.edit, "pipeline/fit", processing={"threshold": 8}))
        await apply(tab)
        await tab.wait("both are shown", "return !view.setup.conflict.hidden")
        assert "by kubectl-patch, " in await tab.view("return view.setup.conflict.textContent;")
        assert await elsewhere(threshold) == 8
        await tab.view("[...view.setup.conflict.querySelectorAll('button')].find((one) => one.textContent === 'Apply mine').click();")
        await applied(tab)
        assert await elsewhere(threshold) == 9
        await tab.view("view.setup.capture.frames.value = '3'; view.setup.capture.start.click();")
        told = await tab.wait("collected", "const said = view.setup.capture.said.textContent; return said.startsWith('Collected ') && said")
        assert "cam_" in told
        await tab.view("view.setup.capture.use.click();")
        await applied(tab)
        used = await elsewhere(partial(workspace.wait_for_condition, "pipeline/fit", "BackgroundLoaded", "True", "Loaded"))
        assert "cam_" in used["message"]

    with running_browser() as browser:
        # Chromium tells of every answer that is an error, and 412 is one.
        browser.run(test, complaints=True)
    # Nobody looks any more.
    workspace.wait_for_phase("pipeline/fit", "Idle")
    workspace.wait_for_phase("camera/cam", "Idle")


def test_page_sets_a_private_stream_up_and_only_shows_a_shared_one(workspace: Workspace, gateway: dict[int, str]) -> None:
    workspace.expected |= {"Waiting"}  # while it is paused
    private = {"mode": "OnDemand", "idleTimeoutSeconds": 600, "deleteWhenIdle": True}
    shared = {"mode": "OnDemand", "idleTimeoutSeconds": 600}
    mine, everybodys = pipeline("mine", lifecycle=private), pipeline("everybodys", lifecycle=shared, processing={"threshold": 7})
    workspace.apply(camera(), mine, everybodys)
    workspace.wait_until_ready("camera/cam", "pipeline/mine")
    page, place = f"{gateway[8080]}/", f"pipeline/{workspace.namespace}"

    def spec(*names: str) -> Any:
        found: Any = workspace.get("pipeline/mine")["spec"]
        for name in names:
            found = (found or {}).get(name)
        return found

    async def leave(tab: Tab) -> None:
        """So that what is seen next is not the view before."""
        await tab.call("Page.navigate", url="about:blank")

    async def test(tab: Tab) -> None:
        await look(tab, page, f"{place}/mine")
        # Region of interest, by a key and the mouse, and applied by a key.
        await tab.wait("offered", "return !view.setup.region.pick.disabled")
        await tab.press("r")
        await drag(tab, (10.5, 8.5), (41.5, 31.5))
        await tab.press("Enter", "\r")
        await applied(tab)
        assert await elsewhere(spec, "processing", "regionOfInterest") == {"offsetX": 10, "sizeX": 32, "offsetY": 8, "sizeY": 24}
        await tab.wait("cut", "return view.frame.image.width === 32 && view.frame.image.height === 24")
        await enter(tab, "processing.averaging", 3)
        await apply(tab)
        await applied(tab)
        await tab.wait("averaged", "return view.frame.image.original === 'float64'")
        await tab.screenshot(PICTURES / "cluster-setup.png")
        # The pipeline pauses for everybody, and goes on.
        for pauses, pill in ((True, "▲ Waiting"), (False, "● Running")):
            await tab.view(f"{FIELD} field('selection.pause').inputs[0].click();")
            await apply(tab)
            await applied(tab)
            assert bool(await elsewhere(spec, "selection", "pause")) is pauses
            await tab.wait(pill, f"return view.setup.pill.textContent === '{pill}'")
        # The picture is held for oneself alone.
        await tab.view("document.activeElement.blur();")
        for held in ("true", "false"):
            await tab.press(" ")
            await tab.wait("held, or not", f"return String(view.place.paused) === '{held}'")
        await tab.press("e")
        assert not await tab.view("return view.setup.open;")
        await tab.press("e")
        await tab.resize(400, 800)
        await tab.wait("the panel", "return view.setup.open && view.setup.base !== null")
        assert await tab.evaluate(FITS)
        await tab.resize(1300, 850)
        await leave(tab)
        await look(tab, page, f"{place}/everybodys")
        text = await tab.wait(
            "values", "return view.setup.body.querySelector('.values') && view.setup.body.innerText.replace(/\\s+/g, ' ')"
        )
        assert "This stream is shared" in text
        assert "Threshold 7" in text
        assert await tab.view("return view.setup.body.querySelectorAll('input, select, button').length;") == 0
        await leave(tab)
        await tab.open(page)
        facts = f"view.tiles.get('camera/{workspace.namespace}/cam')?.facts.textContent ?? ''"
        await tab.wait("real numbers", f"return /^(9|10)[.0-9]* Hz .* dropped .* s old/.test({facts})")
        await tab.wait("pictures", "return [...view.tiles.values()].every((tile) => tile.painted)")
        await tab.screenshot(PICTURES / "cluster-overview.png")
        await tab.resize(400, 800)
        assert await tab.evaluate(FITS)

    with running_browser() as browser:
        browser.run(test, timeout_s=240)
