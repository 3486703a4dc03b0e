"""The default analysis: from an image and its profiles to channels.

Names and definitions are cam_server's; ``..._fit_converged`` and ``..._fit_reduced_chi_squared`` are ours.
"""

from dataclasses import dataclass

import numpy as np

from camstream.frame import Image
from camstream.spec.processing import GoodRegion, Orientation, Processing, Slices
from camstream_worker.image.gaussian import Floats, GaussianFit, curve, fit_gaussian
from camstream_worker.image.geometry import Region
from camstream_worker.image.good_region import good_region
from camstream_worker.image.moments import moments
from camstream_worker.image.pixels import measure
from camstream_worker.image.profile import Profile, Profiles
from camstream_worker.image.slices import Bands, bands, line
from camstream_worker.image.width import full_width
from camstream_worker.pipeline.channels import Channels
from camstream_worker.pipeline.layout import Layout

HALF = 0.5


def analyse(image: Image | None, profiles: Profiles, layout: Layout, processing: Processing) -> Channels:
    """Everything that is computed from the prepared image, in the order of cam_server.

    :param image: the prepared image; needed for a good region only
    :param profiles: of that image
    """
    x_axis, y_axis = layout.x_positions, layout.y_positions
    x_profile, y_profile = profiles.x.astype(np.float64), profiles.y.astype(np.float64)
    channels: Channels = {
        "min_value": profiles.minimum,
        "max_value": profiles.maximum,
        "x_profile": profiles.x,
        "y_profile": profiles.y,
        "intensity": profiles.intensity,
        "x_fwhm": full_width(x_axis, x_profile, HALF),
        "y_fwhm": full_width(y_axis, y_profile, HALF),
    }
    if processing.width_level is not None:
        channels["x_fw"] = full_width(x_axis, x_profile, processing.width_level)
        channels["y_fw"] = full_width(y_axis, y_profile, processing.width_level)
    x_fit, y_fit = fit_gaussian(x_axis, x_profile), fit_gaussian(y_axis, y_profile)
    channels["x_center_of_mass"], channels["x_rms"] = moments(x_axis, x_profile, x_fit.offset, x_fit.mean, x_fit.sigma)
    channels["y_center_of_mass"], channels["y_rms"] = moments(y_axis, y_profile, y_fit.offset, y_fit.mean, y_fit.sigma)
    channels |= fit_channels("x_fit_", x_axis, x_fit) | fit_channels("y_fit_", y_axis, y_fit)
    if processing.good_region is not None and image is not None:
        beam = beam_of(image, profiles, layout, processing.good_region)
        channels |= region_channels(beam)
        if processing.slices is not None:
            channels |= slice_channels(image, beam, processing.slices)
    return channels


FIT = ("gauss_function", "offset", "amplitude", "standard_deviation", "mean", "converged", "reduced_chi_squared")

NAMES = {prefix: tuple(prefix + name for name in FIT) for prefix in ("x_fit_", "y_fit_", "gr_x_fit_", "gr_y_fit_")}
"""Channels of a fit."""


