import json
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from camstream.errors import BackgroundError, FrameError, ShapeMismatch
from camstream.frame import Frame, Timestamp
from camstream.spec import PipelineSpec
from camstream_worker.pipeline.plan import pipeline_plan

BASIC = ["x_axis", "y_axis", "image", "width", "height", "processing_parameters", "timestamp"]
FIT = ["gauss_function", "offset", "amplitude", "standard_deviation", "mean", "converged", "reduced_chi_squared"]
DEFAULT = [
    *BASIC, "min_value", "max_value", "x_profile", "y_profile", "intensity", "x_fwhm", "y_fwhm",
    "x_center_of_mass", "x_rms", "y_center_of_mass", "y_rms", *(f"{a}_fit_{n}" for a in "xy" for n in FIT),
]  # fmt: skip
REGION = [
    "good_region", "gr_x_axis", "gr_y_axis", "gr_x_profile", "gr_y_profile",
    *(f"gr_{a}_fit_{n}" for a in "xy" for n in FIT), "gr_intensity",
]  # fmt: skip
SLICE = ["center_x", "center_y", "standard_deviation", "intensity", "fit_converged", "fit_reduced_chi_squared"]
COUPLING = ["coupling", "coupling_slope", "coupling_offset"]


def spot(height=60, width=80, dtype=np.uint16, x=40.3, y=28.7, peak=1000):
    rows, columns = np.ogrid[:height, :width]
    image = (50 + peak * np.exp(-((columns - x) ** 2) / 72 - (rows - y) ** 2 / 50)).round().astype(dtype)
    image.flags.writeable = False
    return image


IMAGE = spot()
DARK = np.full(IMAGE.shape, 40, np.uint16)
SLICES = {"goodRegion": {}, "slices": {"count": 3}}


def frame(image=IMAGE, pulse_id=7, **axes):
    return Frame(pulse_id, Timestamp(3, 500_000_000), image, **axes)


def plan(stored=None, selection=None, failure=None, **processing):
    spec = {"input": {"address": "tcp://h:1"}, "processing": processing, "selection": selection or {}, "failure": failure or {}}
    return pipeline_plan(PipelineSpec.model_validate(spec), stored, '{"camera_name": "gun"}')


def process(stored=None, image=IMAGE, **settings):
    return plan(stored, **settings).process(frame(image))


# ------------------------------------------------------------------ channels


def test_default_analysis_has_the_channels_of_cam_server_in_order_and_ours_beside():
    channels = process()
    assert list(channels) == DEFAULT
    assert all(value is not None for value in channels.values())
    types = {name: np.asarray(value).dtype.name for name, value in channels.items()}
    assert {types[n] for n in ("x_axis", "y_axis", "x_fit_gauss_function")} == {"float32"}
    assert {types[n] for n in ("image", "min_value", "max_value")} == {"uint16"}
    assert {types[n] for n in ("width", "height", "x_profile", "y_profile", "intensity")} == {"int64"}
    assert {types[n] for n in ("timestamp", "x_fwhm", "y_rms", "x_center_of_mass", "x_fit_offset", "y_fit_reduced_chi_squared")} == {
        "float64"
    }
    assert types["x_fit_converged"] == "bool"
    assert channels["processing_parameters"] == '{"camera_name": "gun"}'
    assert channels["timestamp"] == 3.5


def test_beam_is_found():
    channels = process()
    assert channels["x_fit_mean"] == pytest.approx(40.3, abs=0.01)
    assert channels["y_fit_standard_deviation"] == pytest.approx(5, rel=1e-3)
    assert (channels["x_fit_converged"], channels["y_fit_converged"]) == (True, True)
    assert channels["intensity"] == IMAGE.sum()


def test_transparent_function_sends_the_prepared_image_only():
    channels = process(function="Transparent", threshold=100)
    assert list(channels) == BASIC
    assert channels["image"].min() == 0


