"""The live page of a cluster in a real browser: it starts what sleeps, tells how it is, and changes it."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from browsers import running_browser
from chromium import Tab
from cluster_runs import Workspace, camera
from setup_panel import applied, apply, enter, look

from camstream.names import API_VERSION

IDLE_S = 10


async def elsewhere(work: Callable[..., Any], *arguments: Any) -> Any:
    """Something that waits, while the browser goes on."""
    return await asyncio.get_running_loop().run_in_executor(None, partial(work, *arguments))


def test_page_starts_changes_and_leaves_a_pipeline(workspace: Workspace, gateway: dict[int, str]) -> None:
    lifecycle = {"mode": "OnDemand", "idleTimeoutSeconds": IDLE_S}
    spec = {"input": {"camera": {"name": "cam"}}, "lifecycle": lifecycle}
    workspace.apply(camera(lifecycle=lifecycle), {"apiVersion": API_VERSION, "kind": "Pipeline", "metadata": {"name": "fit"}, "spec": spec})
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
