"""Images to bit planes and those to LZ4, in the blocks of bitshuffle_lz4, and back.

Noise fills the low bits of pixels and repeats nothing; the high ones repeat one byte over long stretches, and of signed numbers each the
one below. LZ4 looks for repetitions of any kind; only these two are looked for here. What others made is read whatever it repeats.

Format of a block: https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import extending, njit, types

intrinsic: Any = extending.intrinsic  # its types count the one argument that numba gives

Unsigned = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]

SPARE = 24
"""[bytes] Eight and more at a time are copied and compared: so much memory there must be behind the last one."""

PIXELS = 64
"""Bits of so many fill a word. A block is a multiple of them."""

_SHORTEST_END = 5  # bytes that no match may cover at the end of a block
_LAST_MATCH = 20  # bytes from the end of a block where a match of 8 may begin last: LZ4 asks for 12
_EACH_BYTE = np.uint64(0x0101010101010101)
_BYTE, _WORD = ir.IntType(8), ir.IntType(64)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any, item: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), item.as_pointer())


@intrinsic
def _load(_typing: Any, source: Any, at: Any) -> Any:
    """Eight bytes from `at` on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_pointer(context, builder, signature.args[0], args[0], args[1], _WORD), align=1)

    return types.uint64(source, types.intp), generate


@intrinsic
def _store(_typing: Any, out: Any, at: Any, word: Any) -> Any:
    """Eight bytes from `at` on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(context, builder, signature.args[0], args[0], args[1], _WORD), align=1)
        return context.get_dummy_value()

    return types.void(out, types.intp, types.uint64), generate


@intrinsic
def _equal_bytes(_typing: Any, difference: Any) -> Any:
    """How many bytes of two words are equal, from the first on, by what differs in them."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.lshr(builder.cttz(args[0], ir.Constant(ir.IntType(1), 0)), ir.Constant(_WORD, 3))

    return types.intp(types.uint64), generate


@intrinsic
def _split(_typing: Any, pixels: Any, first: Any, out: Any, at: Any, step: Any) -> Any:
    """Bit k of 64 pixels, as a word, to ``out[at + k * step]``: in vectors, for which numba has no words."""
    bits = pixels.dtype.bitwidth

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector, of_bytes = ir.VectorType(ir.IntType(bits), PIXELS), ir.VectorType(_BYTE, PIXELS)
        together = builder.load(_pointer(context, builder, signature.args[0], args[0], args[1], vector), align=1)
        at = args[3]
        for shift in range(0, bits, 8):
            byte = builder.lshr(together, ir.Constant(vector, [shift] * PIXELS))
            byte = builder.trunc(byte, of_bytes) if bits > 8 else byte
            for k in range(8):
                bit = builder.and_(byte, ir.Constant(of_bytes, [1 << k] * PIXELS))
                word = builder.bitcast(builder.icmp_unsigned("!=", bit, ir.Constant(of_bytes, [0] * PIXELS)), _WORD)
                builder.store(word, _pointer(context, builder, signature.args[2], args[2], at, _WORD), align=1)
                at = builder.add(at, args[4])
        return context.get_dummy_value()

    return types.void(pixels, types.intp, out, types.intp, types.intp), generate


@intrinsic
def _join(_typing: Any, planes: Any, at: Any, step: Any, pixels: Any, first: Any) -> Any:
    """64 pixels whose bits k are the word at ``planes[at + k * step]``."""
    bits = pixels.dtype.bitwidth

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector, of_bytes = ir.VectorType(ir.IntType(bits), PIXELS), ir.VectorType(_BYTE, PIXELS)
        together, none = ir.Constant(vector, [0] * PIXELS), ir.Constant(of_bytes, [0] * PIXELS)
        at = args[1]
        for shift in range(0, bits, 8):
            byte = none
            for k in range(8):
                word = builder.load(_pointer(context, builder, signature.args[0], args[0], at, _WORD), align=1)
                is_set = builder.bitcast(word, ir.VectorType(ir.IntType(1), PIXELS))
                byte = builder.or_(byte, builder.select(is_set, ir.Constant(of_bytes, [1 << k] * PIXELS), none))
                at = builder.add(at, args[2])
            wide = builder.zext(byte, vector) if bits > 8 else byte
            together = builder.or_(together, builder.shl(wide, ir.Constant(vector, [shift] * PIXELS)))
        builder.store(together, _pointer(context, builder, signature.args[3], args[3], args[4], vector), align=1)
        return context.get_dummy_value()

    return types.void(planes, types.intp, types.intp, pixels, types.intp), generate


@njit(nogil=True)
def _more(length: int, out: Bytes, at: int) -> int:
    """What a length has beyond the 15 that a token holds."""
    while length >= 255:
        out[at] = 255
        at += 1
        length -= 255
    out[at] = length
    return at + 1


@njit(nogil=True)
def _literals(planes: Bytes, first: int, end: int, out: Bytes, at: int) -> int:
    """A token and the bytes that repeat nothing."""
    length = end - first
    out[at] = min(length, 15) << 4
    at += 1
    if length >= 15:
        at = _more(length - 15, out, at)
    for i in range(0, length, 8):
        _store(out, at + i, _load(planes, first + i))
    return at + length


