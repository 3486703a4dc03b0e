"""The scripts that come with the worker, called as a worker calls them. Expected numbers come from formulas."""

import json
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from ioc import SPECTRUM_ROWS, soft_ioc
from scipy.signal import savgol_filter
from waiting import wait_for

from camstream.errors import ScriptError
from camstream.spec.geometry import RegionOfInterest
from camstream.spec.processing import Processing
from camstream_worker.pipeline.offline import run_script
from camstream_worker.scripts import propagate_stream_with_prefix, psen, psss
from camstream_worker.scripts.loader import load
from camstream_worker.scripts.process_variables import thread_channel
from camstream_worker.scripts.signatures import STREAM_FUNCTIONS, stream_function

HEIGHT, WIDTH = 40, 300
X, Y = np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32)
ENERGIES = 9000 + 0.5 * np.arange(WIDTH)
LEVEL = 100
"""Of every pixel, before there is light."""
NARROW = {"camera_name": "SAT-CAM", "pixel_bkg": LEVEL, "process_variables": False}


def made(script: ModuleType, image, parameters, x_axis=X, **processing):
    [found] = run_script(Path(script.__file__), [image], x_axis, Y, parameters, processing=Processing(**processing))
    return found


def line(mean=9080.3, sigma=7.5, amplitude=200.0, rows=HEIGHT):
    """A spectrum on a level, the same in each of the rows; the other rows have no light."""
    image = np.full((HEIGHT, WIDTH), LEVEL, np.uint16)
    image[:rows] += np.round(amplitude * np.exp(-((ENERGIES - mean) ** 2) / (2 * sigma**2))).astype(np.uint16)
    return image


# ------------------------------------------------------------------ psen


def test_psen_sums_the_columns_of_each_region():
    image = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH)
    regions = {"roi_signal": [10, 100, 5, 20], "roi_background": [0, 50, 30, 10]}
    found = made(psen, image, {"camera_name": "SAT-CAM", **regions})
    assert set(found) == {
        "SAT-CAM.processing_parameters", "SAT-CAM.roi_signal_x_profile", "SAT-CAM.roi_background_x_profile", "processing_parameters",
    }  # fmt: skip
    assert np.array_equal(found["SAT-CAM.roi_signal_x_profile"], image[5:25, 10:110].sum(axis=0))
    assert np.array_equal(found["SAT-CAM.roi_background_x_profile"], image[30:40, :50].sum(axis=0))
    assert json.loads(found["SAT-CAM.processing_parameters"]) == regions


@pytest.mark.parametrize("left", [{}, {"roi_background": None}])
def test_psen_sends_nothing_of_a_region_that_is_not_set(left):
    found = made(psen, line(), {"camera_name": "CAM", "roi_signal": [0, 10, 0, 10], **left})
    assert "CAM.roi_signal_x_profile" in found
    assert "CAM.roi_background_x_profile" not in found
    assert json.loads(found["CAM.processing_parameters"])["roi_background"] is None


@pytest.mark.parametrize("wrong", [[0, 10, 0], [0, 0, 0, 10], [0, 10.5, 0, 10], "all", [0, 10, 0, -1]])
def test_psen_refuses_what_is_no_region(wrong):
    with pytest.raises(ScriptError, match=r"roi_signal: expected .* in whole pixels"):
        made(psen, line(), {"camera_name": "CAM", "roi_signal": wrong})


# ------------------------------------------------------------------ psss


def test_psss_finds_the_line_in_a_spectrum():
    found = made(psss, line(), NARROW, x_axis=ENERGIES)
    exact = HEIGHT * 200 * np.exp(-((ENERGIES - 9080.3) ** 2) / (2 * 7.5**2))
    # Pixels are whole numbers.
    assert np.abs(found["SAT-CAM:SPECTRUM_Y"] - exact).max() <= HEIGHT / 2
    assert np.array_equal(found["SAT-CAM:SPECTRUM_X"], ENERGIES)
    # The filter widens and flattens a line: the fit is that of the filtered formula.
    smooth = savgol_filter(exact, 51, 3)
    center = (ENERGIES * smooth).sum() / smooth.sum()
    std = math.sqrt(((ENERGIES - center) ** 2 * smooth).sum() / smooth.sum())
    assert found["SAT-CAM:SPECTRUM_CENTER"] == pytest.approx(9080.3, abs=0.05)
    assert found["SAT-CAM:SPECTRUM_COM"] == pytest.approx(center, abs=0.02)
    assert found["SAT-CAM:SPECTRUM_STD"] == pytest.approx(std, rel=0.02)
    residual = smooth - gaussian(found, smooth)
    # No other width at this centre is nearer to it by more than a little: it is the least squares.
    others = [np.square(smooth - gaussian(found, smooth, factor)).sum() for factor in (0.95, 1.05)]
    assert np.square(residual).sum() < min(others)
    assert 2.355 * 7.5 < found["SAT-CAM:SPECTRUM_FWHM"] < 2.355 * 7.5 * 1.3


def gaussian(found, smooth, factor=1.0):
    """The model of the fit with the best offset and amplitude for a width."""
    sigma = factor * found["SAT-CAM:SPECTRUM_FWHM"] / 2.355
    shape = np.exp(-((ENERGIES - found["SAT-CAM:SPECTRUM_CENTER"]) ** 2) / (2 * sigma**2))
    amplitude, offset = np.polyfit(shape, smooth, 1)
    return offset + amplitude * shape


