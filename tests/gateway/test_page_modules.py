"""The modules of the page, as far as they can be checked without a browser."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from gateways import oracle

from camstream.frame import Frame, Timestamp
from camstream.spec import CameraSpec, PipelineSpec
from camstream.wire.compression import compress
from camstream_worker.pipeline.plan import camera_plan
from camstream_worker.pipeline.processing import PipelinePlan

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


REGIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "binned": {"binning": {"sizeX": 2, "sizeY": 3}},
    "mirrored": {"mirror": {"leftRight": True, "upDown": True}},
    "turned": {"rotation": {"angle": 90.0, "mode": "Orthogonal"}},
    "rotated": {"rotation": {"angle": 10.0}},
    "all": {"binning": {"sizeX": 2, "sizeY": 2}, "mirror": {"leftRight": True}, "rotation": {"angle": 270.0, "mode": "Orthogonal"}},
}
"""What a pipeline does before it cuts its region out."""

DRAG = """import { corner, regionOf, wholeImage } from "./region.js";
const { thing, region, picture, image, from, to } = given;
const start = corner(thing, region, picture, wholeImage(thing, image));
console.log(JSON.stringify(start.why ? start : regionOf(from, to, picture, start)));"""


def prepared(processing: dict[str, Any], image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What a worker sends of an image."""
    spec = PipelineSpec.model_validate({"input": {"camera": {"name": "cam"}}, "processing": processing | {"function": "Transparent"}})
    y, x = (np.arange(size, dtype=np.float32) for size in image.shape)
    channels = PipelinePlan(spec, None, "{}").process(Frame(1, Timestamp(0, 0), image, x, y))
    assert channels is not None
    return np.asarray(channels["image"])