@njit(nogil=True)
def _pack(planes: Bytes, size: int, plane: int, out: Bytes, at: int) -> int:
    """One LZ4 block.

    :param planes: `size` bytes and spare ones
    :param plane: bytes of one plane
    """
    done, i, end = 0, 1, size - _SHORTEST_END
    while i <= size - _LAST_MATCH:
        word = _load(planes, i)
        if word == _load(planes, i - 1):
            back = 1
        elif i >= plane and word == _load(planes, i - plane):
            back = plane
        else:
            i += 8
            continue
        stop = i + 8
        while i > done and i > back and planes[i - 1] == planes[i - 1 - back]:
            i -= 1
        while stop < end:
            difference = _load(planes, stop) ^ _load(planes, stop - back)
            if difference != 0:
                stop += _equal_bytes(difference)
                break
            stop += 8
        stop = min(stop, end)
        token = at
        at = _literals(planes, done, i, out, at)
        out[at], out[at + 1] = back & 255, back >> 8
        at += 2
        length = stop - i - 4
        out[token] |= min(length, 15)
        if length >= 15:
            at = _more(length - 15, out, at)
        done = i = stop
    return _literals(planes, done, size, out, at)


@njit(nogil=True, cache=True)
def compress(pixels: Unsigned, block: int, out: Bytes, at: int) -> int:
    """Whole blocks of pixels, each with its length in front.

    :param pixels: a multiple of `block`
    :param block: pixels per block, a multiple of 64, and 64 KiB at most
    :param out: with :func:`room` from `at` on
    :returns: where the last one ends
    """
    size, plane = block * pixels.itemsize, block // 8
    planes = np.empty(size + SPARE, np.uint8)
    for first in range(0, pixels.size, block):
        for i in range(0, block, PIXELS):
            _split(pixels, first + i, planes, i // 8, plane)
        end = _pack(planes, size, plane, out, at + 4)
        length = end - at - 4
        out[at], out[at + 1], out[at + 2], out[at + 3] = 0, length >> 16, (length >> 8) & 255, length & 255
        at = end
    return at


def room(blocks: int, size: int) -> int:
    """[bytes] What blocks of `size` bytes take at most, and spare ones."""
    return blocks * (4 + 1 + size // 255 + 1 + size) + SPARE


DAMAGED, TRUNCATED = -1, -2
"""What :func:`decompress` returns where a block is no LZ4 of its size, or the data ends too early."""


@njit(nogil=True)
def _length(data: Bytes, at: int, end: int, length: int) -> tuple[int, int]:
    """A length that its token may not hold, and what is behind it; -1 if nothing is."""
    if length < 15:
        return length, at
    while at < end:
        byte: Any = np.intp(data[at])
        at += 1
        length += byte
        if byte < 255:
            return length, at
    return 0, -1


@njit(nogil=True)
def _copy(source: Bytes, first: int, out: Bytes, at: int, length: int) -> None:
    """Some bytes and up to :data:`SPARE` more; if they overlap, eight bytes apart or more, they repeat."""
    _store(out, at, _load(source, first))
    _store(out, at + 8, _load(source, first + 8))
    for i in range(16, length, 8):
        _store(out, at + i, _load(source, first + i))


@njit(nogil=True)
def _repeat(planes: Bytes, at: int, back: int, length: int) -> None:
    """What was `back` bytes before, and up to :data:`SPARE` bytes more."""
    if back == 1:
        word = np.uint64(planes[at - 1]) * _EACH_BYTE
        for i in range(0, length, 8):
            _store(planes, at + i, word)
    elif back < 8:
        for i in range(at, at + 8):
            planes[i] = planes[i - back]
        period = back
        while period < 8:  # what repeats after 3 bytes does after 9, too
            period += back
        _copy(planes, at + 8 - period, planes, at + 8, length - 8)
    else:
        _copy(planes, at - back, planes, at, length)


@njit(nogil=True)
def _unpack(data: Bytes, at: int, end: int, planes: Bytes, size: int) -> bool:
    """One LZ4 block.

    :param planes: for `size` bytes and spare ones
    :returns: whether it is whole and right: nothing is read or written beyond its ends, whatever it says
    """
    done = 0
    while at < end:
        token: Any = np.intp(data[at])
        length, at = _length(data, at + 1, end, token >> 4)
        if at < 0 or length > end - at or length > size - done:
            return False
        if length <= data.size - at - SPARE:
            _copy(data, at, planes, done, length)
        else:
            for i in range(length):
                planes[done + i] = data[at + i]
        done += length
        at += length
        if at == end:
            return done == size
        if end - at < 2:
            return False
        back: Any = np.intp(data[at]) | np.intp(data[at + 1]) << 8
        length, at = _length(data, at + 2, end, token & 15)
        length += 4
        if at < 0 or not 0 < back <= done or length > size - done:
            return False
        _repeat(planes, done, back, length)
        done += length
    return False


@njit(nogil=True, cache=True)
def decompress(data: Bytes, block: int, pixels: Unsigned) -> int:
    """Whole blocks of pixels, each with its length in front.

    :param data: what somebody sent: it may be damaged, or made to do harm
    :param block: pixels per block, a multiple of 64
    :param pixels: a multiple of `block`, to be filled
    :returns: where the last block ends, or one of :data:`DAMAGED` and :data:`TRUNCATED`
    """
    size, plane, at = block * pixels.itemsize, block // 8, 0
    planes = np.empty(size + SPARE, np.uint8)
    for first in range(0, pixels.size, block):
        if data.size - at < 4:
            return TRUNCATED
        length: Any = np.intp(0)
        for i in range(4):
            length = length << 8 | np.intp(data[at + i])
        at += 4
        if length > data.size - at:
            return TRUNCATED
        if not _unpack(data, at, at + length, planes, size):
            return DAMAGED
        at += length
        for i in range(0, block, PIXELS):
            _join(planes, i // 8, plane, pixels, first + i)
    return at
