"""``cam_server.pipeline.data_processing.functions``: the helpers that scripts use, on our kernels.

Images have the shape (y, x), axes and profiles (n,). No function changes its arguments, and images that are received cannot be written to.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from camstream.errors import ShapeMismatch
from camstream.frame import Axis, Image
from camstream.spec.processing import Rotation, RotationMode
from camstream_worker.image import background as _background
from camstream_worker.image import geometry, good_region, pixels, slices, width
from camstream_worker.image import rotation as _rotation
from camstream_worker.image import threshold as _threshold
from camstream_worker.image.gaussian import curve, fit_gaussian
from camstream_worker.image.moments import moments
from camstream_worker.scripts import picture

Profile = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Slice = tuple[tuple[float, float], float, float]
"""(centre in x, centre in y), standard deviation, intensity."""

ORTHO = "ortho"
HALF = 0.5


def _floats(values: npt.ArrayLike) -> Floats:
    return np.ascontiguousarray(values, np.float64)


# ------------------------------------------------------------------ images


def subtract_background(image: Image, background: Image) -> Image:
    """The image less a background, never below zero; pixel type stays."""
    return _background.subtract_clipped(image, _background.in_type(_fitting(image, background), image.dtype))


def subtract_background_signed(image: Image, background: Image) -> npt.NDArray[np.int32]:
    """The image less a background in int32."""
    return _background.subtract_signed(image, _fitting(image, background))


def _fitting(image: Image, background: Image) -> npt.NDArray[np.uint16]:
    if image.shape != background.shape:
        raise ShapeMismatch(f"the image has the shape {image.shape}, the background {background.shape}; collect one of this geometry")
    return _background.as_background(background)


def rotate(image: Image, degrees: float, order: int = 1, mode: str | float = "0.0") -> Image:
    """The image turned counter-clockwise about its middle; shape and pixel type stay.

    :param order: of the spline, 1 to 5
    :param mode: a number fills the corners; or reflect, nearest, mirror, wrap; "ortho" makes whole quarter turns
    """
    if mode == ORTHO:
        return np.ascontiguousarray(geometry.turn(image, _rotation.quarter_turns(degrees)))
    if not degrees:
        return image
    fill, how = (float(mode), RotationMode.CONSTANT) if is_number(mode) else (0.0, RotationMode(str(mode).capitalize()))
    return _rotation.rotate(image, Rotation(angle=degrees, order=order, mode=how, fill=fill), geometry.whole(image.shape))


def get_region_of_interest(image: Image, offset_x: int, size_x: int, offset_y: int, size_y: int) -> Image:
    """A view of a part of the image; what does not fit is made smaller, then moved inside."""
    return image[geometry.fit_region(geometry.Region(offset_x, offset_y, size_x, size_y), image.shape).slices]


def apply_threshold(image: Image, threshold: float = 1) -> Image:
    """The image with 0 where it is below the threshold (cut to a whole number)."""
    return _threshold.apply_threshold(image, int(threshold))


def binning(
    image: Image, x_axis: Axis, y_axis: Axis, binning_x: int = 1, binning_y: int = 1, mean: bool = False
) -> tuple[Image, Axis, Axis]:
    """Blocks of pixels as one in uint16, and the mean positions of the blocks. What does not fill a block is dropped."""
    if binning_x == binning_y == 1:
        return image, x_axis, y_axis
    binned = geometry.bin_image(np.ascontiguousarray(image), binning_x, binning_y, mean)
    return binned, geometry.bin_axis(x_axis, binning_x), geometry.bin_axis(y_axis, binning_y)


def copy_image(image: Image) -> Image:
    """A copy that can be written to."""
    return image.copy()


def chunk_copy(image: Image, max_chunk: int | None = None) -> Image:  # noqa: ARG001 - numpy needs no chunks
    """A copy that can be written to."""
    return image.copy()


def enforce_image_writable(image: Image) -> Image:
    """The image if it can be written to, else a copy."""
    return image if image.flags.writeable else image.copy()


def get_png_from_image(
    image_raw: Image,
    scale: float | None = None,
    min_value: float | None = None,
    max_value: float | None = None,
    colormap_name: str | None = "rainbow",
) -> bytes:
    """A PNG of the image in colours.

    :param scale: 1/n for means of n by n pixels
    :param min_value: subtracted
    :param max_value: what is above becomes this
    :raises ValueError: if blocks do not fill the image, or there is no such colour map
    """
    return picture.png(image_raw, scale, min_value, max_value, colormap_name or "rainbow")


# ------------------------------------------------------------------ profiles


def get_min_max(image: Image) -> tuple[Any, Any]:
    """Smallest and largest pixel, in the type of the pixels; NaN is ignored."""
    measured = pixels.measure(image, geometry.whole(image.shape))
    return measured.minimum, measured.maximum


def get_x_y_profile(image: Image) -> tuple[Profile, Profile]:
    """Sums of columns and of rows; int64 for images of whole numbers."""
    measured = pixels.measure(image, geometry.whole(image.shape))
    return measured.x, measured.y


def get_intensity(profile: Profile) -> Any:
    """The sum of a profile."""
    return np.sum(profile)


def find_index(axis: npt.ArrayLike, item: float) -> int:
    """The sample at a position, or the one before it (after it on a descending axis); the first or last if it is outside."""
    return slices.index_of(_floats(axis), item)


def get_good_region_profile(profile: Profile, threshold: float = 0.3, gfscale: float = 1.8) -> tuple[int, int]:
    """First sample of the peak and the one after its last; equal where there is no peak.

    :param threshold: share of the range below which the peak ends
    :param gfscale: by which it is then widened
    """
    return good_region.extent(np.asarray(profile), threshold, gfscale)


def get_fwhm(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Full width at half maximum of the profile ``y`` on the axis ``x``."""
    return get_fw(x, y, HALF)


