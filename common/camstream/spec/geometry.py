"""What is done to the shape of an image, and what its pixels mean in the world."""

from typing import ClassVar

from pydantic import Field

from camstream.spec.base import Rule, Spec
from camstream.spec.fields import BinningMode, NonNegative, Positive


class Binning(Spec):
    """Combine blocks of pixels into one. Rows and columns that do not fill a block are dropped."""

    # A field named y would be lost: kubectl reads YAML 1.1, where a bare y is a boolean.
    x: Positive = Field(default=1, alias="sizeX")
    """Pixels per block along x."""
    y: Positive = Field(default=1, alias="sizeY")
    """Pixels per block along y."""
    mode: BinningMode = BinningMode.SUM
    """Add the pixels of a block or take their mean. The result is uint16; a sum above 65535 is cut there."""

    @property
    def active(self) -> bool:
        return self.x > 1 or self.y > 1


class Mirror(Spec):
    """Flip the image."""

    # Not x and y, as for Binning.
    x: bool = Field(default=False, alias="leftRight")
    """The left becomes the right."""
    y: bool = Field(default=False, alias="upDown")
    """The top becomes the bottom."""


class RegionOfInterest(Spec):
    """A rectangle of the image, in pixels."""

    offset_x: NonNegative
    """First column."""
    size_x: Positive
    """Number of columns."""
    offset_y: NonNegative
    """First row."""
    size_y: Positive
    """Number of rows."""


class ReferenceMarker(Spec):
    """Corners of a mark of known size that is seen in the image [pixel]."""

    left: float = 0
    """Column of its left edge."""
    top: float = 0
    """Row of its upper edge."""
    right: float = 100
    """Column of its right edge."""
    bottom: float = 100
    """Row of its lower edge."""


class Calibration(Spec):
    """What a pixel measures, told by a reference mark in the image.

    The axes have their origin in the middle of the mark and descend: +x is left and +y is up. They are in the unit of the mark's size.
    """

    reference_marker: ReferenceMarker = ReferenceMarker()
    """Where the mark is, in pixels of the image after binning, mirror and rotation."""
    reference_marker_width: float = 100
    """Width of the mark [µm]."""
    reference_marker_height: float = 100
    """Height of the mark [µm]."""
    angle_horizontal: float = 0
    """Angle between screen and view in the horizontal plane [degree]."""
    angle_vertical: float = 0
    """Angle between screen and view in the vertical plane [degree]."""


class CameraGeometry(Spec):
    """Steps of a camera, in this order: binning, mirror, rotation, region of interest."""

    binning: Binning = Binning()
    mirror: Mirror = Mirror()
    rotate_quarter_turns: int = Field(default=0, ge=0, le=3)
    """Counter-clockwise quarter turns."""
    region_of_interest: RegionOfInterest | None = None
    """In pixels of the binned, mirrored and rotated image. Must lie inside it."""


class BackgroundChoice(Spec):
    """Which background to subtract."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            message="name must be a plain id, without a slash and without a dot in front",
            holds=lambda background: background.name is None or _is_plain(background.name),
            cel=r"!has(self.name) || !self.name.matches(r'^[.]|[/\\]')",
        ),
    )

    name: str | None = Field(default=None, min_length=1, max_length=253)
    """Id of the background. Without it, the latest one of the camera at the time when the configuration is applied; where there is none
    yet, the first that is collected."""


def _is_plain(name: str) -> bool:
    # It becomes part of a file name.
    return not (name.startswith(".") or "/" in name or "\\" in name)