def fit_channels(prefix: str, axis: Floats, fit: GaussianFit) -> Channels:
    """:param prefix: one of :data:`NAMES`"""
    values = (curve(axis, fit), fit.offset, fit.amplitude, fit.sigma, fit.mean, fit.converged, fit.reduced_chi_squared)
    return dict(zip(NAMES[prefix], values, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Beam:
    """The good region and the fits in it."""

    region: Region
    profiles: Profiles
    x_axis: Floats
    y_axis: Floats
    x_fit: GaussianFit
    y_fit: GaussianFit


def beam_of(image: Image, profiles: Profiles, layout: Layout, spec: GoodRegion) -> Beam | None:
    """Find the beam and fit it, or None where there is none."""
    region = good_region(profiles, spec.threshold, spec.scale)
    if region is None:
        return None
    inside = measure(image, region)
    rows, columns = region.slices
    x_axis, y_axis = layout.x_positions[columns], layout.y_positions[rows]
    return Beam(region, inside, x_axis, y_axis, fit_profile(x_axis, inside.x), fit_profile(y_axis, inside.y))


def fit_profile(axis: Floats, profile: Profile) -> GaussianFit:
    return fit_gaussian(axis, profile.astype(np.float64))


REGION = ("good_region", "gr_x_axis", "gr_y_axis", "gr_x_profile", "gr_y_profile")


def region_channels(beam: Beam | None) -> Channels:
    if beam is None:
        return dict.fromkeys((*REGION, *NAMES["gr_x_fit_"], *NAMES["gr_y_fit_"], "gr_intensity"))
    x, y, width, height = beam.region
    return {
        "good_region": np.array([x, y, x + width, y + height], np.int64),
        "gr_x_axis": beam.x_axis.astype(np.float32),
        "gr_y_axis": beam.y_axis.astype(np.float32),
        "gr_x_profile": beam.profiles.x,
        "gr_y_profile": beam.profiles.y,
        **fit_channels("gr_x_fit_", beam.x_axis, beam.x_fit),
        **fit_channels("gr_y_fit_", beam.y_axis, beam.y_fit),
        "gr_intensity": beam.profiles.intensity,
    }


SLICE = ("center_x", "center_y", "standard_deviation", "intensity", "fit_converged", "fit_reduced_chi_squared")


def slice_channels(image: Image, beam: Beam | None, spec: Slices) -> Channels:
    """Cut the good region into bands and fit each; with two or more, the line through their middles."""
    count = spec.count + 1 - spec.count % 2
    names = [f"slice_{i}_{name}" for i in range(count) for name in SLICE]
    channels: Channels = dict.fromkeys(
        ["slice_orientation", "slice_amount", "slice_length", *names, "coupling", "coupling_slope", "coupling_offset"]
    )
    channels["slice_orientation"] = spec.orientation.value.lower()
    channels["slice_amount"] = count
    if beam is None:
        return channels
    columns = bands(beam.x_axis, beam.x_fit.mean, beam.x_fit.sigma, spec.count, spec.scale)
    if columns is None:
        return channels
    across_x = _slices(image, beam, columns, along_x=True)
    if spec.orientation is Orientation.HORIZONTAL:
        channels["slice_length"], slices = columns.length(beam.x_axis), across_x
    elif (rows := bands(beam.y_axis, beam.y_fit.mean, beam.y_fit.sigma, spec.count, spec.scale)) is not None:
        channels["slice_length"], slices = rows.length(beam.y_axis), _slices(image, beam, rows, along_x=False)
    else:
        slices = []
    for i, one in enumerate(slices):
        channels |= one.channels(f"slice_{i}_")
    if len(across_x) > 1:
        slope, offset = line([one.center_x for one in across_x], [one.center_y for one in across_x])
        channels["coupling"] = slope * beam.x_fit.sigma**2
        channels["coupling_slope"], channels["coupling_offset"] = slope, offset
    return channels


@dataclass(frozen=True, slots=True)
class _Slice:
    """One band of a beam."""

    center_x: float
    center_y: float
    intensity: float
    fit: GaussianFit

    def channels(self, prefix: str) -> Channels:
        fit = self.fit
        values = (self.center_x, self.center_y, fit.sigma, self.intensity, fit.converged, fit.reduced_chi_squared)
        return {prefix + name: value for name, value in zip(SLICE, values, strict=True)}


def _slices(image: Image, beam: Beam, cut: Bands, *, along_x: bool) -> list[_Slice]:
    """Fit each band; bands along x are columns of the region, with a Gaussian in y."""
    x, y, width, height = beam.region
    slices = []
    for start, center in zip(cut.starts, cut.centers(beam.x_axis if along_x else beam.y_axis), strict=True):
        if along_x:
            measured = measure(image, Region(x + start, y, 2 * cut.half, height))
            fit = fit_profile(beam.y_axis, measured.y)
            slices.append(_Slice(center, fit.mean, float(measured.intensity), fit))
        else:
            measured = measure(image, Region(x, y + start, width, 2 * cut.half))
            fit = fit_profile(beam.x_axis, measured.x)
            slices.append(_Slice(fit.mean, center, float(measured.intensity), fit))
    return slices
