"""The one object that flows through a worker."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[Any]
"""Pixels, shape (y, x)."""

Axis = npt.NDArray[np.float32]
"""Position of each pixel along one direction, shape (n,), in the unit of the calibration (µm in practice)."""


class Timestamp(NamedTuple):
    """Time since the Unix epoch, as bsread carries it."""

    sec: int
    ns: int

    @classmethod
    def from_seconds(cls, seconds: float) -> "Timestamp":
        """Split a float as cam_server does: the fraction is cut, not rounded."""
        whole = int(seconds)
        return cls(whole, int((seconds - whole) * 1e9))

    @classmethod
    def from_ns(cls, nanoseconds: int) -> "Timestamp":
        return cls(*divmod(nanoseconds, 1_000_000_000))

    def seconds(self) -> float:
        return self.sec + self.ns * 1e-9

    def nanoseconds(self) -> int:
        return self.sec * 1_000_000_000 + self.ns


NO_IMAGE: Image = np.empty((0, 0), np.uint8)
"""In frames of streams that need not have images."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One image of a source, with what came with it.

    A camera's source gives the raw image and no axes; the stream that a pipeline reads has both. Where any channels are read, they
    all are in ``channels``, and there is no image.
    """

    pulse_id: int
    timestamp: Timestamp
    image: Image
    x_axis: Axis | None = None
    y_axis: Axis | None = None
    channels: Mapping[str, Any] = field(default_factory=dict)
    """Everything else that the message held, by channel name."""

    @property
    def nbytes(self) -> int:
        """Memory of its arrays [bytes]."""
        return self.image.nbytes + sum(value.nbytes for value in self.channels.values() if isinstance(value, np.ndarray))
