"""bitshuffle_lz4 of images, both ways. What is made here differs from what the bitshuffle library makes; what one reads of it does not."""

from typing import Any, Final

import bitshuffle
import numpy as np
import numpy.typing as npt

from camstream.errors import MalformedMessage, TruncatedMessage
from camstream.wire import compression as wire

LEAST: Final = 65536
"""[bytes] Smaller arrays are left to the library, which takes no time for them."""

UNSIGNED: Final[dict[int, Any]] = {1: np.uint8, 2: np.uint16, 4: np.uint32}
"""By the bytes of a pixel: what its bits are taken from."""

# The kernels are imported where they are used: numba takes 30 MB and a third of a second, which most cameras and streams do without.


def compress(compression: str, array: npt.NDArray[Any], size_order: str) -> bytes | memoryview:
    """As :func:`camstream.wire.compression.compress`, twice as fast for images, and a few percent longer.

    :param array: C-contiguous, any shape and byte order
    """
    if compression != "bitshuffle_lz4" or array.nbytes < LEAST or array.itemsize not in UNSIGNED or not array.flags.aligned:
        return wire.compress(compression, array, size_order)
    from camstream_worker.image.kernels import compression as kernel

    pixels = array.reshape(-1).view(UNSIGNED[array.itemsize])
    pixels.flags.writeable = False  # kernels are compiled for nothing else
    block = wire.BLOCK_BYTES // pixels.itemsize
    blocks = pixels.size // block
    # Less than a block may end in pixels that are not shuffled at all: the library knows how.
    rest = bitshuffle.compress_lz4(pixels[blocks * block :], block)
    out = np.empty(wire.BITSHUFFLE_HEAD.size + kernel.room(blocks, wire.BLOCK_BYTES) + len(rest), np.uint8)
    wire.BITSHUFFLE_HEAD.pack_into(out.data, 0, array.nbytes, wire.BLOCK_BYTES)
    end = kernel.compress(pixels[: blocks * block], block, out, wire.BITSHUFFLE_HEAD.size)
    out[end : end + len(rest)] = rest
    out.resize(end + len(rest), refcheck=False)  # a message that waits keeps no more than it needs
    return out.data


def read_blocks(packed: npt.NDArray[np.uint8], elements: int, dtype: np.dtype[Any], block: int, who: str) -> npt.NDArray[Any]:
    """As :func:`camstream.wire.compression.read_blocks`, twice as fast for images that were compressed here."""
    blocks = elements // block
    if elements * dtype.itemsize < LEAST or dtype.itemsize not in UNSIGNED or not blocks:
        return wire.read_blocks(packed, elements, dtype, block, who)
    from camstream_worker.image.kernels import compression as kernel

    if block % kernel.PIXELS:
        return wire.read_blocks(packed, elements, dtype, block, who)
    data, pixels = packed[:], np.empty(elements, UNSIGNED[dtype.itemsize])
    data.flags.writeable = False
    end = kernel.decompress(data, block, pixels[: blocks * block])
    if end == kernel.DAMAGED:
        raise MalformedMessage(f"{who}: damaged bitshuffle_lz4 data")
    if end == kernel.TRUNCATED:
        raise TruncatedMessage(f"{who}: ends inside its {blocks} bitshuffle blocks")
    if blocks * block < elements:
        pixels[blocks * block :] = wire.read_blocks(data[end:], elements - blocks * block, pixels.dtype, block, who)
    elif end != data.size:
        raise TruncatedMessage(f"{who}: {blocks} bitshuffle blocks end at byte {end}, not at byte {data.size}")
    return pixels.view(dtype)


def load() -> None:
    """Load the kernels of all pixel types, so that no frame waits for them."""
    for dtype in UNSIGNED.values():
        image = np.zeros(LEAST, dtype)
        wire.decompress(
            "bitshuffle_lz4", compress("bitshuffle_lz4", image, "little"), image.dtype, None, image.nbytes, "zeros", read_blocks
        )
