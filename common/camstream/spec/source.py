"""Where the images of a camera come from: one model per kind of source, exactly one of which is set."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from camstream.spec.base import LIVE, Rule, Spec, exactly_one
from camstream.spec.fields import Address, FrameRate, InputMode, PixelType, PvName, Seconds


class Pattern(StrEnum):
    """What the simulated camera sees."""

    BEAM = "Beam"
    """A Gaussian spot that moves on a slow orbit over noise."""
    STATIC_BEAM = "StaticBeam"
    """One such image, repeated."""
    NOISE = "Noise"
    """Noise only."""
    STATIC_NOISE = "StaticNoise"
    """One such image, repeated."""


class SimulationSource(Spec):
    """A camera that needs no hardware. Equal settings and seed give equal images."""

    width: Annotated[int, Field(ge=1, le=32768), LIVE] = 1280
    """[pixel]"""
    height: Annotated[int, Field(ge=1, le=32768), LIVE] = 960
    """[pixel]"""
    frame_rate: Annotated[FrameRate, LIVE] = 10.0
    """Frames per second [Hz]; the time base does not drift."""
    pixel_type: Annotated[PixelType, LIVE] = PixelType.UINT16
    pattern: Annotated[Pattern, LIVE] = Pattern.BEAM
    seed: Annotated[int, Field(ge=0, le=2**31 - 1), LIVE] = 0
    """Start of the random numbers."""
    noise: Annotated[float, Field(ge=0, le=1), LIVE] = 0.01
    """Standard deviation of the noise, as a share of the peak."""
    dead_pixels: Annotated[int, Field(ge=0, le=100_000), LIVE] = 100
    """Number of pixels that are always at their limit."""


class BsreadSource(Spec):
    """One channel of a bsread stream as image."""

    address: Address
    """Where the sender is bound."""
    channel: str | None = Field(default=None, min_length=1, max_length=256)
    """Name of the image channel. Default: the camera's external name followed by ``:FPICTURE``."""
    mode: InputMode = InputMode.PULL
    require_increasing_pulse_id: bool = True
    """Drop (and count) a frame whose pulse id is not above the last one."""
    require_increasing_timestamp: bool = True
    """Drop (and count) a frame whose time is not after the last one."""
    require_pulse_id_in_timestamp: bool = False
    """Drop (and count) a frame whose nanoseconds do not end in the last six digits of its pulse id (SwissFEL's convention)."""


class EpicsSource(Spec):
    """A waveform process variable as image, by EPICS Channel Access."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            message="set prefix, or all of image, width and height",
            holds=lambda epics: bool(epics.prefix or (epics.image and epics.width and epics.height)),
            cel="has(self.prefix) || (has(self.image) && has(self.width) && has(self.height))",
        ),
    )

    prefix: PvName | None = None
    """Short for the PVs ``<prefix>:FPICTURE``, ``:WIDTH``, ``:HEIGHT`` and ``:INIT``."""
    image: PvName | None = None
    """Waveform with the pixels, row by row. Default: from the prefix."""
    width: PvName | None = None
    """PV with the number of columns. Default: from the prefix."""
    height: PvName | None = None
    """PV with the number of rows. Default: from the prefix."""
    init: PvName | None = None
    """PV that reads ``INIT`` when the camera is ready. Default: from the prefix; not asked when neither is given."""
    address_list: Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=64)] = []
    """Where to search for the PVs (``EPICS_CA_ADDR_LIST``). Empty: as the worker's environment says."""
    auto_address_list: bool | None = None
    """Also search by broadcast (``EPICS_CA_AUTO_ADDR_LIST``). Not set: as the worker's environment says."""
    name_servers: Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=64)] = []
    """Where to search by TCP (``EPICS_CA_NAME_SERVERS``), such as a gateway."""


class Hdf5Source(Spec):
    """Replay of a recorded dataset of images, shape (n, y, x)."""

    path: str = Field(min_length=1, max_length=4096)
    """The file, as the worker sees it."""
    dataset: str = Field(min_length=1, max_length=1024)
    """Path of the dataset inside the file."""
    frame_rate: Annotated[FrameRate | None, LIVE] = None
    """Frames per second [Hz]. Default: as recorded, or 10 Hz where the file has no times."""
    speed: Annotated[float, Field(ge=0, le=1000), LIVE] = 1.0
    """Factor on the frame rate; 0 replays as fast as frames are taken."""
    loop: bool = True
    """Start again at the end. Without it the last frame ends the stream."""


SOURCE_KINDS = ("simulation", "bsread", "epics", "hdf5")


class CameraSource(Spec):
    """Exactly one kind of source, and what all kinds have in common."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one(SOURCE_KINDS),)

    simulation: SimulationSource | None = None
    bsread: BsreadSource | None = None
    epics: EpicsSource | None = None
    hdf5: Hdf5Source | None = None
    timeout_seconds: Annotated[Seconds, LIVE] = 10
    """Silence after which the source counts as down: told in the status, and the connection is made anew. 0: never."""
    max_frame_rate: Annotated[FrameRate | None, LIVE] = None
    """Drop (and count) frames that come sooner than this after the last one [Hz]."""
    simulate_pulse_id: Annotated[bool, LIVE] = False
    """Pulse id from the time (hundredths of a second since 1970, strictly increasing) instead of the source's own."""

    @property
    def kind(self) -> str:
        return next(name for name in SOURCE_KINDS if getattr(self, name) is not None)
