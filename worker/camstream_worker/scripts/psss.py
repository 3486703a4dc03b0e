"""cam_server's function ``psss``: a photon spectrum from the image of a single-shot spectrometer. The sample `psss` runs it.

Rows and energies come from process variables of the camera, and the results go to others, at most ten times per second.
"""

import json
import math
import time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.signal import savgol_filter

from camstream.frame import Axis, Image
from camstream_worker.scripts.cam_server_names.pipeline.data_processing.functions import gauss_fit_psss, is_number
from camstream_worker.scripts.process_variables import CONNECTION_TIMEOUT_S, epics_lock, thread_channels

Floats = npt.NDArray[np.float64]

SMOOTHED_OVER, DEGREE = 51, 3
"""Samples and degree of the Savitzky-Golay filter."""
EVERY = 2
"""Of the smoothed samples, those that are fitted."""
EVALUATIONS = 10
FAINT = 1.5
"""A spectrum whose range is at most this much per row of the image is noise: nothing is fitted."""
FWHM = 2.355
"""In sigma of a Gaussian."""
PUT_PERIOD_S = 0.1

INPUTS = ("SPC_ROI_YMIN", "SPC_ROI_YMAX", "SPECTRUM_X")
RESULTS = ("SPECTRUM_Y", "SPECTRUM_CENTER", "SPECTRUM_FWHM", "SPECTRUM_COM", "SPECTRUM_STD")
"""Process variables of the camera; of the results, those that exist are written."""


class Spectrum(NamedTuple):
    """What is known of one image."""

    intensity: npt.NDArray[np.float32]
    """Sums of columns less the background, shape (x,)."""
    center: float
    """Mean of the fitted Gaussian, in the unit of the axis, as all that follow."""
    fwhm: float
    """Of the fitted Gaussian."""
    center_of_mass: float
    std: float
    """Root of the mean squared distance from the centre of mass."""


def process_image(
    image: Image, pulse_id: int, timestamp: tuple[int, int], x_axis: Axis, y_axis: Axis, parameters: dict[str, Any], bsdata: Any
) -> dict[str, Any]:
    """``CAMERA:SPECTRUM_Y``, ``_X``, ``_CENTER``, ``_FWHM``, ``_COM``, ``_STD`` and ``CAMERA:processing_parameters``.

    :param parameters: ``pixel_bkg``, subtracted from every pixel; ``background_data``, an image of the same shape that is, too; with
        ``process_variables: false``, energies are those of ``x_axis``, all rows count, and nothing is written elsewhere
    :raises ValueError: if pixel_bkg is not set, process variables are not there, or the energies are fewer than the columns
    """
    del pulse_id, timestamp, y_axis, bsdata
    camera, given = parameters["camera_name"], parameters.get("pixel_bkg")
    if not is_number(given):
        raise ValueError(f"pixel_bkg: expected a number, found {given!r}; write it in script.parameters")
    level = float(given)  # type: ignore[arg-type]
    connected = parameters.get("process_variables", True) is not False
    first, last, energies = _inputs(camera, parameters) if connected else (0, image.shape[0], x_axis)
    if len(energies) < image.shape[1]:
        raise ValueError(f"{camera}:SPECTRUM_X has {len(energies)} energies, expected at least {image.shape[1]}, one for each column")
    axis = np.asarray(energies[: image.shape[1]], np.float64)
    rows = slice(first, last) if 0 <= first < last <= image.shape[0] else slice(0, image.shape[0])
    background = parameters.get("background_data")
    if background is not None and background.shape != image.shape:
        background = None
    found = spectrum(image, axis, rows, level, background)
    values = dict(zip(RESULTS, found, strict=True))
    if connected:
        _put(camera, values, parameters)
    told = {"pixel_bkg": level, "rows": [rows.start, rows.stop], "background": background is not None}
    channels = {f"{camera}:{name}": value for name, value in values.items()}
    return {**channels, f"{camera}:SPECTRUM_X": axis, f"{camera}:processing_parameters": json.dumps(told)}


def spectrum(image: Image, energies: Floats, rows: slice, level: float, background: Image | None) -> Spectrum:
    """The spectrum of some rows, and a Gaussian through what is left of it after smoothing.

    :param image: shape (y, x), x at least 51
    :param energies: shape (x,)
    :param level: subtracted from every pixel
    :param background: shape (y, x); None: nothing more is subtracted
    :raises ValueError: if the image is too narrow
    """
    height, width = image.shape
    if width < SMOOTHED_OVER:
        raise ValueError(f"the image has {width} columns, expected at least {SMOOTHED_OVER}: so many are smoothed over")
    intensity = image[rows].sum(axis=0, dtype=np.float64) - level * (rows.stop - rows.start)
    if background is not None:
        intensity -= background[rows].sum(axis=0, dtype=np.float64)
    smooth: Floats = savgol_filter(intensity, SMOOTHED_OVER, DEGREE)
    faint = bool(np.ptp(smooth) <= FAINT * height)
    _, _, center, sigma = gauss_fit_psss(smooth[::EVERY], energies[::EVERY], maxfev=EVALUATIONS, skip=faint)
    return Spectrum(np.asarray(intensity, np.float32), center, FWHM * sigma, *_moments(energies, smooth))


def _moments(energies: Floats, smooth: Floats) -> tuple[float, float]:
    """Centre of mass and standard deviation; NaN where there is nothing."""
    total = float(smooth.sum())
    if total == 0:
        return math.nan, math.nan
    center = float((energies * smooth).sum()) / total
    return center, math.sqrt(abs(float(((energies - center) ** 2 * smooth).sum()) / total))


def _inputs(camera: str, parameters: dict[str, Any]) -> tuple[int, int, npt.NDArray[Any]]:
    """First row, the one after the last, and energies.

    :raises ValueError: if one of the process variables is not there
    """
    names = [f"{camera}:{name}" for name in INPUTS]
    channels = thread_channels(names)
    # Only the first images wait for those that come late.
    until = parameters.setdefault("connected_until", time.monotonic() + CONNECTION_TIMEOUT_S)
    for name, channel in zip(names, channels, strict=True):
        left = until - time.monotonic()
        if not channel.connected and not (left > 0 and channel.wait_for_connection(left)):
            raise ValueError(f"process variable {name} is not connected; start its IOC, or set process_variables: false")
    first, last, energies = (channel.get() for channel in channels)
    if first is None or last is None or energies is None:
        raise ValueError(f"{', '.join(names)}: expected a value of each, found {first!r}, {last!r}, {energies!r}")
    return int(first), int(last), np.atleast_1d(energies)


def _put(camera: str, values: dict[str, Any], parameters: dict[str, Any]) -> None:
    """Write the results that there are process variables for, unless they were written just now. Nobody waits for it."""
    now = time.monotonic()
    if now < parameters.get("put_again_at", now):
        return
    parameters["put_again_at"] = now + PUT_PERIOD_S
    with epics_lock:
        for channel, value in zip(thread_channels(f"{camera}:{name}" for name in values), values.values(), strict=True):
            if channel.connected:
                channel.put(value)