def test_psss_counts_the_rows_of_the_region_of_interest_only_and_the_level_of_each():
    found = made(
        psss, line(rows=10), NARROW, x_axis=ENERGIES, region_of_interest=RegionOfInterest(offset_x=0, size_x=300, offset_y=0, size_y=10)
    )
    assert found["SAT-CAM:SPECTRUM_Y"].max() == pytest.approx(10 * 200, abs=10)
    assert abs(found["SAT-CAM:SPECTRUM_Y"][-1]) <= 10


def test_psss_subtracts_a_passive_background_and_leaves_one_of_another_shape():
    background = np.full((HEIGHT, WIDTH), 7, np.uint16)
    plain, less = (made(psss, line(), {**NARROW, "background_data": data}, x_axis=ENERGIES) for data in (None, background))
    assert np.allclose(plain["SAT-CAM:SPECTRUM_Y"] - less["SAT-CAM:SPECTRUM_Y"], 7 * HEIGHT)
    assert json.loads(less["SAT-CAM:processing_parameters"]) == {"pixel_bkg": LEVEL, "rows": [0, HEIGHT], "background": True}
    other = made(psss, line(), {**NARROW, "background_data": background[:5]}, x_axis=ENERGIES)
    assert np.array_equal(other["SAT-CAM:SPECTRUM_Y"], plain["SAT-CAM:SPECTRUM_Y"])


def test_psss_gives_the_start_values_of_a_faint_spectrum():
    # 1 count above the level in each row, where 1.5 are asked for.
    found = made(psss, line(amplitude=1.0), NARROW, x_axis=ENERGIES)
    smooth = savgol_filter(found["SAT-CAM:SPECTRUM_Y"].astype(np.float64), 51, 3)[::2]
    above = smooth - smooth.min()
    area = np.trapezoid(above, ENERGIES[::2])
    assert found["SAT-CAM:SPECTRUM_CENTER"] == pytest.approx((ENERGIES[::2] * above).sum() / above.sum())
    assert found["SAT-CAM:SPECTRUM_FWHM"] == pytest.approx(2.355 * area / (np.ptp(smooth) * math.sqrt(2 * math.pi)))


def test_psss_of_a_dark_image_has_no_center_of_mass():
    found = made(psss, line(amplitude=0.0), NARROW, x_axis=ENERGIES)
    assert math.isnan(found["SAT-CAM:SPECTRUM_COM"])
    assert math.isnan(found["SAT-CAM:SPECTRUM_STD"])


@pytest.mark.parametrize(
    ("image", "parameters", "axis", "message"),
    [
        (line(), NARROW | {"pixel_bkg": None}, ENERGIES, "pixel_bkg: expected a number, found None"),
        (line()[:, :50], NARROW, ENERGIES[:50], "50 columns, expected at least 51"),
        (line(), NARROW | {"process_variables": True, "camera_name": "NOBODY"}, ENERGIES, "NOBODY:SPC_ROI_YMIN is not connected"),
    ],
)
def test_psss_says_what_is_missing(monkeypatch, image, parameters, axis, message):
    monkeypatch.setattr("camstream_worker.scripts.process_variables.CONNECTION_TIMEOUT_S", 0.2)
    with pytest.raises(ScriptError, match=message):
        made(psss, image, parameters, x_axis=axis)


def test_psss_reads_rows_and_energies_and_writes_results_by_epics():
    first, last = SPECTRUM_ROWS
    with soft_ioc("SPECTROMETER", WIDTH, HEIGHT):
        parameters = {"camera_name": "SPECTROMETER", "pixel_bkg": LEVEL}
        found = made(psss, line(), parameters)
        assert found["SPECTROMETER:SPECTRUM_Y"].max() == pytest.approx(200 * (last - first), abs=last - first)
        assert np.array_equal(found["SPECTROMETER:SPECTRUM_X"], ENERGIES)
        assert found["SPECTROMETER:SPECTRUM_CENTER"] == pytest.approx(9080.3, abs=0.05)

        def written() -> bool:
            # The first image may have come before all of them were connected.
            again = made(psss, line(), parameters)
            values = {name: thread_channel(f"SPECTROMETER:{name}", wait=True).get() for name in psss.RESULTS}
            expected = {name: again[f"SPECTROMETER:{name}"] for name in psss.RESULTS}
            return all(np.shape(value) == np.shape(expected[name]) and np.allclose(value, expected[name]) for name, value in values.items())

        wait_for("the results in the process variables", written)
        with pytest.raises(ScriptError, match=f"has {WIDTH} energies, expected at least {WIDTH + 1}"):
            run_script(Path(psss.__file__), [np.zeros((HEIGHT, WIDTH + 1), np.uint16)], np.arange(WIDTH + 1), Y, parameters)


# ------------------------------------------------------------------ propagate_stream_with_prefix


def prefixed(data, parameters):
    path = Path(propagate_stream_with_prefix.__file__)
    return stream_function(load(path, "prefix", None, STREAM_FUNCTIONS, ()))(data, 1, (0, 0), parameters)


def test_prefix_is_put_in_front_of_every_name_and_values_stay():
    image = np.zeros((2, 3))
    found = prefixed({"image": image, "width": 3, "missing": None}, {"prefix": "CAM:"})
    assert list(found) == ["CAM:image", "CAM:width", "CAM:missing"]
    assert found["CAM:image"] is image
    assert found["CAM:missing"] is None


def test_prefix_that_is_not_there_is_told():
    with pytest.raises(ScriptError, match="prefix: expected a text, found None"):
        prefixed({"width": 3}, {})