def test_good_region_and_slices_add_their_channels():
    channels = process(**SLICES)
    slices = ["slice_orientation", "slice_amount", "slice_length", *(f"slice_{i}_{n}" for i in range(3) for n in SLICE), *COUPLING]
    assert list(channels) == [*DEFAULT, *REGION, *slices]
    assert channels["good_region"].dtype == np.int64
    x0, y0, x1, y1 = channels["good_region"]
    assert channels["gr_intensity"] == IMAGE[y0:y1, x0:x1].sum()
    assert channels["slice_1_center_x"] == pytest.approx(40.3, abs=0.05)
    assert channels["slice_1_fit_converged"] is True
    assert (channels["slice_orientation"], channels["slice_amount"]) == ("vertical", 3)


def test_tilted_beam_couples_x_and_y():
    rows, columns = np.ogrid[:60, :80]
    along, across = (columns - 40.3) + (rows - 28.7), (columns - 40.3) - (rows - 28.7)
    image = (5000 * np.exp(-(along**2) / 400 - across**2 / 60)).round().astype(np.uint16)
    channels = process(image=image, **SLICES)
    # The ridge of exp(-a(u+v)^2 - b(u-v)^2) over u lies at v = u (b-a) / (a+b).
    a, b = 1 / 400, 1 / 60
    assert channels["coupling_slope"] == pytest.approx((b - a) / (a + b), rel=0.03)
    assert channels["coupling"] == pytest.approx(channels["coupling_slope"] * channels["gr_x_fit_standard_deviation"] ** 2)


def test_width_at_a_level_is_added_when_asked_for():
    channels = process(widthLevel=0.5)
    assert (channels["x_fw"], channels["y_fw"]) == (channels["x_fwhm"], channels["y_fwhm"])


def test_what_cannot_be_computed_is_missing_and_the_rest_is_there():
    channels = process(image=np.full((60, 80), 9, np.uint16), **SLICES)
    assert all(channels[name] is None for name in REGION)
    assert all(channels[f"slice_{i}_{n}"] is None for i in range(3) for n in SLICE)
    assert all(channels[name] is None for name in COUPLING)
    assert channels["x_fit_converged"] is False
    assert math.isnan(channels["x_fwhm"])
    assert channels["intensity"] == 9 * 60 * 80


def test_one_slice_has_no_coupling():
    channels = process(goodRegion={}, slices={"count": 1})
    assert channels["slice_0_center_x"] is not None
    assert all(channels[name] is None for name in COUPLING)


def test_included_channels_come_in_their_order_and_missing_ones_are_missing():
    channels = process(selection={"include": ["y_rms", "no_such", "image", "width"], "exclude": ["width"]})
    assert list(channels) == ["y_rms", "no_such", "image"]
    assert channels["no_such"] is None


@pytest.mark.parametrize("settings", [{}, SLICES], ids=["plain", "slices"])
@pytest.mark.parametrize("dark", [None, DARK], ids=["no-background", "background"])
def test_results_are_the_same_without_the_image(settings, dark):
    if dark is not None:
        settings = settings | {"background": {}}
    expected = process(dark, **settings)
    found = process(dark, selection={"exclude": ["image"]}, **settings)
    assert "image" not in found
    assert [n for n in expected if n != "image"] == list(found)
    for name in found:
        assert np.array_equal(expected[name], found[name]), name


# ------------------------------------------------------------------ steps


def test_threshold_below_one_does_nothing_and_is_cut_to_a_whole_number():
    assert np.array_equal(process(threshold=0.5)["image"], IMAGE)
    assert np.array_equal(process(threshold=60.9)["image"], np.where(IMAGE < 60, 0, IMAGE))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float64])
