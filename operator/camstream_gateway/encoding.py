"""One pulse as one binary message for the browser: image, profiles, fits and numbers together, so that they are never of different pulses.

.. code-block:: text

    uint32 LE length of the header | header, JSON | payloads, each at a multiple of 8 bytes

The header names each payload with its type, shape, codec, length, and offset from the end of the header.
"""

import json
import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from camstream import names
from camstream.wire import Message
from camstream.wire.compression import compress
from camstream_gateway.hub import StreamFrame

VERSION: Final = 1

MOST_ELEMENTS: Final = 1 << 16
"""A longer array that is not the image is left out."""

MOST_TEXT: Final = 400
"""A longer text is left out."""

LEAST_COMPRESSED_BYTES: Final = 4096

RAW, BSLZ4 = "raw", "bslz4"

# What a browser has typed arrays for, and WebGL textures; everything else becomes the nearest of them.
_IMAGE_TYPES: Final = {"bool": "uint8", "int8": "int16", "int64": "float32", "uint64": "float32", "float64": "float32"}
_ARRAY_TYPES: Final = {"bool": "uint8", "int64": "float64", "uint64": "float64"}


@dataclass(frozen=True, slots=True)
class Transfer:
    """How an image travels to the browser."""

    compressed: bool = False
    binning: int = 1
    """Side of the square of pixels that becomes one; 1 leaves the image exact."""


def encode(frame: StreamFrame, transfer: Transfer, *, image: bool = True) -> bytes:
    """Write the message of one pulse.

    :param image: if not, everything but the image
    """
    message = frame.message
    parts: list[tuple[dict[str, object], bytes | memoryview]] = []
    header: dict[str, object] = {
        "v": VERSION,
        "seq": frame.seq,
        # As a text: a browser's numbers are exact up to 2**53 only.
        "pulse": str(message.pulse_id),
        "time": [message.timestamp.sec, message.timestamp.ns],
        "ageSeconds": round(frame.age_s, 6),
        "values": values_of(message),
        "image": None,
    }
    pixels = message.values.get(names.IMAGE) if image else None
    if isinstance(pixels, np.ndarray) and pixels.ndim == 2 and pixels.size:
        told, entry, payload = _image(frame, pixels, transfer)
        header["image"] = told
        parts.append((entry, payload))
    for name, value in message.values.items():
        if isinstance(value, np.ndarray) and value.ndim == 1 and value.size <= MOST_ELEMENTS:
            array = _plain(value, _ARRAY_TYPES)
            parts.append((_entry(name, array, RAW, array.nbytes), _bytes(array)))
    return _join(header, parts)


def values_of(message: Message) -> dict[str, object]:
    """Every number and short text of a message; what is not finite is None, for JSON has no word for it."""
    values: dict[str, object] = {}
    for name, value in message.values.items():
        if isinstance(value, np.generic):
            number = value.item()
            values[name] = None if isinstance(number, float) and not math.isfinite(number) else number
        elif isinstance(value, str) and name != names.PROCESSING_PARAMETERS and len(value) <= MOST_TEXT:
            values[name] = value
    return values


def bin_mean(image: npt.NDArray[Any], n: int) -> npt.NDArray[Any]:
    """Mean of each square of n x n pixels, in the type of the image; rows and columns that fill no square are left out.

    :param image: shape (y, x), at least n in both directions
    """
    height, width = image.shape[0] // n, image.shape[1] // n
    wide = np.float32 if image.dtype.kind == "f" else np.int64 if image.dtype.itemsize > 2 else np.int32
    # As strided sums: a mean over a reshaped image takes ten times as long.
    rows = np.zeros((height, image.shape[1]), wide)
    for i in range(n):
        rows += image[i : height * n : n]
    total = np.zeros((height, width), wide)
    for j in range(n):
        total += rows[:, j : width * n : n]
    mean = total / np.float32(n * n) if image.dtype.kind == "f" else total // (n * n)
    return np.ascontiguousarray(mean, image.dtype)


def _image(
    frame: StreamFrame, image: npt.NDArray[Any], transfer: Transfer
) -> tuple[dict[str, object], dict[str, object], bytes | memoryview]:
    n = min(transfer.binning, *image.shape)
    channel = next(channel for channel in frame.message.header if channel.name == names.IMAGE)
    told: dict[str, object] = {"shape": list(image.shape), "dtype": image.dtype.name, "binning": n}
    passes = channel.compression == "bitshuffle_lz4" and channel.encoding == "little" and image.dtype.name not in _IMAGE_TYPES
    if n == 1 and passes and frame.image_part is not None:
        part = memoryview(frame.image_part)
        return told | {"passed": True}, _entry(names.IMAGE, image, BSLZ4, len(part)), part
    pixels = _plain(image if n == 1 else bin_mean(_plain(image, _IMAGE_TYPES), n), _IMAGE_TYPES)
    if transfer.compressed and pixels.nbytes >= LEAST_COMPRESSED_BYTES:
        packed = compress("bitshuffle_lz4", pixels, "little")
        return told, _entry(names.IMAGE, pixels, BSLZ4, len(packed)), packed
    return told, _entry(names.IMAGE, pixels, RAW, pixels.nbytes), _bytes(pixels)


def _plain(array: npt.NDArray[Any], types: dict[str, str]) -> npt.NDArray[Any]:
    """The array contiguous, little-endian, and of a type that the browser has."""
    dtype = np.dtype(types.get(array.dtype.name, array.dtype.name)).newbyteorder("<")
    return np.ascontiguousarray(array, dtype)


def _bytes(array: npt.NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _entry(name: str, array: npt.NDArray[Any], codec: str, nbytes: int) -> dict[str, object]:
    return {"name": name, "dtype": array.dtype.name, "shape": list(array.shape), "codec": codec, "bytes": nbytes}


def _join(header: dict[str, object], parts: list[tuple[dict[str, object], bytes | memoryview]]) -> bytes:
    """Lay everything out; offsets are counted from the end of the header, which is padded to a multiple of 8 bytes."""
    offset = 0
    for entry, payload in parts:
        entry["offset"] = offset
        offset += len(payload) + -len(payload) % 8
    text = json.dumps(header | {"parts": [entry for entry, _ in parts]}, allow_nan=False, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 4) % 8)
    chunks: list[bytes | memoryview] = [len(text).to_bytes(4, "little"), text]
    for _, payload in parts:
        chunks += [payload, bytes(-len(payload) % 8)]
    return b"".join(chunks)
