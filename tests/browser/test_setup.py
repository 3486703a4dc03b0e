"""The panel "Set up": what it tells, what it changes, and what happens when somebody else is faster. Against a real run."""

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import Tab
from local_runs import LocalRun, local_run, small_camera, small_pipeline, write
from setup_panel import FIELD, OPEN, applied, apply, drag, enter, look

from camstream.names import READ_ONLY


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    folder = tmp_path_factory.mktemp("run")
    shared = small_pipeline("shared", processing={"threshold": 7})
    shared["metadata"]["annotations"] = {READ_ONLY: "true"}
    saved = small_pipeline("saved", processing={"threshold": 7}, lifecycle={"mode": "OnDemand", "idleTimeoutSeconds": 600})
    sleeper = small_camera("sleeper", lifecycle={"mode": "OnDemand", "idleTimeoutSeconds": 2})
    turned = small_camera("turned", geometry={"rotateQuarterTurns": 1})
    pushed = small_pipeline("pushed", type="Store", output={"mode": "Push"})
    things = (small_camera(), turned, small_pipeline(), shared, saved, sleeper, pushed)
    write(folder / "all.yaml", *things)
    with local_run(folder, "--backgrounds", str(folder / "backgrounds"), str(folder / "all.yaml"), page=True, rest=True) as found:
        found.wait_for_phase("pipe", "Running")
        yield found


