"""The framing of compressed parts, and what the libraries below must never see."""

import struct
from typing import Any

import lz4.block
import numpy as np
import pytest

from camstream.errors import MalformedMessage, TruncatedMessage
from camstream.wire.compression import compress, decompress

MOST = 1 << 24
BYTE = np.dtype(np.uint8)


def unpack(compression: str, part: bytes, like: "np.ndarray[Any, Any]", size: int | None = -1) -> "np.ndarray[Any, Any]":
    return decompress(compression, part, like.dtype, like.nbytes if size == -1 else size, MOST, "channel 'a'")


def noise(count: int, dtype: str = "uint16") -> "np.ndarray[Any, Any]":
    return np.random.default_rng(count).integers(0, 4000, count).astype(dtype)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 4095, 4096, 4097, 4103, 4104, 4105, 8192, 20_001])
@pytest.mark.parametrize("dtype", ["uint8", "<u2", ">u2", "<f4", ">f8"])
@pytest.mark.parametrize("compression", ["lz4", "bitshuffle_lz4"])
def test_any_length_is_read_back(compression: str, dtype: str, count: int) -> None:
    array = noise(count, dtype)
    for size in (-1, None):
        np.testing.assert_array_equal(unpack(compression, compress(compression, array, "little"), array, size), array)


def test_bitshuffle_is_framed_by_size_and_block_in_big_endian_bytes() -> None:
    for dtype in ("uint8", "uint16", "float32", "float64"):
        array = noise(5000, dtype)
        assert struct.unpack_from(">qi", compress("bitshuffle_lz4", array, "little")) == (array.nbytes, 8192)


@pytest.mark.parametrize(("order", "code"), [("little", "<I"), ("big", ">I")])
def test_the_size_of_lz4_is_written_in_the_order_asked_for_and_read_in_both(order: str, code: str) -> None:
    for count in (1, 100, 128, 200, 257, 5000, 40_000):
        array = noise(count)
        part = compress("lz4", array, order)
        assert struct.unpack_from(code, part) == (array.nbytes,)
        for size in (-1, None):
            np.testing.assert_array_equal(unpack("lz4", part, array, size), array)


@pytest.mark.parametrize("block_bytes", [16, 64, 1024, 65536, 1 << 20, 0])
def test_other_bitshuffle_blocks_are_read(block_bytes: int) -> None:
    import bitshuffle

    array = noise(5003)
    part = struct.pack(">qi", array.nbytes, block_bytes) + bitshuffle.compress_lz4(array, block_bytes // 2).tobytes()
    np.testing.assert_array_equal(unpack("bitshuffle_lz4", part, array), array)


# The bitshuffle library crashes the process when a block says that it is longer than the part.
@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 100_000, 1, 0])
def test_a_block_whose_length_lies_is_truncated(length: int) -> None:
    array = noise(100_000)
    part = bytearray(compress("bitshuffle_lz4", array, "little"))
    part[12:16] = struct.pack(">I", length)
    with pytest.raises(TruncatedMessage, match="blocks"):
        unpack("bitshuffle_lz4", bytes(part), array)


def test_bitshuffle_data_cut_anywhere_is_refused() -> None:
    array = noise(20_001)
    part = compress("bitshuffle_lz4", array, "little")
    for end in [*range(40), *range(40, len(part), 97), len(part) - 1]:
        with pytest.raises((TruncatedMessage, MalformedMessage)):
            unpack("bitshuffle_lz4", part[:end], array)
    with pytest.raises(TruncatedMessage):
        unpack("bitshuffle_lz4", part + b"\0", array)


def test_lz4_data_cut_anywhere_is_refused() -> None:
    array = noise(5000)
    part = compress("lz4", array, "little")
    for end in [*range(40), *range(40, len(part), 97), len(part) - 1]:
        with pytest.raises((TruncatedMessage, MalformedMessage)):
            unpack("lz4", part[:end], array)


@pytest.mark.parametrize("block_bytes", [-1, -8192, 1, 8, 17, 2**31 - 1])
def test_an_impossible_block_is_malformed(block_bytes: int) -> None:
    array = noise(5000)
    part = compress("bitshuffle_lz4", array, "little")
    with pytest.raises(MalformedMessage, match="block"):
        unpack("bitshuffle_lz4", part[:8] + struct.pack(">i", block_bytes) + part[12:], array)


@pytest.mark.parametrize("size", [-1, 0, 9_998, 10_002, 2**62])
def test_a_size_other_than_that_of_the_shape_is_malformed(size: int) -> None:
    array = noise(5000)
    part = compress("bitshuffle_lz4", array, "little")
    with pytest.raises(MalformedMessage, match="10000 bytes expected"):
        unpack("bitshuffle_lz4", struct.pack(">q", size) + part[8:], array)
    with pytest.raises(MalformedMessage, match="10000 bytes expected"):
        unpack("lz4", struct.pack("<I", size % 2**32) + compress("lz4", array, "little")[4:], array)


def test_a_size_that_is_no_multiple_of_the_element_is_malformed() -> None:
    part = compress("bitshuffle_lz4", noise(101, "uint8"), "little")
    with pytest.raises(MalformedMessage):
        unpack("bitshuffle_lz4", part, noise(1, "uint16"), None)


def test_more_than_lz4_can_hold_is_not_believed() -> None:
    with pytest.raises(MalformedMessage, match="accepted"):
        decompress("lz4", struct.pack("<I", 255 * 5 + 1) + bytes(5), BYTE, None, MOST, "data header")
    with pytest.raises(MalformedMessage, match="accepted"):
        decompress("bitshuffle_lz4", struct.pack(">qi", 255 * 20 + 1, 8192) + bytes(8), BYTE, None, MOST, "data header")


def test_the_best_that_lz4_can_do_is_believed() -> None:
    zeros = np.zeros(MOST, np.uint8)
    for compression in ("lz4", "bitshuffle_lz4"):
        assert len(unpack(compression, compress(compression, zeros, "little"), zeros)) == MOST


def test_lz4_data_that_holds_less_than_it_says_is_malformed() -> None:
    part = struct.pack("<I", 1000) + lz4.block.compress(b"x" * 999, store_size=False)
    with pytest.raises(MalformedMessage, match="999"):
        decompress("lz4", part, BYTE, None, MOST, "data header")


@pytest.mark.parametrize("compression", ["lz4", "bitshuffle_lz4"])
def test_damaged_blocks_give_an_error_or_other_values_but_never_another_size(compression: str) -> None:
    array = noise(20_001) // 500
    part = compress(compression, array, "little")
    rng = np.random.default_rng(3)
    refused = 0
    for _ in range(300):
        damaged = bytearray(part)
        damaged[rng.integers(16, len(part))] ^= 1 << int(rng.integers(8))
        try:
            assert unpack(compression, bytes(damaged), array).nbytes == array.nbytes
        except (MalformedMessage, TruncatedMessage):
            refused += 1
    assert refused