def get_fw(x: npt.ArrayLike, y: npt.ArrayLike, threshold: float = HALF) -> float:
    """Full width at a share of the range."""
    return width.full_width(_floats(x), _floats(y), threshold)


# ------------------------------------------------------------------ fits


def _gauss_function(x: Any, offset: float, amplitude: float, center: float, standard_deviation: float) -> Any:
    """The model of all Gaussian fits."""
    return offset + amplitude * np.exp(-((x - center) ** 2) / (2 * standard_deviation**2))


def _gauss_deriv(x: Any, offset: float, amplitude: float, center: float, standard_deviation: float) -> Floats:  # noqa: ARG001 - as the model
    """Derivatives of the model by its four parameters, shape (n, 4)."""
    distance = (np.asarray(x, np.float64) - center) / standard_deviation
    shape = np.exp(-(distance**2) / 2)
    slope = amplitude * shape * distance / standard_deviation
    return np.stack([np.ones_like(shape), shape, slope, slope * distance], axis=-1)


def gauss_fit(
    profile: npt.ArrayLike, axis: npt.ArrayLike, remove_outliers: bool = True
) -> tuple[npt.NDArray[np.float32], float, float, float, float, float, float]:
    """Fitted curve, offset, amplitude, mean, sigma; centre of mass, rms.

    Where the fit does not converge, the numbers are its start values.

    :param remove_outliers: centre of mass and rms are of what is above the fitted offset and within five sigma; else of everything
    """
    x, y = _floats(axis), _floats(profile)
    fit = fit_gaussian(x, y)
    if remove_outliers:
        center, rms = moments(x, y, fit.offset, fit.mean, fit.sigma)
    else:
        center, rms = _plain_moments(x, y)
    return curve(x, fit), fit.offset, fit.amplitude, fit.mean, fit.sigma, center, rms


def _plain_moments(x: Floats, y: Floats) -> tuple[float, float]:
    total = float(y.sum())
    if total == 0:
        return math.nan, math.nan
    center = float((x * y).sum()) / total
    return center, math.sqrt(abs(float((x**2 * y).sum()) / total - center**2))