@pytest.mark.parametrize("mirror", [{}, {"x": True}, {"y": True}], ids=str)
@pytest.mark.parametrize("turn", [None, 90, 180, 270])
def test_background_is_subtracted_from_the_same_pixels_however_the_image_is_moved(dtype, mirror, turn):
    image = spot(dtype=dtype, peak=150)
    dark = np.random.default_rng(0).integers(0, 90, image.shape).astype(np.uint16)
    rotation = {"rotation": {"angle": turn, "mode": "Orthogonal"}} if turn else {}
    roi = {"offsetX": 5, "sizeX": 30, "offsetY": 9, "sizeY": 40}
    channels = process(dark, image, background={}, mirror=mirror, regionOfInterest=roi, function="Transparent", **rotation)
    corrected = np.maximum(image.astype(int) - dark, 0)
    moved = np.rot90(corrected[:: -1 if mirror.get("y") else 1, :: -1 if mirror.get("x") else 1], (turn or 0) // 90)
    assert np.array_equal(channels["image"], moved[9:49, 5:35])
    assert channels["image"].dtype == dtype


def test_axes_follow_mirror_rotation_and_region():
    x_axis, y_axis = np.linspace(5, -5, 80).astype(np.float32), np.linspace(3, -3, 60).astype(np.float32)
    spec = {"mirror": {"x": True}, "rotation": {"angle": 90, "mode": "Orthogonal"}}
    roi = {"offsetX": 10, "sizeX": 20, "offsetY": 30, "sizeY": 40}
    channels = plan(**spec, regionOfInterest=roi).process(frame(x_axis=x_axis, y_axis=y_axis))
    assert np.array_equal(channels["x_axis"], y_axis[10:30])
    assert np.array_equal(channels["y_axis"], x_axis[30:70])


def test_background_is_binned_with_the_image():
    channels = process(DARK, background={}, binning={"x": 2, "y": 2}, function="Transparent")
    assert np.array_equal(channels["image"], (IMAGE - DARK).reshape(30, 2, 40, 2).sum(axis=(1, 3)))
    assert channels["x_axis"][:2].tolist() == [0.5, 2.5]


def test_image_of_truth_values_is_one_of_zeros_and_ones():
    channels = process(np.zeros(IMAGE.shape, np.uint16), IMAGE > 500, background={})
    assert np.array_equal(channels["image"], IMAGE > 500)
    assert channels["intensity"] == (IMAGE > 500).sum()


@pytest.mark.parametrize("dtype", [">u2", "<f4", ">f8", np.int8, np.int64, np.uint64, np.float16])
def test_any_real_pixel_type_is_analysed(dtype):
    image = spot(dtype=dtype, peak=60)
    channels = process(DARK // 20, image, background={}, threshold=3, **SLICES)
    assert channels["x_fit_mean"] == pytest.approx(40.3, abs=0.1)
    assert channels["slice_1_fit_converged"]


def test_signed_background_goes_below_zero():
    image = process(DARK + 20, background={"mode": "SubtractSigned"})["image"]
    assert image.dtype == np.int32
    assert image.min() == -10


def test_passive_background_is_checked_but_not_subtracted():
    assert np.array_equal(process(DARK, background={"mode": "Passive"})["image"], IMAGE)
    with pytest.raises(BackgroundError):
        process(DARK[:5], background={"mode": "Passive"})


def test_background_comes_before_a_rotation_and_the_threshold_after_it():
    channels = process(DARK, background={}, rotation={"angle": 10}, threshold=5, function="Transparent")
    from camstream.spec.processing import Rotation
    from camstream_worker.image.geometry import whole
    from camstream_worker.image.rotation import rotate

    turned = rotate(IMAGE - DARK, Rotation(angle=10), whole(IMAGE.shape))
    assert np.array_equal(channels["image"], np.where(turned < 5, 0, turned))


def test_block_of_frames_makes_one_message():
    pipeline = plan(accumulate={"frames": 2})
    assert pipeline.stateful
    assert pipeline.process(frame(IMAGE)) is None
    channels = pipeline.process(frame(IMAGE + 2, pulse_id=8))
    assert channels["image"].dtype == np.float64
    assert np.array_equal(channels["image"], IMAGE + 1.0)


def test_late_averaging_starts_with_the_first_frame():
    pipeline = plan(averaging=2, threshold=60)
    assert pipeline.stateful
    assert pipeline.process(frame())["image"].dtype == np.float64
    channels = pipeline.process(frame(np.zeros_like(IMAGE)))
    assert np.array_equal(channels["image"], np.where(IMAGE < 60, 0, IMAGE) / 2)
    assert channels["intensity"] == channels["image"].sum()


def test_averaging_one_frame_changes_nothing():
    pipeline = plan(averaging=1, accumulate={"frames": 1})
    assert not pipeline.stateful
    assert np.shares_memory(pipeline.process(frame())["image"], IMAGE)


# ------------------------------------------------------------------ what goes wrong


def test_background_of_another_shape_is_refused_with_advice():
    with pytest.raises(BackgroundError, match=r"background 'dark' has shape \(5, 80\), the input sends \(60, 80\): collect it again"):
        process(DARK[:5], background={"name": "dark"})


def test_background_that_does_not_exist_is_refused():
    with pytest.raises(BackgroundError, match=r"background \(latest\) does not exist, the input is to use it: collect one"):
        process(None, background={})


@pytest.mark.parametrize("dark", [None, DARK[:5]], ids=["missing", "wrong-shape"])
def test_pipeline_that_notifies_sends_a_reduced_message_instead(dark):
    roi = {"offsetX": 0, "sizeX": 30, "offsetY": 0, "sizeY": 20}
    channels = process(dark, background={"name": "dark"}, regionOfInterest=roi, failure={"notifyOnError": True})
    assert list(channels) == ["x_axis", "y_axis", "image", "width", "height", "processing_parameters"]
    assert channels["image"].shape == (20, 30)
    assert not channels["image"].any()
    parameters = json.loads(channels["processing_parameters"])
    assert parameters["camera_name"] == "gun"
    assert parameters["processing_error"].startswith("background 'dark'")
    assert parameters.get("image_background_ok") is (False if dark is None else None)


@pytest.mark.parametrize("shape", [(5,), (0, 4), (2, 3, 4)], ids=str)
def test_frame_that_is_no_image_is_refused(shape):
    with pytest.raises(ShapeMismatch, match=r"pulse 7: expected an image \(y, x\), found shape"):
        process(image=np.zeros(shape, np.uint16))


def test_pixels_that_are_no_real_numbers_are_refused():
    with pytest.raises(FrameError, match="pulse 7: expected pixels that are real numbers, found complex128"):
        process(image=np.zeros((5, 5), complex))


def test_axes_of_another_length_are_refused():
    with pytest.raises(ShapeMismatch, match="pulse 7: the image is 80x60, its axes are for 79x60"):
        plan().process(frame(x_axis=np.zeros(79, np.float32)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_damaged_pixel_makes_results_that_are_no_numbers_and_no_failure(value):
    image = spot(dtype=np.float64).copy()
    image[3, 4] = value
    channels = process(image=image, widthLevel=0.3, **SLICES)
    assert math.isnan(channels["x_rms"])
    assert channels["x_fit_converged"] is False


# ------------------------------------------------------------------ how it is used


def test_plan_follows_an_input_that_changes_size_type_or_axes():
    pipeline = plan(DARK, background={}, failure={"notifyOnError": True})
    assert pipeline.process(frame())["image"].dtype == np.uint16
    assert pipeline.process(frame(IMAGE.astype(np.float32)))["image"].dtype == np.float32
    assert "processing_error" in pipeline.process(frame(spot(30, 40, x=20, y=15)))["processing_parameters"]
    x_axis = np.arange(80, dtype=np.float32) * -2
    assert pipeline.process(frame(x_axis=x_axis))["x_fit_mean"] == pytest.approx(-2 * 40.3, abs=0.02)
    assert pipeline.process(frame())["x_fit_mean"] == pytest.approx(40.3, abs=0.02)


def test_prepare_touches_no_state():
    pipeline = plan(accumulate={"frames": 2}, averaging=3)
    pipeline.prepare(frame())
    assert pipeline.process(frame()) is None
    pipeline.prepare(frame())
    assert np.array_equal(pipeline.process(frame())["image"], IMAGE)


def test_several_threads_may_use_one_plan():
    pipeline = plan(DARK, background={}, **SLICES)
    expected = pipeline.process(frame())
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda i: pipeline.process(frame(pulse_id=i)), range(40)))
    for found in results:
        assert found["slice_1_center_x"] == expected["slice_1_center_x"]
        assert np.array_equal(found["image"], expected["image"])


def test_received_arrays_are_not_written_to():
    before = IMAGE.copy()
    process(DARK, background={}, threshold=60, mirror={"x": True}, scale=2, offset=1)
    assert np.array_equal(IMAGE, before)
