"""What a pipeline does to each frame. All of it is live."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from camstream.spec.base import Rule, Spec
from camstream.spec.fields import Positive
from camstream.spec.geometry import BackgroundChoice, Binning, Mirror, RegionOfInterest


class Function(StrEnum):
    """What is computed from the prepared image."""

    DEFAULT = "Default"
    """The default analysis: profiles, Gaussian fits, moments, widths; good region and slices where they are asked for."""
    TRANSPARENT = "Transparent"
    """Nothing: the prepared image and its axes."""
    MERGE = "Merge"
    """The default analysis, with all other channels of the input and of the merged stream."""


class BackgroundMode(StrEnum):
    """How a background is used."""

    SUBTRACT = "Subtract"
    """Subtract, never below zero."""
    SUBTRACT_SIGNED = "SubtractSigned"
    """Subtract in int32; pixels may become negative."""
    PASSIVE = "Passive"
    """Load and check it, hand it to the function, subtract nothing."""


class PipelineBackground(BackgroundChoice):
    """Which background to use, and how."""

    mode: BackgroundMode = BackgroundMode.SUBTRACT


class AccumulateMode(StrEnum):
    """How raw frames are averaged before anything else."""

    BLOCK = "Block"
    """One output for every N frames."""
    RUNNING = "Running"
    """From the Nth frame on, the mean of the last N frames with every frame."""


class Accumulate(Spec):
    """Average raw frames before anything else. Pixels become float64; the pulse id is that of the last frame."""

    frames: Positive = 1
    """N: how many."""
    mode: AccumulateMode = AccumulateMode.BLOCK


class RotationMode(StrEnum):
    """What fills the corners that a rotation leaves empty."""

    CONSTANT = "Constant"
    REFLECT = "Reflect"
    NEAREST = "Nearest"
    MIRROR = "Mirror"
    WRAP = "Wrap"
    ORTHOGONAL = "Orthogonal"
    """Nothing is left empty: whole quarter turns (the angle over 90, cut to a whole number), axes turned along."""


class Rotation(Spec):
    """Turn the image counter-clockwise about its middle; shape, axes and pixel type stay (but for Orthogonal)."""

    angle: float = 0
    """[degree]"""
    order: int = Field(default=1, ge=1, le=5)
    """Order of the spline."""
    mode: RotationMode = RotationMode.CONSTANT
    fill: float = 0
    """Value of the empty corners in mode Constant."""


class GoodRegion(Spec):
    """The part of the image around the beam, in which a second fit is made."""

    threshold: float = 0.3
    """It ends where the profile falls below this share of its range."""
    scale: float = 1.8
    """It is then widened by this factor."""


class Orientation(StrEnum):
    """Direction of the cuts."""

    VERTICAL = "Vertical"
    """Cut along y: horizontal bands, each with a Gaussian in x."""
    HORIZONTAL = "Horizontal"
    """Cut along x."""


class Slices(Spec):
    """Cut the good region in bands and fit each. Needs goodRegion."""

    count: int = Field(default=1, ge=1, le=1001)
    """Number of slices; an even number becomes the next odd one."""
    scale: float = 2
    """Width of all slices together, in sigma of the good region."""
    orientation: Orientation = Orientation.VERTICAL


class Processing(Spec):
    """Steps of a pipeline, in this order.

    accumulate, binning, background, mirror, rotation, region of interest, threshold, averaging, scale, offset, function.
    """

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            message="slices are cut from the good region; set goodRegion too",
            holds=lambda processing: processing.slices is None or processing.good_region is not None,
            cel="!has(self.slices) || has(self.goodRegion)",
        ),
    )

    accumulate: Accumulate | None = None
    binning: Binning = Binning()
    background: PipelineBackground | None = None
    mirror: Mirror = Mirror()
    rotation: Rotation | None = None
    region_of_interest: RegionOfInterest | None = None
    """A region that does not fit is made smaller, then moved inside."""
    threshold: float | None = None
    """Pixels below this (cut to a whole number) become 0. Nothing happens below 1."""
    averaging: Positive | None = None
    """Mean of the last N prepared images, starting with one. Pixels become float64."""
    scale: float | None = None
    """Factor on every pixel. A whole number keeps the pixel type (and may wrap), any other gives float64."""
    offset: float | None = None
    """Added to every pixel after the scale. Rules as for the scale."""
    function: Function = Function.DEFAULT
    good_region: GoodRegion | None = None
    slices: Slices | None = None
    width_level: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Add x_fw and y_fw, the full widths at this share of the profile's range."""
