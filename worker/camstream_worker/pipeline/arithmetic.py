"""Scale and offset with the promotion rules that cam_server's users know, those of NumPy 1."""

import numpy as np
import numpy.typing as npt

from camstream.frame import Image


def operand(image_type: np.dtype[np.generic], value: float) -> npt.NDArray[np.generic]:
    """A number, in the type in which it must be combined with an image.

    A whole number takes the image's type if it fits in there, and else the next wider one of whole numbers; any other
    number makes float64 of whole pixels and leaves float pixels as they are.
    """
    if image_type.kind == "f":
        return np.asarray(value, image_type)
    if not float(value).is_integer():
        return np.asarray(value, np.float64)
    return np.asarray(int(value), np.result_type(image_type, np.min_scalar_type(int(value))))


def scale_and_offset(image: Image, scale: float | None, offset: float | None) -> Image:
    """``image * scale + offset``, in a new array. Whole numbers wrap at the limits of their type."""
    if scale is not None:
        image = image * operand(image.dtype, scale)
    if offset is not None:
        image = image + operand(image.dtype, offset)
    return image
