"""Framing of the two compressions that bsread knows.

.. code-block:: text

    bitshuffle_lz4   int64 BE size | int32 BE bytes per block | blocks: int32 BE length, LZ4 data | up to 7 plain elements
    lz4              int32 size    | one LZ4 block

``size`` is that of the uncompressed bytes. Implementations disagree about the byte order of lz4's: java and rust write
big-endian for the data header and the channel's own order for values, psi-bsread 2.0 always little-endian.
"""

import struct
from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias, get_args

import bitshuffle
import lz4.block
import numpy as np
import numpy.typing as npt

from camstream.errors import MalformedMessage, TruncatedMessage

Compression = Literal["bitshuffle_lz4", "lz4"]

Compress: TypeAlias = Callable[[str, npt.NDArray[Any], str], bytes | memoryview]
"""As :func:`compress`."""

ReadBlocks: TypeAlias = Callable[[npt.NDArray[np.uint8], int, np.dtype[Any], int, str], npt.NDArray[Any]]
"""As :func:`read_blocks`. Of both there is a faster one for images, which needs numba (:mod:`camstream_worker.image.compression`)."""

COMPRESSIONS: Final = frozenset(get_args(Compression))

BLOCK_BYTES: Final = 8192
"""Uncompressed bytes per bitshuffle block: what bitshuffle itself and every sender of bsread use."""

MOST_EXPANSION: Final = 255
"""LZ4 cannot make more than this many bytes of one: whoever claims more lies, and gets no memory for it."""

BITSHUFFLE_HEAD: Final = struct.Struct(">qi")
"""Size and bytes per block."""

_BLOCK_LENGTH: Final = struct.Struct(">I")
_SIZE: Final = {"little": struct.Struct("<I"), "big": struct.Struct(">I")}
_SHUFFLED_TOGETHER: Final = 8  # elements; bitshuffle leaves a shorter rest as it is