class Native:
    """Another client of the same gateway."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str) -> dict[str, Any]:
        return self._ask(urllib.request.Request(f"{self._url}api/v1/{path}"))

    def patch(self, path: str, **spec: Any) -> dict[str, Any]:
        return self._patch(path, {"spec": spec})

    def annotate(self, path: str, name: str, value: str | None) -> None:
        self._patch(path, {"metadata": {"annotations": {name: value}}})

    def _patch(self, path: str, changes: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/merge-patch+json"}
        body = json.dumps(changes).encode()
        return self._ask(urllib.request.Request(f"{self._url}api/v1/{path}", body, headers, method="PATCH"))

    def _ask(self, request: urllib.request.Request) -> dict[str, Any]:
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


PIPE = "pipelines/default/pipe"


@pytest.fixture
def native(run: LocalRun) -> Iterator[Native]:
    """Afterwards the pipeline is as it was."""
    found = Native(run.page())
    yield found
    found.patch(PIPE, processing=None, selection=None)


def spec_of(native: Native, path: str, *names: str) -> Any:
    found: Any = native.get(path)["spec"]
    for name in names:
        found = (found or {}).get(name)
    return found


def test_state_and_every_condition_are_told_with_reason_and_message(browser: Any, run: LocalRun) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, run.page())
        await tab.wait("state", "return view.setup.pill.textContent === '● Running'")
        rows = await tab.view("return [...view.setup.conditions.element.children].map((row) => row.innerText.replace(/\\s+/g, ' '));")
        expected = [f"{view.type} {view.status.value} {view.reason}" for view in run.views()["pipe"].conditions]
        assert [row.lstrip("●▲■○ ").rsplit(" ", 3)[0] for row in rows] == expected
        assert all(row.endswith(" ago") for row in rows)
        await enter(tab, "processing.background", "newest")
        await apply(tab)
        await tab.wait(
            "why it is not used",
            "return view.setup.conditions.element.innerText.replace(/\\s+/g, ' ').includes('BackgroundLoaded False NotFound')"
            " && view.setup.conditions.rows.get('BackgroundLoaded').message.textContent.includes('collect one')",
        )
        await enter(tab, "processing.background", "off")
        await apply(tab)
        await tab.wait("gone", "return !view.setup.conditions.rows.has('BackgroundLoaded')")

    browser.run(test)


def test_threshold_averaging_and_pause_are_applied_and_confirmed(browser: Any, run: LocalRun, native: Native) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, run.page())
        assert await tab.view("return view.setup.apply.disabled && view.setup.undo.disabled;")
        await enter(tab, "processing.threshold", 12.5)
        await enter(tab, "processing.averaging", 3)
        await apply(tab)
        await applied(tab)
        assert spec_of(native, PIPE, "processing") == {"threshold": 12.5, "averaging": 3}
        await tab.wait("averaged", "return view.frame.image.original === 'float64'")
        await enter(tab, "processing.averaging", "")
        await tab.view(f"{FIELD} field('selection.pause').inputs[0].click();")
        await apply(tab)
        await applied(tab)
        assert spec_of(native, PIPE, "processing") == {"threshold": 12.5}
        assert spec_of(native, PIPE, "selection") == {"pause": True}
        await tab.wait(
            "why", "return view.pill.textContent === '▲ Waiting' && view.words.textContent.includes('selection.pause drops every frame')"
        )

    browser.run(test)


def test_region_is_dragged_on_the_picture_and_again_on_what_is_left(browser: Any, run: LocalRun, native: Native) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, run.page())
        await tab.wait("offered", "return !view.setup.region.pick.disabled")
        await tab.press("r")
        await drag(tab, (10.5, 8.5), (41.5, 31.5))
        assert await tab.view("return view.setup.region.value();") == {"offsetX": 10, "sizeX": 32, "offsetY": 8, "sizeY": 24}
        assert await tab.view("return document.activeElement === view.setup.apply;")
        assert await tab.view("return view.figure.edges;") == [10, 8, 42, 32]
        await tab.press("Enter", "\r")
        await applied(tab)
        await tab.wait("cut", "return view.frame.image.width === 32 && view.frame.image.height === 24")
        await tab.wait("offered again", "return !view.setup.region.pick.disabled")
        await tab.press("+")  # the places are those of the image, however it is zoomed
        await tab.wait("zoomed", "return view.figure.viewport.zoom > 1")
        await tab.view("view.act('region');")
        await drag(tab, (8.5, 9.5), (15.5, 14.5))
        await apply(tab)
        await applied(tab)
        assert spec_of(native, PIPE, "processing", "regionOfInterest") == {"offsetX": 18, "sizeX": 8, "offsetY": 17, "sizeY": 6}
        await tab.view("view.setup.region.clear.click();")
        await apply(tab)
        await tab.wait("whole", "return view.frame.image.width === 64 && view.frame.image.height === 48")

    browser.run(test)


def test_region_of_a_turned_camera(browser: Any, run: LocalRun) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, run.page(), "camera/default/turned")
        await tab.wait("offered", "return view.frame.image.height === 64 && !view.setup.region.pick.disabled")
        await tab.view("view.act('region');")
        await drag(tab, (4.5, 20.5), (23.5, 59.5))
        await apply(tab)
        await applied(tab)
        found = spec_of(Native(run.page()), "cameras/default/turned", "geometry", "regionOfInterest")
        assert found == {"offsetX": 4, "sizeX": 20, "offsetY": 20, "sizeY": 40}
        await tab.wait("cut", "return view.frame.image.width === 20 && view.frame.image.height === 40")

    browser.run(test)


def test_change_that_the_worker_refuses_is_told_with_its_reason(browser: Any, run: LocalRun) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, run.page(), "camera/default/cam")
        await enter(tab, "geometry.regionOfInterest", 60, 0, 10, 10)
        await apply(tab)
        told = await tab.wait("refused", "return view.setup.outcome.textContent.startsWith('Refused: ') && view.setup.outcome.textContent")
        assert "does not lie inside the image" in told
        assert "has not taken over" in await tab.view("return view.setup.region.why.textContent;")
        await tab.wait("the condition", "return view.setup.conditions.rows.get('ConfigApplied').reason.textContent === 'Rejected'")
        await tab.view("view.setup.region.clear.click();")
        await apply(tab)
        await applied(tab)

    browser.run(test)


def test_dragging_is_left_and_says_why_it_is_not_offered(browser: Any, run: LocalRun) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, run.page())
        await tab.wait("offered", "return !view.setup.region.pick.disabled")
        await tab.press("r")
        assert (
            await tab.view(
                "return view.setup.region.pick.getAttribute('aria-pressed') + view.figure.element.classList.contains('picking');"
            )
            == "truetrue"
        )
        await tab.press("Escape")
        assert (
            await tab.view(
                "return view.setup.region.pick.getAttribute('aria-pressed') + view.figure.element.classList.contains('picking');"
            )
            == "falsefalse"
        )
        await tab.press(" ")
        await tab.wait("why", "return view.setup.region.pick.disabled && view.setup.region.why.textContent.includes('The picture is held')")
        await tab.press(" ")
        await tab.wait("offered", "return !view.setup.region.pick.disabled && view.setup.region.why.textContent === ''")

    browser.run(test)


def test_mistakes_are_told_beside_their_field(browser: Any, run: LocalRun, native: Native) -> None:
    wrong = "return [field(%r).wrong.hidden, field(%r).wrong.textContent];"

    async def test(tab: Tab) -> None:
        await look(tab, run.page())
        await enter(tab, "processing.averaging", 0)
        await apply(tab)
        await tab.wait("refused", f"{FIELD} return !field('processing.averaging').wrong.hidden")
        told = await tab.view(f"{FIELD} return field('processing.averaging').wrong.textContent;")
        assert "processing.averaging" in told
        assert "greater than or equal to 1" in told
        assert spec_of(native, PIPE, "processing", "averaging") is None
        await tab.view("view.setup.undo.click();")
        assert await tab.view(f"{FIELD} return field('processing.averaging').wrong.hidden && view.setup.apply.disabled;")
        await enter(tab, "processing.regionOfInterest", 1, "", 3, 4)
        await apply(tab)
        found = await tab.view(f"{FIELD} {wrong % (('processing.regionOfInterest',) * 2)}")
        assert found == [False, "All four numbers are needed, or none for the whole image"]

    browser.run(test, complaints=True)


@pytest.mark.parametrize("choice", ["Take theirs", "Apply mine"])
def test_change_of_somebody_else_is_shown_beside_ones_own(browser: Any, run: LocalRun, native: Native, choice: str) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, run.page())
        await enter(tab, "processing.threshold", 20)
        native.patch(PIPE, processing={"threshold": 30}, groups=["theirs"])
        await apply(tab)
        await tab.wait("both", "return !view.setup.conflict.hidden")
        rows = await tab.view(
            "return [...view.setup.conflict.querySelectorAll('tbody tr')].map((row) => [...row.children].map((cell) => cell.textContent));"
        )
        assert rows == [["groups", "none", "theirs", "as it is now"], ["Threshold", "none", "30", "20"]]
        assert spec_of(native, PIPE, "processing", "threshold") == 30
        await tab.view(f"[...view.setup.conflict.querySelectorAll('button')].find((one) => one.textContent === '{choice}').click();")
        await tab.wait("settled", "return view.setup.conflict.hidden && !view.setup.busy && view.setup.apply.disabled")
        mine = choice == "Apply mine"
        assert spec_of(native, PIPE, "processing", "threshold") == (20 if mine else 30)
        assert spec_of(native, PIPE, "groups") == ["theirs"]
        assert await tab.view(f"{FIELD} return field('processing.threshold').value();") == (20 if mine else 30)

    browser.run(test, complaints=True)
    native.patch(PIPE, groups=None)


def test_what_is_beside_the_spec_is_no_conflict(browser: Any, run: LocalRun, native: Native) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, run.page())
        native.annotate(PIPE, "note", "x")
        await enter(tab, "processing.threshold", 21)
        await apply(tab)
        await applied(tab)
        found = native.get(PIPE)
        assert found["spec"]["processing"] == {"threshold": 21}
        assert found["metadata"]["annotations"] == {"note": "x"}

    browser.run(test, complaints=True)


def test_values_follow_what_somebody_else_changes_while_nothing_is_typed(browser: Any, run: LocalRun, native: Native) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, run.page())
        native.patch(PIPE, processing={"threshold": 33})
        await tab.wait("theirs", f"{FIELD} return field('processing.threshold').value() === 33")

    browser.run(test)


def test_background_is_captured_used_and_left(browser: Any, run: LocalRun, native: Native) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, run.page())
        await tab.view("view.setup.capture.frames.value = '3'; view.setup.capture.start.click();")
        assert await tab.view("return !view.setup.capture.progress.hidden || view.setup.capture.id !== undefined;")
        told = await tab.wait(
            "collected", "return view.setup.capture.said.textContent.startsWith('Collected ') && view.setup.capture.said.textContent"
        )
        name = told.removeprefix("Collected ")
        assert native.get("cameras/default/cam/backgrounds")["items"][-1] == name
        await tab.view("view.setup.capture.use.click();")
        await applied(tab)
        assert spec_of(native, PIPE, "processing", "background") == {"name": name}
        await tab.wait("loaded", "return view.setup.conditions.rows.get('BackgroundLoaded')?.status.textContent === 'True'")
        await tab.view("view.setup.capture.frames.value = '0'; view.setup.capture.start.click();")
        await tab.wait("refused", "return view.setup.capture.said.textContent.startsWith('No background: ')")
        await enter(tab, "processing.background", "off")
        await apply(tab)
        await applied(tab)
        assert spec_of(native, PIPE, "processing", "background") is None

    browser.run(test, complaints=True)


@pytest.mark.parametrize("name", ["shared", "saved"], ids=["marked", "saved-and-on-demand"])
def test_shared_stream_shows_values_without_controls(browser: Any, run: LocalRun, name: str) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, run.page(), f"pipeline/default/{name}")
        text = await tab.wait("values", "return view.setup.body.querySelector('.values') && view.setup.body.innerText")
        assert "This stream is shared" in text
        assert "Threshold" in text
        assert await tab.view("return view.setup.body.querySelector('.values').innerText.replace(/\\s+/g, ' ').includes('Threshold 7');")
        assert await tab.view("return view.setup.body.querySelectorAll('input, select, button').length;") == 0

    browser.run(test)


def test_stream_that_is_shared_meanwhile_is_not_changed(browser: Any, run: LocalRun, native: Native) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, run.page())
        await enter(tab, "processing.threshold", 9)
        native.annotate(PIPE, READ_ONLY, "true")
        await apply(tab)
        assert "read-only" in await tab.wait("why", "return view.setup.body.querySelector('.readonly')?.textContent")
        assert await tab.view("return view.setup.body.querySelectorAll('input, select, button').length;") == 0
        assert spec_of(native, PIPE, "processing", "threshold") is None

    try:
        browser.run(test, complaints=True)
    finally:
        native.annotate(PIPE, READ_ONLY, None)


def test_server_that_only_reads_shows_values_without_controls(browser: Any, tmp_path: Path) -> None:
    write(tmp_path / "all.yaml", small_camera(), small_pipeline())
    with local_run(tmp_path, str(tmp_path / "all.yaml"), page=True) as reading:
        reading.wait_for_phase("pipe", "Running")

        async def test(tab: Tab) -> None:
            await look(tab, reading.page())
            assert "can only read" in await tab.wait("why", "return view.setup.body.innerText")
            assert await tab.view("return view.setup.body.querySelectorAll('input, select, button').length;") == 0

        browser.run(test)


def test_stream_that_cannot_be_looked_at_is_set_up_all_the_same(browser: Any, run: LocalRun) -> None:
    async def test(tab: Tab) -> None:
        await tab.open(f"{run.page()}#/pipeline/default/pushed")
        await tab.wait("words", "return view.words.textContent.includes('pushed to its receiver')")
        await tab.view("if (!view.setup.open) view.act('setup');")
        await tab.wait(
            "conditions",
            "return view.setup.base !== null && view.setup.conditions.rows.get('ConfigApplied')?.reason.textContent === 'Applied'",
        )
        assert await tab.view("return view.setup.fields.map((field) => field.path);") == ["selection.pause"]
        for pause in (True, False):
            await tab.view("view.setup.fields[0].inputs[0].click();")
            await apply(tab)
            await applied(tab)
            assert bool(spec_of(Native(run.page()), "pipelines/default/pushed", "selection", "pause")) is pause

    browser.run(test)


def test_opening_a_sleeping_stream_wakes_it_and_leaving_lets_it_sleep(browser: Any, run: LocalRun) -> None:
    run.wait_for_phase("sleeper", "Idle")

    async def test(tab: Tab) -> None:
        await tab.open(f"{run.page()}#/camera/default/sleeper")
        await tab.wait("frames", "return view.frame !== null && view.pill.textContent === '● Running'")
        await asyncio.get_running_loop().run_in_executor(None, lambda: run.wait("sleeper", "its reader", lambda told: told.clients == 1))
        # Longer than it goes on without a reader: who looks is one.
        first = await tab.view("return view.status.received;")
        await tab.wait("5 s of frames", f"return view.status.received > {first} + 100")
        await tab.evaluate("location.hash = '#/'")
        await asyncio.get_running_loop().run_in_executor(None, lambda: run.wait_for_phase("sleeper", "Idle"))
        await tab.wait("idle", "return view.tiles?.get('camera/default/sleeper')?.pill.textContent === '○ Idle'")
        await tab.evaluate("location.hash = '#/camera/default/sleeper'")
        await tab.wait("frames again", "return view.frame !== null && view.pill.textContent === '● Running'")
        assert not await tab.view("return view.waking;")

    browser.run(test)


def test_every_control_is_reached_by_the_keyboard(browser: Any, run: LocalRun, native: Native) -> None:
    reached = (
        "return [...document.querySelectorAll('.setup input, .setup select, .setup button')]"
        ".filter((one) => !one.disabled && one.offsetParent)"
    )

    async def test(tab: Tab) -> None:
        await tab.open(f"{run.page()}#/pipeline/default/pipe")
        await tab.evaluate("localStorage.clear()")
        await tab.wait("frames", "return view.frame !== null")
        if not await tab.view("return view.setup.open;"):
            await tab.press("e")
        await tab.wait("the panel", OPEN)
        await tab.wait("dragging is offered", "return !view.setup.region.pick.disabled")
        await enter(tab, "processing.threshold", 5)
        wanted = await tab.view(f"{reached}.length;")
        await tab.view("document.activeElement.blur(); view.setup.element.focus();")
        seen = 0
        for _ in range(wanted):
            await tab.press("Tab")
            seen += await tab.view("return view.setup.element.contains(document.activeElement) ? 1 : 0;")
        assert seen == wanted >= 14
        await tab.view(f"{FIELD} field('processing.threshold').inputs[0].focus();")
        await tab.press("Enter", "\r")
        await applied(tab)
        await tab.press("Escape")
        assert await tab.view("return view.setup.open && !view.setup.element.contains(document.activeElement);")
        await tab.press("e")
        assert not await tab.view("return view.setup.open;")

    browser.run(test)


def test_panel_fits_a_narrow_screen(browser: Any, run: LocalRun, native: Native) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, run.page())
        fits = "document.documentElement.scrollWidth <= window.innerWidth"
        assert await tab.evaluate(fits)
        await enter(tab, "processing.threshold", 20)
        native.patch(
            PIPE, processing={"threshold": 30, "background": {"name": "a-background-of-which-the-name-is-long_20260821_120000_000000"}}
        )
        await apply(tab)
        await tab.wait("both", "return !view.setup.conflict.hidden")
        assert await tab.evaluate(fits)

    browser.run(test, width=400, height=800, complaints=True)