def taken(camera: dict[str, Any], image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What a camera sends of an image."""
    spec = CameraSpec.model_validate({"source": {"simulation": {}}, "geometry": camera})
    channels = camera_plan(spec, None, "cam").process(Frame(1, Timestamp(0, 0), image, np.empty(0), np.empty(0)))
    assert channels is not None
    return np.asarray(channels["image"])


def dragged(thing: dict[str, Any], picture: npt.NDArray[Any], image: npt.NDArray[Any], region: Any = None) -> Any:
    """The region of a rectangle from (4.2, 9.7) to (11.5, 3.1) of the picture."""
    size = {"width": picture.shape[1], "height": picture.shape[0]}
    read = {"width": image.shape[1], "height": image.shape[0]}
    given = {"thing": thing, "region": region, "picture": size, "image": read, "from": {"x": 4.2, "y": 9.7}, "to": {"x": 11.5, "y": 3.1}}
    return run_module(DRAG, given)


RECTANGLE = np.s_[3:10, 4:12]
"""The pixels that it touches."""


@node
@pytest.mark.parametrize("name", REGIONS)
@pytest.mark.parametrize("region", [None, {"offsetX": 5, "sizeX": 14, "offsetY": 2, "sizeY": 11}])
def test_dragged_region_of_a_pipeline_is_what_its_worker_then_sends(name: str, region: dict[str, int] | None) -> None:
    image = oracle(1, 60, 48)
    given = REGIONS[name]
    picture = prepared(given | ({"regionOfInterest": region} if region else {}), image)
    found = dragged({"kind": "Pipeline", "spec": {"processing": given}}, picture, image, region)
    np.testing.assert_array_equal(prepared(given | {"regionOfInterest": found}, image), picture[RECTANGLE])


@node
@pytest.mark.parametrize("region", [None, {"offsetX": 3, "sizeX": 17, "offsetY": 1, "sizeY": 12}])
def test_dragged_region_of_a_camera_is_what_its_worker_then_sends(region: dict[str, int] | None) -> None:
    image = oracle(1, 60, 48)
    geometry: dict[str, Any] = {"binning": {"sizeX": 2}, "mirror": {"upDown": True}, "rotateQuarterTurns": 1}
    picture = taken(geometry | ({"regionOfInterest": region} if region else {}), image)
    found = dragged({"kind": "Camera", "spec": {"geometry": geometry}}, picture, image, region)
    np.testing.assert_array_equal(taken(geometry | {"regionOfInterest": found}, image), picture[RECTANGLE])


@node
def test_region_is_not_dragged_where_its_place_cannot_be_told() -> None:
    image = oracle(1, 60, 48)
    outside = {"offsetX": 40, "sizeX": 20, "offsetY": 0, "sizeY": 20}
    pipeline = {"kind": "Pipeline", "spec": {}}
    moved = prepared({"regionOfInterest": outside}, image)
    assert moved.shape == (20, 20)
    assert "was moved" in dragged(pipeline, moved, image, outside)["why"]
    assert "is not the region (20×20)" in dragged(pipeline, image, image, outside)["why"]
    assert "cannot be told here" in dragged(pipeline, moved, np.empty((0, 0)), outside)["why"]
    assert "is not the whole image (48×60)" in dragged(pipeline, moved, image)["why"]
    assert "A script makes this picture" in dragged({"kind": "Pipeline", "spec": {"script": {"text": ""}}}, image, image)["why"]


@node
def test_condition_tells_when_a_change_is_applied() -> None:
    def condition(kind: str, status: str, generation: int, reason: str = "R", message: str = "") -> dict[str, Any]:
        return {"type": kind, "status": status, "observedGeneration": generation, "reason": reason, "message": message}

    accepted = condition("Accepted", "True", 2)
    cases = [
        ([condition("ConfigApplied", "True", 1)], "applying", ""),  # about the one before
        ([accepted, condition("ConfigApplied", "False", 2, "Outdated", "not yet")], "applying", "not yet"),
        ([accepted, condition("ConfigApplied", "True", 2)], "applied", ""),
        ([accepted, condition("ConfigApplied", "False", 2, "Rejected", "too large")], "refused", "too large"),
        ([condition("Accepted", "False", 2, "InvalidSpec", "no camera")], "refused", "no camera"),
        ([accepted, condition("ConfigApplied", "Unknown", 2, "Idle")], "kept", "The worker takes it over when it runs"),
    ]
    found = run_module(
        'import { applied } from "./conditions.js"; console.log(JSON.stringify(given.map((one) => applied(one, 2))));',
        [conditions for conditions, _, _ in cases],
    )
    assert found == [{"word": word, "message": message} for _, word, message in cases]


@node
def test_differences_are_told_by_path() -> None:
    before: dict[str, Any] = {"type": "Processing", "processing": {"threshold": 5, "background": {"name": "a"}}, "groups": ["x"]}
    after: dict[str, Any] = {
        "processing": {"threshold": 6, "background": None, "averaging": 3},
        "groups": ["x"],
        "type": "Processing",
        "script": {},
    }
    found = run_module(
        'import { differences, patchOf, written } from "./changes.js";'
        ' console.log(JSON.stringify([differences(given[0], given[1]), patchOf({ "a.b": 1, "a.c": null, d: true }),'
        ' [null, true, "", ["x", "y"], { a: 1, b: null }, {}].map(written)]));',
        [before, after],
    )
    differing = [
        ["processing.averaging", None, 3],
        ["processing.background.name", "a", None],
        ["processing.threshold", 5, 6],
        ["script", None, {}],
    ]
    assert found == [differing, {"a": {"b": 1, "c": None}, "d": True}, ["none", "on", "none", "x, y", "a 1", "default"]]


def managed(manager: str, time: str | None, *paths: str, **more: Any) -> dict[str, Any]:
    """What Kubernetes keeps of one writer."""
    fields: dict[str, Any] = {}
    for path in paths:
        inner = fields
        for name in path.split("."):
            inner = inner.setdefault(f"f:{name}", {})
    entry = {"manager": manager, "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": fields} | more
    return entry | ({"time": time} if time else {})


@node
def test_writer_of_a_changed_value_is_told_where_it_is_known() -> None:
    kept = [
        managed("helm", "2026-11-20T08:00:00Z", "spec.processing.threshold", "spec.groups", "spec.input.camera.name"),
        managed("kubectl-edit", "2026-11-21T09:30:00Z", "spec.processing.averaging", "spec.processing.threshold"),
        managed("camstream-operator", "2026-11-21T10:00:00Z", "status.phase", "spec.groups", subresource="status"),
        managed("old", None, "spec.selection"),
        managed("annotator", "2026-11-21T11:00:00Z", "metadata.annotations.note"),
    ]
    cases = {
        "processing.threshold": {"manager": "kubectl-edit", "time": "2026-11-21T09:30:00Z"},  # both applied the same: the newest
        "groups": {"manager": "helm", "time": "2026-11-20T08:00:00Z"},  # not whoever writes the status
        "input.camera": {"manager": "helm", "time": "2026-11-20T08:00:00Z"},  # all of it
        "selection.pause": {"manager": "old", "time": None},  # it was written as a whole
        "processing.background.name": None,  # it was taken away
        "script": None,
    }
    script = 'import { writerOf, writers } from "./writers.js"; console.log(JSON.stringify(['
    script += (
        "given[1].map((path) => writerOf(given[0], path)), writers(given[0], given[1]).split(/, [^;]*/), writers(undefined, given[1]),"
    )
    script += " writerOf([{ manager: 'x' }], 'groups')]));"
    found, words, unknown, empty = run_module(script, [kept, list(cases)])
    assert dict(zip(cases, found, strict=True)) == cases
    # Each once; the times are as the browser writes them.
    assert words == ["by kubectl-edit", "; by helm", "; by old"]
    assert (unknown, empty) == ("", None)
