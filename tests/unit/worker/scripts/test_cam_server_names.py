"""Names that scripts import from cam_server. Expected numbers come from formulas, from our own pipeline, or from recordings."""

import importlib
import io
import json
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
from golden import golden_dir
from ioc import soft_ioc
from PIL import Image as Picture
from waiting import wait_for

from camstream.errors import CamstreamError, ScriptError, ShapeMismatch
from camstream.frame import Frame, Timestamp
from camstream.spec import PipelineSpec
from camstream_worker.pipeline.plan import pipeline_plan
from camstream_worker.scripts.cam_server_names import utils
from camstream_worker.scripts.cam_server_names.pipeline.data_processing import functions, processor
from camstream_worker.scripts.loader import load
from camstream_worker.scripts.signatures import IMAGE_FUNCTIONS, image_function

NAMES = [
    "subtract_background", "subtract_background_signed", "rotate", "get_region_of_interest", "apply_threshold", "binning", "chunk_copy",
    "copy_image", "enforce_image_writable", "get_png_from_image", "get_min_max", "get_x_y_profile", "get_intensity", "find_index",
    "get_good_region_profile", "get_fwhm", "get_fw", "gauss_fit", "gauss_fit_psss", "linear_fit", "quadratic_fit", "calculate_slices",
    "get_x_slices_data", "get_y_slices_data", "is_number", "_gauss_function", "_gauss_deriv",
]  # fmt: skip

ROWS, COLUMNS = np.ogrid[:60, :80]
IMAGE = (50 + 1000 * np.exp(-((COLUMNS - 40.3) ** 2) / 72 - (ROWS - 28.7) ** 2 / 50)).round().astype(np.uint16)
IMAGE.flags.writeable = False
X, Y = np.arange(80, dtype=np.float32), np.arange(60, dtype=np.float32)
AXIS = np.linspace(-5, 5, 201)
WHEN = Timestamp(3, 500_000_000)


def gaussian(axis, offset=3.0, amplitude=10.0, mean=0.7, sigma=1.3):
    return offset + amplitude * np.exp(-((axis - mean) ** 2) / (2 * sigma**2))


# ------------------------------------------------------------------ where the names are


