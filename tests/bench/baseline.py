"""The default analysis as a careful user of numpy and scipy writes it: the same definitions, no tricks, no waste."""

from typing import Any

import numpy as np
from scipy.optimize import curve_fit

Array = np.ndarray[Any, Any]


def gauss(x: Array, offset: float, amplitude: float, mean: float, sigma: float) -> Array:
    return offset + amplitude * np.exp(-((x - mean) ** 2) / (2 * sigma**2))


def fit(axis: Array, profile: Array) -> tuple[Array, Array]:
    """Parameters and curve."""
    offset = profile.min()
    amplitude = profile.max() - offset
    sigma = np.trapezoid(profile - offset, axis) / (amplitude * np.sqrt(2 * np.pi)) if amplitude else 1.0
    start = (offset, amplitude, axis[profile.argmax()], sigma)
    try:
        found, _ = curve_fit(gauss, axis, profile, p0=start)
    except RuntimeError:
        found = np.array(start)
    found[3] = abs(found[3])
    return found, gauss(axis, *found)


def moments(axis: Array, profile: Array, found: Array) -> tuple[float, float]:
    weights = (profile - found[0]) / (profile - found[0]).sum()
    weights[np.abs(axis - found[2]) > 5 * found[3]] = 0
    center = (axis * weights).sum()
    return center, np.sqrt(abs(((axis - center) ** 2 * weights).sum()))


def width(axis: Array, profile: Array) -> float:
    low = profile <= (cut := profile.min() + np.ptp(profile) / 2)
    peak = profile.argmax()
    left = np.flatnonzero(low[:peak])[-1]
    right = np.flatnonzero(low[peak:])[0] + peak
    return abs(
        np.interp(cut, profile[[right, right - 1]], axis[[right, right - 1]])
        - np.interp(cut, profile[left : left + 2], axis[left : left + 2])
    )


def extent(profile: Array, threshold: float, scale: float) -> tuple[int, int]:
    low = profile < np.ptp(profile) * threshold + profile.min()
    peak = profile.argmax()
    start, end = np.flatnonzero(low[:peak])[-1], np.flatnonzero(low[peak:])[0] + peak
    margin = (end - start) * (scale - 1) / 2
    return int(max(start - margin, 0)), int(min(end + margin, len(profile) - 1))


def slices(axis: Array, found: Array, across: Array, image: Array, count: int, scale: float) -> list[dict[str, Any]]:
    """Bands along the first direction of the image, whose positions are in ``axis``."""
    middle = np.searchsorted(axis, found[2], side="right") - 1
    half = max(np.searchsorted(axis, found[2] + scale * found[3] / count / 2, side="right") - 1 - middle, 1)
    result = []
    for start in range(middle - half - (count // 2) * 2 * half, middle + half + (count // 2) * 2 * half, 2 * half):
        profile = image[start : start + 2 * half].sum(axis=0, dtype=np.int64).astype(float)
        parameters, _ = fit(across, profile)
        result.append({"along": axis[start + half], "across": parameters[2], "sigma": parameters[3], "intensity": profile.sum()})
    return result


def analyse(
    image: Array, x_axis: Array, y_axis: Array, background: Array | None = None, threshold: int = 0, count: int = 0
) -> dict[str, Any]:
    """Background, threshold, profiles, fits, moments, widths; with slices also the good region (0.3, 1.8)."""
    if background is not None:
        image = np.maximum(image, background)
        image -= background
    if threshold:
        image[image < threshold] = 0
    sums = {"x": image.sum(axis=0, dtype=np.int64), "y": image.sum(axis=1, dtype=np.int64)}
    result = {"image": image, "min_value": image.min(), "max_value": image.max(), "intensity": sums["x"].sum()}
    axes = {"x": x_axis, "y": y_axis}
    for name, axis in axes.items():
        profile = sums[name].astype(float)
        found, curve = fit(axis, profile)
        result |= {f"{name}_profile": sums[name], f"{name}_fit_gauss_function": curve, f"{name}_fwhm": width(axis, profile)}
        result |= dict(zip((f"{name}_fit_{n}" for n in ("offset", "amplitude", "mean", "standard_deviation")), found, strict=True))
        result[f"{name}_center_of_mass"], result[f"{name}_rms"] = moments(axis, profile, found)
    return result | (_region(image, sums, axes, count) if count else {})


def _region(image: Array, sums: dict[str, Array], axes: dict[str, Array], count: int) -> dict[str, Any]:
    (x0, x1), (y0, y1) = extent(sums["x"], 0.3, 1.8), extent(sums["y"], 0.3, 1.8)
    inside = image[y0:y1, x0:x1]
    x_axis, y_axis = axes["x"][x0:x1], axes["y"][y0:y1]
    x_profile, y_profile = inside.sum(axis=0, dtype=np.int64), inside.sum(axis=1, dtype=np.int64)
    x_found, x_curve = fit(x_axis, x_profile.astype(float))
    y_found, y_curve = fit(y_axis, y_profile.astype(float))
    result = {"gr_x_profile": x_profile, "gr_y_profile": y_profile, "gr_intensity": x_profile.sum()}
    result |= {"gr_x_fit_mean": x_found[2], "gr_y_fit_mean": y_found[2], "gr_x_curve": x_curve, "gr_y_curve": y_curve}
    columns = slices(x_axis, x_found, y_axis, inside.T, count, 2.0)
    for i, one in enumerate(slices(y_axis, y_found, x_axis, inside, count, 2.0)):
        result[f"slice_{i}_center_x"], result[f"slice_{i}_center_y"] = one["across"], one["along"]
        result[f"slice_{i}_standard_deviation"], result[f"slice_{i}_intensity"] = one["sigma"], one["intensity"]
    slope, _ = np.polyfit([c["along"] for c in columns], [c["across"] for c in columns], 1)
    return result | {"coupling": slope * x_found[3] ** 2}
