"""How the page behaves: states in words, reconnection, pause, several viewers, keys, and what it asks for."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import Tab
from gateways import Gateway, Sender, gateway, sender, view
from local_runs import LocalRun, local_run, small_camera, small_pipeline, write

from camstream.spec.status import Phase

CAM = "#/camera/default/cam"


@pytest.fixture
def source() -> Iterator[Sender]:
    with sender() as found:
        yield found


@pytest.fixture
def served(tmp_path: Path, source: Sender) -> Iterator[Gateway]:
    with gateway(tmp_path, view(source.address)) as running:
        yield running


async def look(tab: Tab, served: Gateway, source: Sender) -> None:
    await tab.open(served.url + CAM)
    await asyncio.get_running_loop().run_in_executor(None, source.wait_for_reader)


async def shown(tab: Tab, pulse_id: int) -> None:
    await tab.wait(f"pulse {pulse_id} is shown", f"return view.frame?.pulse === '{pulse_id}'")


def test_stream_that_falls_silent_is_grey_and_says_since_when(browser: Any, served: Gateway, source: Sender) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, served, source)
        source.image(1)
        await shown(tab, 1)
        assert not await tab.view('return view.figure.element.classList.contains("stale");')
        await tab.wait("banner", "return !view.banner.hidden && view.banner.textContent.startsWith('No frame for')")
        assert await tab.view('return view.figure.element.classList.contains("stale") && view.pill.textContent.includes("Silent");')
        source.image(2)
        await tab.wait("all is well", 'return view.banner.hidden && !view.figure.element.classList.contains("stale")')

    browser.run(test)


def test_page_says_that_the_gateway_is_gone_and_comes_back_by_itself(browser: Any, served: Gateway, source: Sender) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, served, source)
        source.image(1)
        await shown(tab, 1)
        port = served.port
        served.process.kill()
        served.stop()
        await tab.wait(
            "words", "return view.pill.textContent.includes('Not connected') && view.words.textContent.includes('Trying again in')"
        )
        served.start(port)
        await asyncio.get_running_loop().run_in_executor(None, source.wait_for_reader)
        source.image(2)
        await shown(tab, 2)
        await tab.wait("words", "return !view.words.textContent.includes('again')")

    browser.run(test, complaints=True)


def test_two_viewers_see_the_same_pulses_and_one_that_hangs_does_not_hold_the_other(browser: Any, served: Gateway, source: Sender) -> None:
    async def test(one: Tab, two: Tab) -> None:
        await look(one, served, source)
        await two.open(served.url + CAM)
        await two.wait("status", "return view.status !== null")
        source.image(1)
        for tab in (one, two):
            await shown(tab, 1)
        await one.view("view.connection.send = () => {};")  # it acknowledges nothing from now on
        for pulse in range(2, 40):
            source.image(pulse)
            await shown(two, pulse)
        assert int(await one.view("return view.frame.pulse;")) <= 3
        status = await one.wait("two in flight", "return view.status.inFlight === 2 && view.status")
        assert status["sent"] <= 3

    browser.run_two(test)


def test_every_shown_frame_is_acknowledged(browser: Any, served: Gateway, source: Sender) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, served, source)
        for pulse in range(1, 30):
            source.image(pulse)
            await shown(tab, pulse)
        status = await tab.wait("all acknowledged", "return view.status.inFlight === 0 && view.status.sent === 29 && view.status")
        assert status["skipped"] == 0

    browser.run(test)


def test_keys_pause_step_and_go_on(browser: Any, served: Gateway, source: Sender) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, served, source)
        for pulse in range(1, 9):
            source.image(pulse, x_fit_mean=float(pulse), x_fit_standard_deviation=1.0)
            await shown(tab, pulse)
        await tab.press(" ")
        await tab.wait("paused", "return view.place.paused && view.controls.place.textContent === '8 of the last 8'")
        source.image(9)
        for key, pulse in (("ArrowLeft", 7), ("ArrowLeft", 6), ("ArrowRight", 7)):
            await tab.press(key)
            await shown(tab, pulse)
            # The numbers belong to the pulse that is seen.
            await tab.wait("numbers", f"return view.readings.rows.get('x_fit_mean').text.textContent === '{pulse}.0000'")
        assert "Paused at pulse 7" in await tab.wait("words", "return view.words.textContent")
        await tab.press(" ")
        await shown(tab, 9)

    browser.run(test)


def test_keys_change_what_is_seen(browser: Any, served: Gateway, source: Sender) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, served, source)
        source.image(1)
        await shown(tab, 1)
        await tab.evaluate("localStorage.clear()")
        settings = 'const { settings } = await import("/page/settings.js"); return settings'
        await tab.view('view.choose({ colormap: "dusk", contrast: "auto", log: false, overlays: true });')
        for key, name, expected in (
            ("c", "colormap", "ember"),
            ("m", "contrast", "manual"),
            ("p", "contrast", "percentile"),
            ("a", "contrast", "auto"),
            ("l", "log", True),
            ("g", "overlays", False),
        ):
            await tab.press(key)
            assert (await tab.view(settings))[name] == expected
        await tab.press("+")
        await tab.wait("zoomed", "return view.figure.viewport.zoom > 1")
        before = await tab.view("return view.figure.viewport.x;")
        await tab.press("ArrowRight")
        await tab.wait("moved", f"return view.figure.viewport.x > {before}")
        await tab.press("0")
        await tab.wait("all of it", "return view.figure.viewport.zoom === 1")
        await tab.press("?")
        await tab.wait("help", "return document.querySelector('dialog').open")
        await tab.press("Escape")
        await tab.wait("no help", "return !document.querySelector('dialog').open")
        await tab.press("Escape")
        await tab.wait("all streams", "return view.tiles !== undefined")
        await tab.press("/")
        await tab.wait("search", "return document.activeElement === view.search")

    browser.run(test)


def test_choices_are_kept(browser: Any, served: Gateway, source: Sender) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, served, source)
        await tab.view('view.choose({ colormap: "lagoon", minutes: 15 });')
        await tab.call("Page.reload")
        await asyncio.sleep(0)
        await tab.wait_for_module()
        await tab.wait(
            "kept", "return view.controls.colormap.lastChild.value === 'lagoon' && view.controls.minutes.lastChild.value === '15'"
        )
        await tab.evaluate("localStorage.clear()")

    browser.run(test)


def test_hidden_page_asks_for_numbers_only(browser: Any, served: Gateway, source: Sender) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, served, source)
        source.image(1, intensity=5)
        await shown(tab, 1)
        await tab.evaluate(
            'Object.defineProperty(document, "hidden", { value: true, configurable: true });'
            'document.dispatchEvent(new Event("visibilitychange"))'
        )
        await tab.evaluate("new Promise((resolve) => setTimeout(resolve, 100))")
        source.image(2, intensity=77)
        await tab.wait("the number", "return view.readings.rows.get('intensity').value === 77")
        assert await tab.view("return view.frame.pulse;") == "1"
        await tab.evaluate('delete document.hidden; document.dispatchEvent(new Event("visibilitychange"))')
        await tab.evaluate("new Promise((resolve) => setTimeout(resolve, 100))")
        source.image(3, intensity=78)
        await shown(tab, 3)

    browser.run(test)


def test_page_says_how_the_image_came(browser: Any, served: Gateway, source: Sender) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, served, source)
        source.image(1, 480, 640)
        await tab.wait("exact", "return view.link.textContent.startsWith('Every pixel is exact, sent as it is')")
        await tab.view('view.choose({ transfer: "small" });')
        await tab.evaluate("new Promise((resolve) => setTimeout(resolve, 100))")
        source.image(2, 480, 640)
        await tab.wait("reduced", "return view.link.textContent.startsWith('Reduced 4×4 by the gateway')")
        await tab.view('view.choose({ transfer: "auto" });')

    browser.run(test)


def test_units_are_said(browser: Any, served: Gateway, source: Sender) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, served, source)
        await tab.wait("status", "return view.status !== null")
        source.image(1, x_fit_mean=3.0, x_fit_standard_deviation=2.0, x_fit_converged=True)
        await tab.wait("pixels", "return view.readings.caption.textContent.includes('in pixels: the camera is not calibrated')")
        served.show(view(source.address, unit="µm"))
        await tab.wait("told", "return view.status.object.unit === 'µm'")
        source.image(2, x_fit_mean=3.0, x_fit_standard_deviation=2.0, x_fit_converged=True)
        await tab.wait("micrometres", "return view.readings.caption.textContent.includes('in µm, as the camera is calibrated')")
        source.image(3, x_fit_mean=3.0, x_fit_standard_deviation=2.0, x_fit_converged=False)
        await tab.wait("doubt", "return view.readings.rows.get('x_fit_mean').text.textContent === 'no fit'")

    browser.run(test)


def test_every_state_is_told_in_words(browser: Any, served: Gateway, source: Sender) -> None:
    states = {
        Phase.WAITING: ("▲ Waiting", "The PV is not connected"),
        Phase.FAILED: ("■ Failed", "The PV is not connected"),
        Phase.STOPPED: ("○ Stopped", "The PV is not connected"),
    }

    async def test(tab: Tab) -> None:
        await tab.open(served.url)
        for phase, (pill, words) in states.items():
            served.show(view(source.address, phase=phase, message="the PV is not connected", rate=0.0, last_frame_at=1.0))
            await tab.wait(
                str(phase),
                "const tile = [...view.tiles.values()][0]; return tile?.element.classList.contains('stale')"
                f" && tile.pill.textContent === '{pill}' && tile.words.textContent.startsWith('{words}')",
            )
        served.show(view(source.address), problems=("cam.yaml is no YAML",))
        await tab.wait("problems", "return view.summary.textContent.includes('cam.yaml is no YAML')")
        served.show()
        await tab.wait("empty", "return view.summary.textContent === '0 streams'")

    browser.run(test)


def test_streams_are_searched_and_grouped(browser: Any, served: Gateway, source: Sender) -> None:
    gun, dump = view(source.address, "gun", groups=["Injector"]), view(source.address, "dump", groups=["End"])
    served.show(gun, dump, view(source.address, "gun-proc", kind="Pipeline", groups=["Injector"]))
    names = "return [...view.grid.children].map((tile) => tile.querySelector('strong').textContent).join()"

    async def test(tab: Tab) -> None:
        await tab.open(served.url)
        await tab.wait("all", f"return (() => {{ {names} }})() === 'dump,gun,gun-proc'")
        await tab.view("[...view.groups.children].find((button) => button.textContent === 'Injector').click();")
        assert await tab.view(names) == "gun,gun-proc"
        await tab.view("view.search.value = 'PROC'; view.search.dispatchEvent(new Event('input'));")
        assert await tab.view(names) == "gun-proc"

    browser.run(test)


@pytest.mark.parametrize("path", ["", CAM])
@pytest.mark.parametrize("width", [360, 820, 1900])
def test_page_fits_the_screen(browser: Any, served: Gateway, source: Sender, path: str, width: int) -> None:
    async def test(tab: Tab) -> None:
        await tab.open(served.url + path)
        if path:
            await asyncio.get_running_loop().run_in_executor(None, source.wait_for_reader)
            source.image(1, 480, 640)
            await shown(tab, 1)
            plot = await tab.wait("the picture", "return view.figure.at?.plot.width > 50 && view.figure.at.plot")
            assert plot["width"] / plot["height"] == pytest.approx(640 / 480, rel=0.03)
            assert plot["width"] > 0.4 * min(width, 1200)
        assert await tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    browser.run(test, width=width, height=800)


def test_pushed_stream_is_refused_in_words(browser: Any, served: Gateway, source: Sender) -> None:
    served.show(view(source.address, mode="Push"))

    async def test(tab: Tab) -> None:
        await tab.open(served.url)
        await tab.wait("mode", "return view.streams[0]?.mode === 'Push'")
        await tab.open(served.url + CAM)
        await tab.wait("words", "return view.words.textContent.includes('pushed to its receiver')")

    browser.run(test)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    folder = tmp_path_factory.mktemp("run")
    size = {"width": 320, "height": 240, "frameRate": 10.0}
    mark = {"left": 0, "top": 0, "right": 320, "bottom": 240}
    calibration = {"referenceMarker": mark, "referenceMarkerWidth": 3200, "referenceMarkerHeight": 2400}
    processing = {"goodRegion": {"threshold": 0.3, "scale": 1.8}, "slices": {"count": 5, "scale": 2}}
    write(folder / "all.yaml", small_camera(simulation=size, calibration=calibration), small_pipeline(processing=processing))
    with local_run(folder, str(folder / "all.yaml"), page=True) as run:
        run.wait_for_phase("pipe", "Running")
        yield run


def test_real_pipeline_is_shown_with_its_fits_and_numbers(browser: Any, demo: LocalRun) -> None:
    async def test(tab: Tab) -> None:
        await tab.open(f"{demo.page()}#/pipeline/default/pipe")
        await tab.wait("frames", "return view.shown > 5 && view.readings.rows.size >= 9")
        found = await tab.view(
            "const { frame } = view; return { unit: frame.unit, mean: frame.x.place(frame.values.x_fit_mean) / frame.image.width,"
            " sigma: frame.values.x_fit_standard_deviation, slices: frame.values.slice_amount, region: frame.arrays.good_region.length,"
            " fit: frame.arrays.x_fit_gauss_function.length, word: view.pill.textContent };"
        )
        assert found["mean"] == pytest.approx(0.47, abs=0.09)
        assert found["sigma"] == pytest.approx(160, rel=0.1)
        assert {name: found[name] for name in ("unit", "slices", "region", "fit", "word")} == {
            "unit": "µm",
            "slices": 5,
            "region": 4,
            "fit": 320,
            "word": "● Running",
        }

    browser.run(test)


def test_overview_has_live_pictures_and_leads_to_a_stream(browser: Any, demo: LocalRun) -> None:
    async def test(tab: Tab) -> None:
        await tab.open(demo.page())
        await tab.wait("pictures", "return view.tiles.size === 2 && [...view.tiles.values()].every((tile) => tile.painted)")
        first = await tab.view("return view.tiles.get('camera/default/cam').pulse;")
        await tab.wait("another one", f"return view.tiles.get('camera/default/cam').pulse > '{first}'")
        await tab.wait("running", "return view.summary.textContent === '2 streams · 2 running'")
        await tab.view("view.tiles.get('camera/default/cam').element.click();")
        await tab.wait("frames", "return view.shown > 3 && view.name === 'cam'")

    browser.run(test)


def test_page_asks_nobody_but_its_own_server(browser: Any, demo: LocalRun) -> None:
    async def test(tab: Tab) -> None:
        url = demo.page()
        await tab.note_requests()
        await tab.open(url)
        await tab.wait("pictures", "return [...view.tiles.values()].some((tile) => tile.painted)")
        await tab.open(f"{url}#/pipeline/default/pipe")
        await tab.wait("frames", "return view.shown > 2")
        assert tab.requests
        assert [found for found in tab.requests if not found.startswith((url, f"blob:{url}"))] == []

    browser.run(test)