def in_a_process(source, *path):
    code = textwrap.dedent(source)
    done = subprocess.run([sys.executable, "-c", code, *map(str, path)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_name_can_be_imported_as_scripts_do_it_but_only_after_a_script_was_loaded():
    told = in_a_process(
        f"""
        import importlib.util, sys
        assert importlib.util.find_spec("cam_server") is None
        from camstream_worker.scripts.loader import load
        source = '''
        from cam_server.pipeline.data_processing import functions, processor
        from cam_server.pipeline.data_processing.processor import process_image
        from cam_server.pipeline.data_processing.functions import {", ".join(NAMES)}
        from cam_server.utils import create_thread_pvs, create_thread_pv, epics_lock, get_host_port_from_stream_address
        def process(): return [name for name in {NAMES} if callable(getattr(functions, name))]
        '''
        import textwrap
        print(len(load(textwrap.dedent(source), "beam", None, ("process",), ()).call()))
        assert not {{"epics", "scipy.optimize", "PIL"}} & set(sys.modules)
        """
    )
    assert told == str(len(NAMES))


def test_a_cam_server_that_is_installed_is_taken_as_a_whole(tmp_path):
    package = tmp_path / "cam_server"
    package.mkdir()
    (package / "__init__.py").write_text("version = 'installed'\n")
    told = in_a_process(
        """
        import sys
        sys.path.insert(0, sys.argv[1])
        from camstream_worker.scripts.loader import load
        print(load("import cam_server\\ndef process(): return cam_server.version", "beam", None, ("process",), ()).call())
        try:
            load("import cam_server.utils", "beam", None, ("process",), ())
        except Exception as error:
            print(error)
        """,
        tmp_path,
    )
    assert told.splitlines()[0] == "installed"
    assert "No module named 'cam_server.utils'" in told


def test_clients_come_from_the_client_package_and_its_absence_is_told(tmp_path):
    told = in_a_process(
        """
        import sys
        from pathlib import Path
        from camstream_worker.scripts.loader import load
        source = "from cam_server import PipelineClient\\ndef process(): return PipelineClient"
        sys.modules["cam_server_client"] = None  # as in an image, where it is not installed
        try:
            load(source, "beam", None, ("process",), ())
        except Exception as error:
            print(error)
        del sys.modules["cam_server_client"]
        sys.path.insert(0, sys.argv[1])
        print(load(source, "beam", None, ("process",), [Path(sys.argv[1])]).call())
        """,
        _with_client(tmp_path),
    ).splitlines()
    assert "PipelineClient comes with the package psi-camserver-client; install it in the worker's image" in told[0]
    assert told[1] == "the client"


def _with_client(folder: Path) -> Path:
    (folder / "cam_server_client.py").write_text("PipelineClient = 'the client'\n")
    return folder


def test_other_names_of_cam_server_are_missing_as_usual():
    from camstream_worker.scripts import cam_server_names

    with pytest.raises(AttributeError, match="has no attribute 'start_camera_server'"):
        cam_server_names.start_camera_server  # noqa: B018 - looking is the test


# ------------------------------------------------------------------ processor.process_image


@pytest.mark.parametrize(
    ("parameters", "processing"),
    [
        ({}, {}),
        ({"image_good_region": {"threshold": 0.3, "gfscale": 1.8}}, {"goodRegion": {"threshold": 0.3, "scale": 1.8}}),
        (
            {
                "image_good_region": {},
                "image_slices": {"number_of_slices": 5, "scale": 2, "orientation": "horizontal"},
                "fw_threshold": 0.3,
            },
            {"goodRegion": {}, "slices": {"count": 5, "scale": 2, "orientation": "Horizontal"}, "widthLevel": 0.3},
        ),
        ({"image_threshold": 500, "mirror_x": True, "binning_x": 2, "camera_name": "gun"}, {}),
    ],
)
def test_process_image_gives_all_channels_of_the_default_analysis(parameters, processing):
    spec = PipelineSpec.model_validate({"input": {"address": "tcp://h:1"}, "processing": processing})
    expected = pipeline_plan(spec, None, json.dumps(parameters)).process(Frame(7, WHEN, IMAGE, X, Y))
    found = processor.process_image(IMAGE, 7, tuple(WHEN), X, Y, parameters, {})
    assert expected is not None
    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_process_image_may_be_called_with_six_arguments_and_a_time_in_seconds():
    assert processor.process_image(IMAGE, 7, 12.5, X, Y, {})["timestamp"] == 12.5


def test_a_script_may_add_to_the_result_and_the_next_one_is_new():
    first = processor.process_image(IMAGE, 7, WHEN, X, Y, {"a": 1})
    first["extra"] = first.pop("image")
    second = processor.process_image(IMAGE, 8, WHEN, X, Y, {"a": 1})
    assert "extra" not in second
    assert second["image"].shape == IMAGE.shape


def test_a_passive_background_among_the_parameters_is_not_sent():
    channels = processor.process_image(IMAGE, 7, WHEN, X, Y, {"background_data": IMAGE, "gain": np.int64(3)})
    assert json.loads(channels["processing_parameters"]) == {"gain": "3"}


def test_process_image_tells_what_it_cannot_use():
    with pytest.raises(ShapeMismatch):
        processor.process_image(IMAGE, 7, WHEN, Y, X, {})
    with pytest.raises(CamstreamError):
        processor.process_image(IMAGE, 7, WHEN, X, Y, {"image_good_region": {"threshold": "much"}})


def test_published_kinds_of_scripts_run_unchanged():
    source = """
        from collections import OrderedDict
        from cam_server.pipeline.data_processing import functions, processor

        def process_image(image, pulse_id, timestamp, x_axis, y_axis, parameters, bsdata):
            r = processor.process_image(image, pulse_id, timestamp, x_axis, y_axis, parameters, bsdata)
            ret = OrderedDict()
            for c in ["intensity", "x_fit_mean", "x_profile"]:
                ret[parameters["camera_name"] + ":" + c] = r[c]
            profile = functions.get_x_y_profile(image)[1]
            _, _, _, center, sigma, _, _ = functions.gauss_fit(profile, y_axis)
            ret["y_center"], ret["y_sigma"] = center, sigma
            return ret
        """
    before = set(sys.modules), list(sys.meta_path)
    give = image_function(load(textwrap.dedent(source), "published", None, IMAGE_FUNCTIONS, ()))
    channels = give(IMAGE, 7, WHEN, X, Y, {"camera_name": "GUN"}, {})
    for name in set(sys.modules) - before[0]:
        del sys.modules[name]
    sys.meta_path[:] = before[1]
    assert channels is not None
    assert channels["GUN:intensity"] == IMAGE.sum()
    assert channels["GUN:x_fit_mean"] == pytest.approx(40.3, abs=0.01)
    assert channels["y_center"] == pytest.approx(28.7, abs=0.01)
    assert channels["y_sigma"] == pytest.approx(5, abs=0.01)


def recorded_cases():
    """Recordings that need no preparation; cases whose last image makes no message or an error are the pipeline's."""
    data = np.load(golden_dir() / "analysis.npz")
    preparation = ("rotation", "mirror", "binning", "averaging", "background", "region", "image_threshold", "scale", "offset")
    for case in json.loads(str(data["cases"])):
        prepared = any(word in key for key in case["parameters"] for word in preparation if key not in processor.ANALYSIS)
        if case["outcome"] == "value" and not prepared and case["images"] == 1:
            yield data, case


def test_helpers_give_the_recorded_numbers_of_cam_server():
    compared = 0
    for data, case in recorded_cases():
        key, image = case["key"], data[f"{case['key']}.image0"]
        x_profile, y_profile = functions.get_x_y_profile(image)
        for axis, profile in (("x", x_profile), ("y", y_profile)):
            positions = data[f"{key}.{axis}_axis"]
            _, offset, amplitude, mean, sigma, com, rms = functions.gauss_fit(profile, positions)
            found = {
                "profile": profile, "fwhm": functions.get_fwhm(positions, profile), "fit_offset": offset, "fit_amplitude": amplitude,
                "fit_mean": mean, "fit_standard_deviation": sigma, "center_of_mass": com, "rms": rms,
            }  # fmt: skip
            for name, value in found.items():
                channel = f"{axis}_{name}"
                if channel in case["unchecked"]:
                    continue
                expected = data[f"{key}.out.{channel}"]
                size = max(
                    np.abs(np.nan_to_num(expected, posinf=0, neginf=0)).max(), 0 if name == "profile" else np.abs(positions).max(), 1
                )
                if name == "fit_offset":
                    size = max(size, abs(np.nan_to_num(amplitude, posinf=0)))
                tolerance = max(1e-6, case["rtol"].get(channel, 0)) * float(size)
                if case["alternatives"] and channel in case["alternatives"]:
                    expected = data[f"{key}.alt.{channel}"]
                np.testing.assert_allclose(value, expected, rtol=0, atol=tolerance, err_msg=f"{case['tag']} {channel}")
                compared += 1
    assert compared > 100


# ------------------------------------------------------------------ images


def test_backgrounds_are_subtracted_without_wrapping_and_without_touching_the_image():
    dark = np.full(IMAGE.shape, 100, np.uint16)
    np.testing.assert_array_equal(functions.subtract_background(IMAGE, dark), np.maximum(IMAGE.astype(int) - 100, 0))
    signed = functions.subtract_background_signed(IMAGE, dark)
    np.testing.assert_array_equal(signed, IMAGE.astype(int) - 100)
    assert (functions.subtract_background(IMAGE, dark).dtype, signed.dtype) == (np.uint16, np.int32)
    with pytest.raises(ShapeMismatch, match=r"the image has the shape \(60, 80\), the background \(80, 60\)"):
        functions.subtract_background(IMAGE, dark.T)


@pytest.mark.parametrize(("mode", "fill"), [("0.0", 0), ("7", 7), (7, 7), ("reflect", None), ("Nearest", None)])
def test_images_are_rotated_as_scipy_does_it(mode, fill):
    from scipy import ndimage

    how = {"mode": "constant", "cval": fill} if fill is not None else {"mode": mode.lower()}
    expected = ndimage.rotate(IMAGE, 12.5, reshape=False, order=2, **how)
    np.testing.assert_array_equal(functions.rotate(IMAGE, 12.5, order=2, mode=mode), expected)


def test_ortho_makes_quarter_turns_and_no_angle_does_nothing():
    np.testing.assert_array_equal(functions.rotate(IMAGE, 90, mode="ortho"), np.rot90(IMAGE))
    assert functions.rotate(IMAGE, 0) is IMAGE


def test_regions_thresholds_and_bins():
    np.testing.assert_array_equal(functions.get_region_of_interest(IMAGE, 10, 5, 20, 7), IMAGE[20:27, 10:15])
    np.testing.assert_array_equal(functions.get_region_of_interest(IMAGE, 70, 20, 0, 100), IMAGE[:, 60:])
    np.testing.assert_array_equal(functions.apply_threshold(IMAGE, 300.9), np.where(IMAGE < 300, 0, IMAGE))
    image, x, y = functions.binning(IMAGE, X, Y, 4, 3, False)
    np.testing.assert_array_equal(image, IMAGE.reshape(20, 3, 20, 4).sum(axis=(1, 3)))
    np.testing.assert_allclose((x[0], y[0], len(x), len(y)), (1.5, 1, 20, 20))
    assert functions.binning(IMAGE, X, Y) == (IMAGE, X, Y) or functions.binning(IMAGE, X, Y)[0] is IMAGE


def test_copies_can_be_written_to():
    for copy in (functions.copy_image, functions.chunk_copy, functions.enforce_image_writable):
        mine = copy(IMAGE)
        mine[0, 0] += 1
        assert mine[0, 0] == IMAGE[0, 0] + 1
    mine = IMAGE.copy()
    assert functions.enforce_image_writable(mine) is mine


# ------------------------------------------------------------------ profiles and fits


def test_profiles_and_extremes():
    x, y = functions.get_x_y_profile(IMAGE)
    np.testing.assert_array_equal(x, IMAGE.sum(axis=0))
    np.testing.assert_array_equal(y, IMAGE.sum(axis=1))
    assert functions.get_intensity(x) == IMAGE.sum()
    assert functions.get_min_max(IMAGE) == (IMAGE.min(), IMAGE.max())


@pytest.mark.parametrize(
    ("item", "up", "down"), [(-9, 0, 4), (9, 4, 0), (0.0, 2, 2), (0.3, 2, 2), (-0.3, 1, 3), (1.0, 3, 1)]
)  # fmt: skip
def test_the_sample_at_a_position_is_found_on_both_kinds_of_axes(item, up, down):
    axis = np.array([-2.0, -1, 0, 1, 2])
    assert functions.find_index(axis, item) == up
    assert functions.find_index(axis[::-1], item) == down


def test_the_good_region_is_around_the_peak():
    profile = np.array([0, 0, 0, 1, 5, 10, 5, 1, 0, 0, 0])
    assert functions.get_good_region_profile(profile, 0.3, 1.0) == (3, 7)
    assert functions.get_good_region_profile(profile, threshold=0.3, gfscale=2.0) == (1, 9)


def test_full_widths_of_a_gaussian():
    profile = gaussian(AXIS, sigma=1.0)
    assert functions.get_fwhm(AXIS, profile) == pytest.approx(2 * np.sqrt(2 * np.log(2)), rel=1e-3)
    assert functions.get_fw(AXIS, profile, 0.1) == pytest.approx(2 * np.sqrt(2 * np.log(10)), rel=1e-3)


def test_gauss_fit_gives_the_parameters_of_an_exact_gaussian():
    curve, offset, amplitude, center, sigma, com, rms = functions.gauss_fit(gaussian(AXIS), AXIS)
    np.testing.assert_allclose((offset, amplitude, center, sigma), (3, 10, 0.7, 1.3), rtol=1e-6)
    np.testing.assert_allclose(curve, gaussian(AXIS), rtol=1e-6)
    assert (com, rms) == (pytest.approx(0.7, abs=5e-3), pytest.approx(1.3, rel=5e-3))


def test_without_outlier_removal_the_moments_are_those_of_the_raw_profile():
    profile = gaussian(AXIS)
    *_, com, rms = functions.gauss_fit(profile, AXIS, remove_outliers=False)
    mean = np.average(AXIS, weights=profile)
    assert com == pytest.approx(mean)
    assert rms == pytest.approx(np.sqrt(np.average(AXIS**2, weights=profile) - mean**2))
    assert np.isnan(functions.gauss_fit(np.zeros(201), AXIS, remove_outliers=False)[-2:]).all()


def test_gauss_fit_psss_finds_the_minimum_from_given_and_from_own_start_values():
    profile = gaussian(AXIS)
    for start in ({}, {"offset": 3.5, "amplitude": 9.0}, {"center": 0.0, "standard_deviation": 2.0}):
        np.testing.assert_allclose(functions.gauss_fit_psss(profile, AXIS, maxfev=50, **start), (3, 10, 0.7, 1.3), rtol=1e-5)


def test_gauss_fit_psss_gives_the_start_values_when_it_shall_not_fit_or_cannot():
    start = {"offset": 1.0, "amplitude": 2.0, "center": 3.0, "standard_deviation": 4.0}
    values = tuple(start.values())
    noise = np.random.default_rng(1).normal(size=201)
    assert functions.gauss_fit_psss(gaussian(AXIS), AXIS, skip=True, **start) == values
    assert functions.gauss_fit_psss(noise, AXIS, maxfev=2, **start) == values
    assert functions.gauss_fit_psss(np.full(201, np.nan), AXIS, **start) == values
    assert functions.gauss_fit_psss(np.zeros(201), AXIS, skip=True) == (0.0, 0.0, -5.0, 1.0)


def test_the_derivative_is_that_of_the_model():
    point = np.array([3.0, 10, 0.7, 1.3])
    np.testing.assert_allclose(functions._gauss_function(AXIS, *point), gaussian(AXIS))
    steps = [
        (functions._gauss_function(AXIS, *(point + step)) - functions._gauss_function(AXIS, *(point - step))) / 2e-6
        for step in np.eye(4) * 1e-6
    ]
    np.testing.assert_allclose(functions._gauss_deriv(AXIS, *point), np.stack(steps, axis=1), atol=1e-7)


def test_lines_and_parabolas_through_exact_points():
    x = np.array([0.0, 1, 3, 4])
    assert functions.linear_fit(x, 2 * x - 5) == pytest.approx((2, -5))
    assert functions.quadratic_fit(x, 0.5 * x**2 - x + 2) == pytest.approx((0.5, -1, 2))


def test_numbers_are_told_from_other_texts():
    assert [functions.is_number(value) for value in ("1e3", 4, np.float32(2), "nan", "one", None, [1])] == [True] * 4 + [False] * 3


# ------------------------------------------------------------------ slices


def test_slices_are_of_equal_width_around_the_centre():
    starts, half = functions.calculate_slices(np.arange(100.0), 50.2, 9.0, scaling=2, number_of_slices=3)
    assert (starts, half) == ([41, 47, 53], 3)
    assert functions.calculate_slices(np.arange(100.0), 50.2, 9.0, 2, 2) == (starts, half)
    with pytest.raises(ValueError, match="slices about 2 with sigma 30 do not lie inside the axis from 0 to 99"):
        functions.calculate_slices(np.arange(100.0), 2, 30, 2, 1)


def test_slices_of_both_directions_equal_those_of_the_default_analysis():
    for orientation, axes in (("horizontal", "x"), ("vertical", "y")):
        parameters = {"image_good_region": {}, "image_slices": {"number_of_slices": 3, "scale": 2, "orientation": orientation}}
        channels = processor.process_image(IMAGE, 7, WHEN, X, Y, parameters)
        x0, y0, x1, y1 = channels["good_region"]
        cut = functions.get_x_slices_data if axes == "x" else functions.get_y_slices_data
        fit = channels[f"gr_{axes}_fit_mean"], channels[f"gr_{axes}_fit_standard_deviation"]
        found, length = cut(IMAGE[y0:y1, x0:x1], channels["gr_x_axis"], channels["gr_y_axis"], *fit, 2, 3)
        assert length == channels["slice_length"]
        assert len(found) == 3
        for i, ((center_x, center_y), sigma, intensity) in enumerate(found):
            one = f"slice_{i}_"
            expected = (
                channels[one + "center_x"],
                channels[one + "center_y"],
                channels[one + "standard_deviation"],
                channels[one + "intensity"],
            )
            assert (center_x, center_y, sigma, intensity) == pytest.approx(expected)


# ------------------------------------------------------------------ pictures


def opened(**options):
    return np.asarray(Picture.open(io.BytesIO(functions.get_png_from_image(np.arange(12, dtype=np.uint16).reshape(3, 4), **options))))


def test_pictures_are_coloured_from_the_lowest_to_the_highest_pixel():
    pixels = opened()
    assert pixels.shape == (3, 4, 4)
    assert pixels[0, 0].tolist() == [128, 0, 255, 255]
    assert pixels[-1, -1].tolist() == [255, 0, 0, 255]
    assert opened(colormap_name="gray")[:, :, 0].ravel().tolist() == [min(int(v / 11 * 256), 255) for v in range(12)]


def test_pictures_show_means_of_blocks_and_a_range():
    image = np.repeat(np.repeat(np.array([[0, 100], [50, 200]]), 2, axis=0), 2, axis=1)
    image[0, 0] = 40
    png = functions.get_png_from_image(image, scale=0.5, colormap_name="gray")
    assert np.asarray(Picture.open(io.BytesIO(png)))[:, :, 0].tolist() == [[12, 128], [64, 255]]
    assert opened(min_value=5, max_value=4, colormap_name="gray")[:, :, 0].ravel().tolist() == [0] * 6 + [64, 128, 192] + [255] * 3


def test_a_dark_picture_is_transparent():
    png = functions.get_png_from_image(np.zeros((2, 2), np.uint8))
    assert not np.asarray(Picture.open(io.BytesIO(png))).any()


@pytest.mark.parametrize("scale", [0.3, 0.2, 2, -1, 0])
def test_a_scale_that_does_not_fit_is_told(scale):
    with pytest.raises(ValueError, match="expected 1/n where n divides 4 and 3"):
        opened(scale=scale)


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is not None, reason="matplotlib knows more names")
def test_an_unknown_colour_map_is_told():
    with pytest.raises(ValueError, match="rainbow and gray are built in; install matplotlib"):
        opened(colormap_name="viridis")


# ------------------------------------------------------------------ utils


def test_addresses_have_host_and_port():
    assert utils.get_host_port_from_stream_address("tcp://Daq-01.psi.ch:9999") == ("Daq-01.psi.ch", 9999)
    for wrong in ("tcp://daq-01", "daq-01:9999", ""):
        with pytest.raises(ValueError, match="expected tcp://HOST:PORT"):
            utils.get_host_port_from_stream_address(wrong)


def test_one_thread_at_a_time_may_hold_the_lock():
    taken = []
    with utils.epics_lock:
        other = threading.Thread(target=lambda: taken.append(utils.epics_lock.acquire(False)))
        other.start()
        other.join()
    assert taken == [False]
    assert utils.epics_lock.acquire(False)
    utils.epics_lock.release()


def test_each_thread_has_process_variables_of_its_own_and_keeps_them():
    found = {}

    def use(name):
        width, height = utils.create_thread_pvs(["SCRIPT-CAM:WIDTH", "SCRIPT-CAM:HEIGHT"])
        again = utils.create_thread_pv("SCRIPT-CAM:WIDTH", wait=True)
        wait_for("height to be connected", lambda: height.wait_for_connection(1))
        found[name] = (width is again, width.value, height.value, width)

    with soft_ioc("SCRIPT-CAM", 40, 30):
        for name in ("first", "second"):
            thread = threading.Thread(target=use, args=(name,))
            thread.start()
            thread.join(30)
        assert found["first"][:3] == found["second"][:3] == (True, 40, 30)
        assert found["first"][3] is not found["second"][3]
        for *_, channel in found.values():
            channel.disconnect()


def test_a_script_whose_process_variables_are_missing_goes_on():
    [channel] = utils.create_thread_pvs("SCRIPT-CAM:NOT-THERE")
    assert not channel.connected
    channel.disconnect()


def test_errors_of_helpers_are_blamed_on_the_line_of_the_script_that_called_them():
    module = functions.__name__
    source = f"import {module} as functions\ndef process(x):\n    return functions.rotate(x, 3, order=9)\n"
    with pytest.raises(ScriptError, match=r"<script beam>:3: .*ValidationError.*; in process: return functions.rotate"):
        load(source, "beam", None, ("process",), ()).call(IMAGE)