def compress(compression: str, array: npt.NDArray[Any], size_order: str) -> bytes:
    """Compress the bytes of an array.

    :param array: C-contiguous, any shape; a big-endian one is shuffled as it lies
    :param size_order: ``little`` or ``big``, for the size in front of lz4 data
    """
    if compression == "lz4":
        block: bytes = lz4.block.compress(array.reshape(-1).view(np.uint8), store_size=False)
        return b"".join((_SIZE[size_order].pack(array.nbytes), block))
    # bitshuffle allocates its own output: joining the head to it is the one copy that cannot be avoided.
    head = BITSHUFFLE_HEAD.pack(array.nbytes, BLOCK_BYTES)
    return b"".join((head, bitshuffle.compress_lz4(array, BLOCK_BYTES // array.itemsize)))


def read_blocks(packed: npt.NDArray[np.uint8], elements: int, dtype: np.dtype[Any], block: int, who: str) -> npt.NDArray[Any]:
    """Decompress bitshuffle_lz4 blocks and the plain elements behind them, by the library.

    :param packed: all of them and nothing else
    :param elements: how many there are uncompressed
    :param block: elements in a block
    :raises TruncatedMessage: if `packed` ends too early, or goes on
    :raises MalformedMessage: if a block is no LZ4
    """
    _check_blocks(packed, elements, block, dtype.itemsize, who)
    try:
        array: npt.NDArray[Any] = bitshuffle.decompress_lz4(packed, (elements,), dtype, block)
    except RuntimeError as error:
        raise MalformedMessage(f"{who}: damaged bitshuffle_lz4 data: {error}") from error
    return array


def _check_blocks(packed: npt.NDArray[np.uint8], elements: int, block: int, itemsize: int, who: str) -> None:
    """Follow the lengths of the blocks to the end.

    The bitshuffle library trusts these lengths and is not told where its input ends: with a wrong one it reads beyond
    the part and the process dies (tests/unit/wire/test_compression.py).
    """
    whole, rest = divmod(elements, block)
    blocks = whole + (rest >= _SHUFFLED_TOGETHER)
    end = len(packed) - elements % _SHUFFLED_TOGETHER * itemsize
    position = 0
    length_at, lengths = _BLOCK_LENGTH.unpack_from, packed.data
    try:
        for _ in range(blocks):
            position += _BLOCK_LENGTH.size + length_at(lengths, position)[0]
    except struct.error as error:
        raise TruncatedMessage(f"{who}: ends inside its {blocks} bitshuffle blocks") from error
    if position != end:
        raise TruncatedMessage(f"{who}: {blocks} bitshuffle blocks end at byte {position}, not at byte {end}")


def decompress(
    compression: str, part: Any, dtype: np.dtype[Any], size: int | None, most: int, who: str, blocks: ReadBlocks = read_blocks
) -> npt.NDArray[Any]:
    """Decompress one message part to a flat array.

    :param part: bytes-like
    :param size: uncompressed bytes that there must be, None when only the part itself tells
    :param most: largest size to believe [bytes]
    :param who: what the part is, for the error text
    :param blocks: what reads the blocks of bitshuffle_lz4
    :raises TruncatedMessage: if the part ends too early
    :raises MalformedMessage: if the sizes contradict each other, or the data is no LZ4
    """
    if compression == "lz4":
        return _decompress_lz4(part, dtype, size, most, who)
    return _decompress_bitshuffle(part, dtype, size, most, who, blocks)


def _decompress_bitshuffle(part: Any, dtype: np.dtype[Any], size: int | None, most: int, who: str, blocks: ReadBlocks) -> npt.NDArray[Any]:
    if len(part) < BITSHUFFLE_HEAD.size:
        raise TruncatedMessage(f"{who}: bitshuffle_lz4 data begins with 12 bytes, found {len(part)}")
    claimed, block_bytes = BITSHUFFLE_HEAD.unpack_from(part)
    if size is not None and claimed != size:
        raise MalformedMessage(f"{who}: {size} bytes expected, the compressed data claims {claimed}")
    if claimed % dtype.itemsize or not 0 <= claimed <= min(most, MOST_EXPANSION * len(part)):
        raise MalformedMessage(f"{who}: {len(part)} bytes claim to hold {claimed}; at most {most} are accepted")
    if block_bytes < 0 or block_bytes % (_SHUFFLED_TOGETHER * dtype.itemsize):
        raise MalformedMessage(f"{who}: a bitshuffle block of {block_bytes} bytes is not a multiple of 8 elements")
    block = (block_bytes or BLOCK_BYTES) // dtype.itemsize  # as in HDF5's filter, 0 stands for the usual size
    packed = np.frombuffer(part, np.uint8)[BITSHUFFLE_HEAD.size :]
    return blocks(packed, claimed // dtype.itemsize, dtype, block, who)


def _decompress_lz4(part: Any, dtype: np.dtype[Any], size: int | None, most: int, who: str) -> npt.NDArray[Any]:
    if len(part) <= _SIZE["little"].size:
        raise TruncatedMessage(f"{who}: lz4 data begins with a 4-byte size, found {len(part)} bytes in all")
    block = memoryview(part)[4:]
    claims = {order.unpack_from(part)[0] for order in _SIZE.values()}
    if size is not None and size not in claims:
        raise MalformedMessage(f"{who}: {size} bytes expected, the compressed data claims {sorted(claims)}")
    allowed = claims if size is None else {size}
    believable = [claim for claim in allowed if claim <= min(most, MOST_EXPANSION * len(block))]
    if not believable:
        raise MalformedMessage(f"{who}: {len(part)} bytes claim to hold {sorted(claims)}; at most {most} are accepted")
    try:
        # The larger of two believable sizes is only room; what comes out tells which byte order was meant.
        data: bytes = lz4.block.decompress(block, uncompressed_size=max(believable))
    except lz4.block.LZ4BlockError as error:
        raise MalformedMessage(f"{who}: damaged lz4 data: {error}") from error
    if len(data) not in believable or len(data) % dtype.itemsize:
        raise MalformedMessage(f"{who}: lz4 data holds {len(data)} bytes, its size says {sorted(believable)}")
    return np.frombuffer(data, dtype)
