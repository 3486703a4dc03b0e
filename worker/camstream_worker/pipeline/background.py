"""Check that a background can be used."""

import numpy as np
import numpy.typing as npt

from camstream.errors import BackgroundError
from camstream.spec.geometry import BackgroundChoice
from camstream_worker.image.background import as_background

Pixels = npt.NDArray[np.uint16]


def usable(array: npt.NDArray[np.generic] | None, spec: BackgroundChoice, shape: tuple[int, ...], sender: str) -> Pixels:
    """The background, ready to be subtracted from images of this shape.

    :param sender: whose images, for the message
    :raises BackgroundError: if there is none, or if it has another shape
    """
    name = repr(spec.name) if spec.name else "(latest)"
    if array is None:
        raise BackgroundError(f"background {name} does not exist, {sender} is to use it: collect one, or remove it from the spec")
    if array.shape != shape:
        raise BackgroundError(f"background {name} has shape {array.shape}, {sender} sends {shape}: {_advice(array.shape, shape)}")
    return as_background(array)


def _advice(found: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    y, x = (f / w if w else 0.0 for f, w in zip(found, wanted, strict=False)) if len(found) == 2 else (0.0, 0.0)
    binned = f" at binning {int(x)}x{int(y)}" if x.is_integer() and y.is_integer() and x * y > 1 else ""
    return f"collect it again{binned}"
