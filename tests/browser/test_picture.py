"""What is seen is what was sent."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from chromium import Tab
from gateways import Gateway, Sender, gateway, oracle, sender, view
from PIL import Image

CAM = "#/camera/default/cam"

# The texture as it lies on the graphics card.
TEXTURE = """
const { gl, texture } = view.figure.renderer;
const { columns, rows, dtype } = view.frame.image;
gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
const signed = dtype.startsWith("int");
const out = signed ? new Int32Array(4 * columns * rows) : new Uint32Array(4 * columns * rows);
gl.readPixels(0, 0, columns, rows, gl.RGBA_INTEGER, signed ? gl.INT : gl.UNSIGNED_INT, out);
gl.bindFramebuffer(gl.FRAMEBUFFER, null);
return { shape: [rows, columns], pixels: Array.from(out.filter((_, i) => i % 4 === 0)), error: gl.getError() };
"""

# The picture on the screen, read before the browser hands it on.
SCREEN = """
view.figure.draw();
const { gl, canvas } = view.figure.renderer;
const out = new Uint8Array(4 * canvas.width * canvas.height);
gl.readPixels(0, 0, canvas.width, canvas.height, gl.RGBA, gl.UNSIGNED_BYTE, out);
return { width: canvas.width, height: canvas.height, pixels: Array.from(out), table: Array.from(view.table), limits: view.limits };
"""


@pytest.fixture(params=[None, "bitshuffle_lz4"], ids=["raw", "compressed"])
def source(request: pytest.FixtureRequest) -> Iterator[Sender]:
    with sender(request.param) as found:
        yield found


@pytest.fixture
def plain() -> Iterator[Sender]:
    with sender() as found:
        yield found


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Gateway]:
    found: Sender = request.getfixturevalue("source" if "source" in request.fixturenames else "plain")
    with gateway(tmp_path, view(found.address)) as running:
        yield running


async def look(tab: Tab, served: Gateway, source: Sender) -> None:
    await tab.open(served.url + CAM)
    await asyncio.get_running_loop().run_in_executor(None, source.wait_for_reader)


async def shown(tab: Tab, pulse_id: int) -> None:
    await tab.wait(f"pulse {pulse_id} is shown", f"return view.frame?.pulse === '{pulse_id}'")


SHAPES = [(480, 640), (1021, 1279), (1, 1), (3, 8191)]


def test_texture_holds_the_pixels_that_were_sent(browser: Any, served: Gateway, source: Sender) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, served, source)
        for pulse, shape in enumerate(SHAPES * 2, start=101):
            pixels = source.image(pulse, *shape)
            await shown(tab, pulse)
            texture = await tab.view(TEXTURE)
            assert texture["error"] == 0
            assert np.array_equal(np.reshape(texture["pixels"], texture["shape"]), pixels)

    browser.run(test)


def test_texture_of_other_integers_holds_them_too(browser: Any, served: Gateway, source: Sender) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, served, source)
        for pulse, dtype in enumerate(("uint8", "int16", "int32", "uint32"), start=7):
            pixels = oracle(pulse, 60, 80, dtype)
            if np.dtype(dtype).kind == "i":
                pixels = pixels - 5000
            source.send(pulse, {"image": pixels})
            await shown(tab, pulse)
            texture = await tab.view(TEXTURE)
            assert np.array_equal(np.reshape(texture["pixels"], texture["shape"]), pixels), dtype

    browser.run(test)


def expected_colours(pixels: npt.NDArray[Any], screen: dict[str, Any]) -> npt.NDArray[np.uint8]:
    """What the formula says, one screen pixel for each place: nearest pixel, linear contrast, the table of the page."""
    low, high = screen["limits"]
    height, width = screen["height"], screen["width"]
    rows = ((np.arange(height) + 0.5) * pixels.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * pixels.shape[1] / width).astype(int)
    t = np.clip((pixels[np.ix_(rows, columns)].astype(float) - low) / (high - low), 0, 1)
    table: npt.NDArray[np.uint8] = np.reshape(np.array(screen["table"], np.uint8), (256, 4))
    return table[np.floor(t * 255 + 0.5).astype(int)]


def test_screen_shows_the_colours_of_the_pixels(browser: Any, served: Gateway, plain: Sender) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, served, plain)
        for pulse, dtype in enumerate(("uint8", "int16", "uint16", "int32", "float32", "float64"), start=11):
            pixels = oracle(pulse, 60, 80, dtype)
            plain.send(pulse, {"image": pixels})
            await shown(tab, pulse)
            low, high = (20, 200) if dtype == "uint8" else (100, 1500)
            await tab.view(
                f'view.choose({{ contrast: "manual", low: {low}, high: {high}, saturation: false, overlays: false, log: false }});'
            )
            screen = await tab.view(SCREEN)
            assert screen["limits"] == [low, high]
            found = np.reshape(np.array(screen["pixels"], np.uint8), (screen["height"], screen["width"], 4))[::-1]
            differs = (np.abs(found.astype(int) - expected_colours(pixels, screen)) > 6).any(axis=2)
            # A screen pixel on the very edge between two of the image may take either.
            assert differs.mean() < 0.02, dtype

    browser.run(test)


def test_value_under_the_pointer_is_that_of_the_pixel(browser: Any, served: Gateway, plain: Sender) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, served, plain)
        axes = {"x_axis": np.linspace(500, -500, 80, dtype=np.float32), "y_axis": np.linspace(300, -290, 60, dtype=np.float32)}
        served.show(view(plain.address, unit="µm"))
        await tab.wait("unit", 'return view.status?.object?.unit === "µm"')
        pixels = plain.image(11, 60, 80, **axes)
        await shown(tab, 11)
        for column, row, zoom in ((0, 0, 1), (79, 59, 1), (40, 30, 4), (13, 27, 1)):
            place = await tab.view(
                f"view.figure.viewport.fit(); view.figure.viewport.zoomAt({zoom}, 0.5, 0.5); view.figure.draw();"
                "const part = view.figure.part(), { plot } = view.figure.at, box = view.figure.element.getBoundingClientRect();"
                f"return [box.x + plot.x + ({column} + 0.5 - part.x) / part.width * plot.width,"
                f" box.y + plot.y + ({row} + 0.5 - part.y) / part.height * plot.height];"
            )
            await tab.move(*place)
            said = await tab.wait("words", f"return view.point.textContent.includes('pixel {column}, {row}') && view.point.textContent")
            assert said.endswith(f"value {pixels[row, column]}".replace("\u202f", "")), said
            assert "µm" in said

    browser.run(test)


def test_picture_comes_back_after_the_graphics_card_was_taken_away(browser: Any, served: Gateway, plain: Sender) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, served, plain)
        pixels = plain.image(1, 60, 80)
        await shown(tab, 1)
        await tab.view('window.lose = view.figure.renderer.gl.getExtension("WEBGL_lose_context"); window.lose.loseContext();')
        await tab.wait("words", 'return view.words.textContent.includes("graphics card was taken away")')
        await tab.view("window.lose.restoreContext();")
        await tab.wait("words", 'return !view.words.textContent.includes("graphics card")')
        texture = await tab.view(TEXTURE)
        assert np.array_equal(np.reshape(texture["pixels"], texture["shape"]), pixels)
        plain.image(2, 60, 80)
        await shown(tab, 2)

    browser.run(test, complaints=True)


async def saved(tab: Tab, folder: Path, act: str, name: str) -> Path:
    await tab.downloads_to(folder)
    await tab.view(f'view.act("{act}");')
    path = folder / name
    for _ in range(500):
        if path.exists() and path.stat().st_size:
            return path
        await asyncio.sleep(0.02)
    raise AssertionError(f"{name} was not saved; there are {[p.name for p in folder.iterdir()]}")


@pytest.mark.parametrize("transfer", ["exact", "small"])
def test_saved_numbers_are_exact_and_named_by_their_pulse(
    browser: Any, served: Gateway, plain: Sender, tmp_path: Path, transfer: str
) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, served, plain)
        await tab.view(f'view.choose({{ transfer: "{transfer}" }});')
        await tab.wait("the choice", "return view.status !== null")
        pixels = plain.image(4711, 101, 99)
        await shown(tab, 4711)
        folder = tmp_path / "saved"
        folder.mkdir()
        with Image.open(await saved(tab, folder, "png", "cam_4711.png")) as png:
            assert png.size == ((99, 101) if transfer == "exact" else (24, 25))
        assert np.array_equal(np.load(await saved(tab, folder, "npy", "cam_4711.npy")), pixels)
        with Image.open(await saved(tab, folder, "tiff", "cam_4711.tif")) as tiff:
            assert tiff.mode == "I;16"
            assert np.array_equal(np.asarray(tiff), pixels)
            assert json.loads(tiff.tag_v2[270])["pulse_id"] == "4711"
        await tab.view('view.choose({ transfer: "auto" });')

    browser.run(test)


def test_saved_numbers_keep_their_type(browser: Any, served: Gateway, plain: Sender, tmp_path: Path) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, served, plain)
        for pulse, dtype in enumerate(("uint8", "int16", "int32", "uint32", "float32"), start=5):
            pixels = plain.image(pulse, 33, 44, dtype)
            await shown(tab, pulse)
            found = np.load(await saved(tab, tmp_path, "npy", f"cam_{pulse}.npy"))
            assert found.dtype == pixels.dtype
            assert np.array_equal(found, pixels)
            with Image.open(await saved(tab, tmp_path, "tiff", f"cam_{pulse}.tif")) as tiff:
                assert tiff.tag_v2[258][0] == pixels.dtype.itemsize * 8
                if dtype != "uint32":  # which Pillow takes for int32
                    assert np.array_equal(np.asarray(tiff), pixels)

    browser.run(test)


def test_png_has_one_pixel_for_each_of_the_image_in_the_colours_of_the_screen(
    browser: Any, served: Gateway, plain: Sender, tmp_path: Path
) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, served, plain)
        pixels = plain.image(5, 33, 44)
        await shown(tab, 5)
        await tab.view('view.choose({ contrast: "manual", low: 0, high: 1000, log: false });')
        table = np.reshape(np.array(await tab.view("return Array.from(view.table);"), np.uint8), (256, 4))
        with Image.open(await saved(tab, tmp_path, "png", "cam_5.png")) as png:
            found = np.asarray(png.convert("RGBA"))
        assert np.array_equal(found, table[np.floor(np.clip(pixels / 1000, 0, 1) * 255 + 0.5).astype(int)])

    browser.run(test)


def test_view_is_saved_with_its_axes(browser: Any, served: Gateway, plain: Sender, tmp_path: Path) -> None:
    async def test(tab: Tab) -> None:
        await look(tab, served, plain)
        plain.image(5, 300, 400)
        await shown(tab, 5)
        with Image.open(await saved(tab, tmp_path, "view", "cam_5.view.png")) as png:
            width = await tab.view("return view.figure.drawing.width;")
            assert png.width == width
            assert len(np.unique(np.asarray(png.convert("RGB")).reshape(-1, 3), axis=0)) > 50

    browser.run(test)
