"""One channel: what the data header says about it, and its values as bytes."""

import math
import re
import reprlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt

from camstream.errors import MalformedMessage, TruncatedMessage
from camstream.wire.compression import COMPRESSIONS, Compress, ReadBlocks, compress, decompress, read_blocks

Part: TypeAlias = Any
"""One part of a ZMQ message: bytes, a memoryview of bytes, or a ``zmq.Frame`` (whose stubs do not say it is a buffer)."""

Value: TypeAlias = Any
"""A numpy scalar, a str, or an array of shape (..., y, x)."""

Pack: TypeAlias = Callable[[Any], bytes | memoryview | None]
"""A value to its bytes; None if it cannot say, or the value is not of the channel's type and shape."""

Unpack: TypeAlias = Callable[[Part], Value]

STRING: Final = "string"
CODES: Final = {
    "bool": "?",
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}
"""Type of a number on the wire -> its code for :mod:`struct`."""

TIMES: Final = {"little": struct.Struct("<qq"), "big": struct.Struct(">qq")}
"""Timestamp of a value: seconds and nanoseconds, in the byte order of its channel."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ORDER: Final = {"little": "<", "big": ">"}


@dataclass(frozen=True, slots=True)
class ChannelHeader:
    """What the data header says about a channel; the defaults are those of bsread for what it leaves out."""

    name: str
    type: str = "float64"
    shape: tuple[int, ...] = (1,)
    """Fastest axis first: an image of shape (height, width) is (width, height) here."""
    encoding: str = "little"
    """Byte order of the value and of its timestamp: ``little`` or ``big``."""
    compression: str | None = None
    modulo: int = 1
    offset: int = 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of an element; that of a string's bytes is uint8."""
        # By name: the code q would make arrays of long long, which numba takes for another type than int64.
        return np.dtype(self.type if self.type in CODES else "uint8").newbyteorder(">" if self.encoding == "big" else "<")

    @property
    def array_shape(self) -> tuple[int, ...]:
        """Shape in numpy's order, slowest axis first."""
        return self.shape[::-1]

    @property
    def is_scalar(self) -> bool:
        return self.shape in {(1,), ()}

    @property
    def nbytes(self) -> int:
        """Bytes of an uncompressed value; a string may have any number."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def may_be_empty(self) -> bool:
        """Whether a value of no bytes is a value, and not a missing one."""
        return self.compression is None and (self.type == STRING or self.nbytes == 0)

    @property
    def undecodable(self) -> str | None:
        """Why values of this channel cannot be read, None if they can."""
        if self.type != STRING and self.type not in CODES:
            return f"type {reprlib.repr(self.type)} is not known"
        if self.compression is not None and self.compression not in COMPRESSIONS:
            return f"compression {reprlib.repr(self.compression)} is not known"
        return None


def is_name(name: object) -> TypeGuard[str]:
    """Tell a name from half a surrogate pair, which JSON can spell but UTF-8 cannot, and from what is no text."""
    return isinstance(name, str) and not _SURROGATE.search(name)


def describe(name: str, value: object) -> ChannelHeader:
    """Say how a value travels, uncompressed.

    :raises MalformedMessage: if bsread has no type for it, or the name is no text
    """
    if not is_name(name):
        raise MalformedMessage(f"channel {name!r}: a name is a text")
    if value is None:
        return ChannelHeader(name)
    if isinstance(value, str):
        return ChannelHeader(name, STRING)
    array = _as_array(name, value)
    order = "big" if array.dtype.str[0] == ">" else "little"
    return ChannelHeader(name, array.dtype.name, array.shape[::-1] or (1,), order)


def pack(channel: ChannelHeader, value: Any) -> bytes | memoryview:
    """Turn a value that :func:`describe` describes as `channel` into bytes.

    :return: a view of the value's own memory if it is a C-contiguous, uncompressed array
    :raises UnicodeEncodeError: if a string holds half a surrogate pair
    """
    if channel.type != STRING:
        return _array_bytes(channel, _as_array(channel.name, value))
    text: bytes = value.encode()
    return text if channel.compression is None else _array_bytes(channel, np.frombuffer(text, np.uint8))


def fast_packer(channel: ChannelHeader, kind: type, compress: Compress) -> Pack:
    """Return the cheapest way to pack values of exactly the class `kind`, one of which is described by `channel`.

    :param compress: for arrays
    :raises struct.error: by the result, if a Python int is too large
    :raises UnicodeEncodeError: by the result, as :func:`pack`
    """
    if kind is np.ndarray:
        return partial(_pack_array, channel, channel.dtype, channel.array_shape, compress)
    # numpy's str_ is both a text and a generic.
    if channel.compression is None and issubclass(kind, str):
        return str.encode
    if channel.compression is None and issubclass(kind, (np.generic, int, float)):
        return struct.Struct(_ORDER[channel.encoding] + CODES[channel.type]).pack
    return pack_nothing


def unpacker(channel: ChannelHeader, most: int, blocks: ReadBlocks = read_blocks) -> Unpack:
    """Return a function from the bytes of a channel's value to the value.

    Arrays are read-only and aligned; uncompressed ones are views of the part.

    :param most: largest uncompressed value to accept [bytes]
    :param blocks: what reads the blocks of bitshuffle_lz4
    """
    who = f"channel {reprlib.repr(channel.name)}"
    if channel.undecodable:
        return _unpack_nothing
    if channel.compression is not None:
        return partial(_unpack_compressed, channel, channel.dtype, most, who, blocks)
    if channel.type == STRING:
        return partial(_unpack_string, who)
    if channel.is_scalar:
        number = struct.Struct(_ORDER[channel.encoding] + CODES[channel.type])
        return partial(_unpack_number, channel.dtype.type, number, who)
    return partial(_unpack_array, channel.dtype, channel.array_shape, channel.nbytes, who)


def _as_array(name: str, value: object) -> npt.NDArray[Any]:
    """Return a number, a list or an array as an array of a type that bsread knows."""
    if not isinstance(value, (np.generic, np.ndarray, bool, int, float, list)):
        raise MalformedMessage(
            f"channel {name!r}: bsread has no type for a {type(value).__name__}; send a number, a string, a list of numbers or an array"
        )
    try:
        # Unlike asarray, int64 refuses a Python int that only uint64 could hold.
        array = np.asarray(value if isinstance(value, bool) or not isinstance(value, int) else np.int64(value))
    except (ValueError, OverflowError) as error:
        raise MalformedMessage(f"channel {name!r}: a {type(value).__name__} that is no array: {error}") from error
    if array.dtype.name not in CODES:
        raise MalformedMessage(
            f"channel {name!r}: bsread has no type for a {type(value).__name__} of {array.dtype}; convert it to one of {', '.join(CODES)}"
        )
    return array


def _array_bytes(channel: ChannelHeader, array: npt.NDArray[Any], compress: Compress = compress) -> bytes | memoryview:
    contiguous = np.ascontiguousarray(array)
    if channel.compression is None:
        return contiguous.reshape(-1).view(np.uint8).data
    return compress(channel.compression, contiguous, channel.encoding)


def _pack_array(
    channel: ChannelHeader, dtype: np.dtype[Any], shape: tuple[int, ...], compress: Compress, array: npt.NDArray[Any]
) -> bytes | memoryview | None:
    return _array_bytes(channel, array, compress) if array.shape == shape and array.dtype == dtype else None


def pack_nothing(_value: object) -> None:
    """Leave the value to :func:`describe` and :func:`pack`."""


def _unpack_nothing(_part: Part) -> None:
    """Stand in for a type or compression that is not known; psi-bsread gives None as well."""


def _unpack_number(scalar: type[np.generic], number: struct.Struct, who: str, part: Part) -> Value:
    try:
        return scalar(*number.unpack(part))
    except struct.error as error:
        raise TruncatedMessage(f"{who}: one {scalar.__name__} has {number.size} bytes, found {len(part)}") from error


def _unpack_string(who: str, part: Part) -> str:
    try:
        return str(part, "utf-8")
    except UnicodeDecodeError as error:
        raise MalformedMessage(f"{who}: a string that is not UTF-8: {error}") from error


def _unpack_array(dtype: np.dtype[Any], shape: tuple[int, ...], nbytes: int, who: str, part: Part) -> Value:
    if len(part) != nbytes:
        raise TruncatedMessage(f"{who}: {shape} of {dtype.name} has {nbytes} bytes, found {len(part)}")
    array: npt.NDArray[Any] = np.ndarray(shape, dtype, part)
    if not array.flags.aligned:
        # libzmq hands out small parts at odd addresses; numba would compile every kernel once more for such arrays.
        array = array.copy()
    array.flags.writeable = False
    return array


def _unpack_compressed(channel: ChannelHeader, dtype: np.dtype[Any], most: int, who: str, blocks: ReadBlocks, part: Part) -> Value:
    size = None if channel.type == STRING else channel.nbytes
    flat = decompress(channel.compression or "", part, dtype, size, most, who, blocks)
    if channel.type == STRING:
        return _unpack_string(who, flat.data)
    if channel.is_scalar:
        return flat[0]
    array = flat.reshape(channel.array_shape)
    array.flags.writeable = False
    return array
