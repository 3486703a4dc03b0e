"""The modules of the page, as far as they can be checked without a browser."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gateways import oracle

from camstream.wire.compression import compress

PAGE = Path(__file__).parents[2] / "operator" / "camstream_gateway" / "page"
MODULES = sorted(path.name for path in PAGE.glob("*.js"))

node = pytest.mark.skipif(shutil.which("node") is None, reason="no node; the browser tests run the same modules")


@node
@pytest.mark.parametrize("name", MODULES)
def test_module_is_right_javascript(name: str) -> None:
    checked = subprocess.run(
        ["node", "--input-type=module", "--check"], input=(PAGE / name).read_text(), capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("name", MODULES)
def test_every_import_is_there_and_used(name: str) -> None:
    text = (PAGE / name).read_text()
    for names, module in re.findall(r'^import \{([^}]*)\} from "\./([\w.]+)";$', text, re.M):
        assert module in MODULES
        exported = (PAGE / module).read_text()
        for item in names.split(","):
            original, _, alias = item.strip().partition(" as ")
            assert re.search(rf"^export (async )?(const|let|function|class) {original}\b", exported, re.M), (
                f"{module} exports no {original}"
            )
            assert len(re.findall(rf"\b{alias or original}\b", text)) > 1, f"{name} does not use {item.strip()}"


def run_module(script: str, argument: Any = None) -> Any:
    """What a script prints as JSON, with the modules of the page at hand."""
    text = re.sub(r'from "\./', f'from "file://{PAGE}/', script)
    done = subprocess.run(
        ["node", "--experimental-default-type=module", "--input-type=module"],
        input=f"const given = {json.dumps(argument)};\n{text}",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@node
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "uint32", "float32"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (7, 9), (99, 101), (64, 4096)])
def test_bslz4_is_decoded_to_the_last_bit(tmp_path: Path, dtype: str, shape: tuple[int, int]) -> None:
    image = oracle(7, *shape, dtype) + np.random.default_rng(0).integers(0, 3, shape).astype(dtype)
    (tmp_path / "packed").write_bytes(compress("bitshuffle_lz4", image, "little"))
    run_module(
        """import { readFileSync, writeFileSync } from "fs";
        import { decodeBslz4 } from "./decode.js";
        const out = decodeBslz4(new Uint8Array(readFileSync(given.path + "/packed")), given.dtype, given.count);
        writeFileSync(given.path + "/out", new Uint8Array(out.buffer));
        console.log(1);""",
        {"path": str(tmp_path), "dtype": dtype, "count": image.size},
    )
    assert np.array_equal(np.fromfile(tmp_path / "out", dtype).reshape(shape), image)


@node
def test_damaged_bslz4_is_an_error_and_nothing_worse(tmp_path: Path) -> None:
    packed = compress("bitshuffle_lz4", oracle(7, 64, 64), "little")
    rng = np.random.default_rng(0)
    damaged = []
    for _ in range(200):
        data = bytearray(packed[: rng.integers(0, len(packed) + 1)])
        for _ in range(rng.integers(0, 4)):
            if data:
                data[rng.integers(0, len(data))] = rng.integers(0, 256)
        damaged.append(list(data))
    ends = run_module(
        """import { decodeBslz4 } from "./decode.js";
        console.log(JSON.stringify(given.map((bytes) => {
          try { return decodeBslz4(new Uint8Array(bytes), "uint16", 4096).length; } catch (error) { return error.constructor.name; }
        })));""",
        damaged,
    )
    assert set(ends) <= {4096, "Error", "RangeError"}
    assert "Error" in ends


@node
def test_statistics_are_those_of_numpy() -> None:
    rng = np.random.default_rng(1)
    for dtype in ("uint8", "uint16", "int16", "int32", "uint32", "float32"):
        pixels = rng.integers(0, 255, 5000).astype(dtype) if dtype == "uint8" else rng.normal(3000, 300, 5000).astype(dtype)
        found = run_module(
            """import { measure, percentile, histogram, profiles } from "./statistics.js";
            import { ARRAYS } from "./message.js";
            const pixels = new ARRAYS[given.dtype](given.pixels);
            const found = measure(pixels, given.dtype);
            const { x, y } = profiles(pixels, 100, 50);
            console.log(JSON.stringify({ min: found.min, max: found.max, saturated: found.saturated, middle: percentile(found, 50),
              bins: [...histogram(found, found.min, found.max)], x: [...x], y: [...y] }));""",
            {"dtype": dtype, "pixels": pixels.tolist()},
        )
        assert (found["min"], found["max"]) == (pixels.min(), pixels.max())
        assert found["middle"] == pytest.approx(float(np.median(pixels)), abs=1.5)
        assert sum(found["bins"]) == 5000
        assert found["x"] == pytest.approx(pixels.reshape(50, 100).sum(0, np.float64).tolist())
        assert found["y"] == pytest.approx(pixels.reshape(50, 100).sum(1, np.float64).tolist())


@node
def test_what_is_not_a_number_is_not_measured() -> None:
    found = run_module(
        """import { measure } from "./statistics.js";
        const all = measure(new Float32Array([NaN, 1, Infinity, 3, -Infinity]), "float32");
        const none = measure(new Float32Array([NaN, NaN]), "float32");
        console.log(JSON.stringify([all.min, all.max, all.counted, none.min, none.max, none.counted]));"""
    )
    assert found == [1, 3, 2, 0, 0, 0]


@node
def test_saturated_pixels_are_counted() -> None:
    found = run_module(
        """import { measure } from "./statistics.js";
        const saturated = (...values) => measure(new Uint16Array(values), "uint16").saturated;
        console.log(JSON.stringify([saturated(0, 65535, 65535), saturated(5)]));"""
    )
    assert found == [2, 0]


def linear(srgb: Any) -> Any:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def lightness(rgb: Any) -> Any:
    """CIE L* of linear RGB, from 0 to 100."""
    y = rgb @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(y > 0.008856, 116 * np.cbrt(y) - 16, 903.3 * y)


# How people without red or without green cones see (Viénot, Brettel, Mollon 1999), for linear RGB.
SEEN_BY = {
    "everybody": np.eye(3),
    "protanopes": np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]),
    "deuteranopes": np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]),
}


@node
@pytest.mark.parametrize("people", SEEN_BY)
@pytest.mark.parametrize("name", ["dusk", "ember", "lagoon", "grey"])
def test_brighter_means_more_for_everybody(name: str, people: str) -> None:
    table = run_module('import { colormap } from "./colormaps.js"; console.log(JSON.stringify([...colormap(given)]));', name)
    colours = linear(np.array(table).reshape(256, 4)[:, :3] / 255)
    seen = lightness(np.clip(colours @ SEEN_BY[people].T, 0, 1))
    assert seen[-1] - seen[0] > 75
    assert (np.diff(seen[::16]) > 0).all()


@node
def test_numbers_are_written_for_people() -> None:
    found = run_module(
        """import { write, ticks, tickText, span } from "./numbers.js";
        console.log(JSON.stringify([[0, 1, -12.3456, 123456.7, 2.767e9, 1.2e-5, null].map((v) => write(v)),
          ticks(-3742, 3750, 8), tickText(-2000, 0), tickText(12000, 0), [0.42, 59, 600, 9000].map(span)]));"""
    )
    thin, minus = "\u202f", "\u2212"
    assert found[0] == ["0", "1.000", f"{minus}12.35", f"123{thin}457", f"2.767{thin}×{thin}10⁹", f"1.200{thin}×{thin}10⁻⁵", "–"]
    assert found[1] == {"values": [-3000, -2000, -1000, 0, 1000, 2000, 3000], "decimals": 0}
    assert found[2:4] == [f"{minus}2000", f"12{thin}000"]
    assert found[4] == ["0.4 s", "59 s", "10 min", "3 h"]