def gauss_fit_psss(
    profile: npt.ArrayLike,
    axis: npt.ArrayLike,
    offset: float | None = None,
    amplitude: float | None = None,
    center: float | None = None,
    standard_deviation: float | None = None,
    maxfev: int = 20,
    skip: bool = False,
) -> tuple[float, float, float, float]:
    """Offset, amplitude, mean and sigma of a spectrum: Levenberg-Marquardt from good start values, with few steps.

    Start values that are not given: the minimum, the range, the centre of mass of what is above the minimum, and the sigma of that area.

    :param maxfev: most evaluations; a fit that needs more gives the start values
    :param skip: give the start values at once
    """
    x, y = _floats(axis), _floats(profile)
    offset = float(y.min()) if offset is None else float(offset)
    amplitude = float(y.max()) - offset if amplitude is None else float(amplitude)
    above = y - y.min()
    if center is None:
        center = float((x * above).sum() / above.sum()) if above.any() else float(x[0])
    if standard_deviation is None:
        area = abs(float(np.trapezoid(y - offset, x)))
        standard_deviation = area / (abs(amplitude) * math.sqrt(2 * math.pi)) if amplitude and area else 1.0
    start = offset, amplitude, float(center), float(standard_deviation)
    if skip or len(y) < len(start) or not np.isfinite(y).all():
        return start
    # Costs 0.2 s, which scripts without this fit do not pay.
    from scipy.optimize import leastsq

    with np.errstate(all="ignore"):
        found, _, _, _, outcome = leastsq(
            lambda values: _gauss_function(x, *values) - y,
            start,
            Dfun=lambda values: _gauss_deriv(x, *values),
            maxfev=maxfev,
            full_output=True,
        )
    if outcome not in (1, 2, 3, 4) or not np.isfinite(found).all():
        return start
    return float(found[0]), float(found[1]), float(found[2]), abs(float(found[3]))


def linear_fit(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[float, float]:
    """Slope and offset of the straight line nearest to the points."""
    return slices.line(_floats(x).tolist(), _floats(y).tolist())


def quadratic_fit(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[float, float, float]:
    """a, b and c of the parabola a x^2 + b x + c nearest to the points."""
    a, b, c = np.polyfit(_floats(x), _floats(y), 2).tolist()
    return a, b, c


# ------------------------------------------------------------------ slices


def calculate_slices(
    axis: npt.ArrayLike, center: float, standard_deviation: float, scaling: float = 2, number_of_slices: int = 9
) -> tuple[list[int], int]:
    """First sample of each slice in the order of the axis, and half the width of a slice in samples.

    :param scaling: width of all slices together, in standard deviations
    :param number_of_slices: an even number becomes the next odd one; only those that lie inside are given
    :raises ValueError: if not even the middle one lies inside
    """
    return _cut(_floats(axis), center, standard_deviation, scaling, number_of_slices)


def get_x_slices_data(
    image: Image,
    x_axis: npt.ArrayLike,
    y_axis: npt.ArrayLike,
    x_center: float,
    x_standard_deviation: float,
    scaling: float = 2,
    number_of_slices: int = 9,
) -> tuple[list[Slice], float]:
    """Cut along x and fit each slice in y: ((centre in x, centre in y), standard deviation, intensity) each, and the width of a slice.

    :raises ValueError: as :func:`calculate_slices`
    """
    x, y = _floats(x_axis), _floats(y_axis)
    starts, half = _cut(x, x_center, x_standard_deviation, scaling, number_of_slices)
    return [_slice(float(x[i + half]), y, image[:, i : i + 2 * half].sum(axis=1), along_x=True) for i in starts], _length(x, starts, half)


def get_y_slices_data(
    image: Image,
    x_axis: npt.ArrayLike,
    y_axis: npt.ArrayLike,
    y_center: float,
    y_standard_deviation: float,
    scaling: float = 2,
    number_of_slices: int = 9,
) -> tuple[list[Slice], float]:
    """Cut along y and fit each slice in x; as :func:`get_x_slices_data`."""
    x, y = _floats(x_axis), _floats(y_axis)
    starts, half = _cut(y, y_center, y_standard_deviation, scaling, number_of_slices)
    return [_slice(float(y[i + half]), x, image[i : i + 2 * half].sum(axis=0), along_x=False) for i in starts], _length(y, starts, half)


def _cut(axis: Floats, center: float, sigma: float, scaling: float, count: int) -> tuple[list[int], int]:
    found = slices.bands(axis, center, sigma, count, scaling)
    if found is None:
        raise ValueError(f"slices about {center:g} with sigma {sigma:g} do not lie inside the axis from {axis[0]:g} to {axis[-1]:g}")
    return list(found.starts), found.half


def _slice(middle: float, axis: Floats, profile: Profile, *, along_x: bool) -> Slice:
    fit = fit_gaussian(axis, _floats(profile))
    return (middle, fit.mean) if along_x else (fit.mean, middle), fit.sigma, float(profile.sum())


def _length(axis: Floats, starts: list[int], half: int) -> float:
    return slices.Bands(tuple(starts), half).length(axis)


def is_number(value: object) -> bool:
    """Whether a value can be read as a number."""
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True
