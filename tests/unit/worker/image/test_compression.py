import ctypes
import mmap
import struct

import bitshuffle
import lz4.block
import numpy as np
import pytest

from camstream.errors import MalformedMessage, TruncatedMessage
from camstream.wire import compression as wire
from camstream_worker.image.compression import LEAST, UNSIGNED, compress, read_blocks
from camstream_worker.image.geometry import frozen
from camstream_worker.image.kernels import compression as kernel

RNG = np.random.default_rng(5)
SIZE = wire.BLOCK_BYTES


def beam(shape, noise):
    y, x = np.mgrid[-2 : 2 : shape[0] * 1j, -2 : 2 : shape[1] * 1j]
    return 100 + 4000 * np.exp(-(x**2) - y**2) + RNG.normal(0, noise, shape)


def unpack(part, like, blocks=wire.read_blocks):
    found = wire.decompress("bitshuffle_lz4", part, like.dtype, like.nbytes, 1 << 28, "image", blocks)
    assert (found.dtype, found.size) == (like.dtype, like.size)
    return found.reshape(like.shape)


DTYPES = ["bool", "uint8", "int8", "<u2", ">u2", "int16", "uint32", "int32", ">i4", "float32", "float64", "uint64"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(480, 640), (301, 1283), (1, 65537), (70001, 1)], ids=str)
def test_what_is_read_is_what_was_compressed(dtype, shape):
    for image in (beam(shape, 3), RNG.normal(0, 1e5, shape), np.zeros(shape), np.arange(np.prod(shape)).reshape(shape) % 251 - 20):
        with np.errstate(invalid="ignore"):
            image = image.astype(dtype)
        part = compress("bitshuffle_lz4", image, "little")
        assert wire.BITSHUFFLE_HEAD.unpack_from(part) == (image.nbytes, SIZE)
        for made in (part, wire.compress("bitshuffle_lz4", image, "little")):
            for blocks in (wire.read_blocks, read_blocks):
                assert unpack(made, image, blocks).tobytes() == image.tobytes()


def test_a_camera_image_is_hardly_longer_than_the_library_makes_it():
    for noise, most in ((3, 1.12), (20, 1.05)):
        image = beam((1024, 1280), noise).astype(np.uint16)
        assert len(compress("bitshuffle_lz4", image, "little")) < most * len(wire.compress("bitshuffle_lz4", image, "little"))


def test_what_is_small_or_of_another_compression_is_left_to_the_libraries():
    small, image = np.zeros(LEAST // 2 - 1, np.uint16), beam((480, 640), 3).astype(np.uint16)
    for compression, array in (("bitshuffle_lz4", small), ("lz4", image), ("bitshuffle_lz4", image.astype(np.float64))):
        assert compress(compression, array, "big") == wire.compress(compression, array, "big")
    assert compress("bitshuffle_lz4", image, "big") != wire.compress("bitshuffle_lz4", image, "big")


def test_an_array_at_an_odd_address_is_compressed():
    image = np.frombuffer(b"x" + beam((480, 640), 3).astype(np.uint16).tobytes(), np.uint16, offset=1)
    assert not image.flags.aligned
    assert np.array_equal(unpack(compress("bitshuffle_lz4", image, "little"), image), image)


def pieces(part):
    """LZ4 data of all blocks."""
    at = wire.BITSHUFFLE_HEAD.size
    while at < len(part):
        (length,) = struct.unpack_from(">I", part, at)
        yield bytes(part[at + 4 : at + 4 + length])
        at += 4 + length


def sequences(data):
    """Literals, offset and length of each match of an LZ4 block, after its format."""
    at = 0

    def more(length):
        nonlocal at
        while length >= 15 and data[at] == 255:
            length, at = length + 255, at + 1
        if length >= 15:
            length, at = length + data[at], at + 1
        return length

    while True:
        token, at = data[at], at + 1
        literals = more(token >> 4)
        at += literals
        if at == len(data):
            yield literals, 0, 0
            return
        offset, at = data[at] | data[at + 1] << 8, at + 2
        yield literals, offset, more(token & 15) + 4


def structured(count):
    """Bytes as an unkind image could make of its planes: stretches that repeat, at every distance, of every length."""
    made = []
    while len(made) < count:
        kind, length = RNG.integers(4), int(RNG.integers(1, 40) if RNG.random() < 0.8 else RNG.integers(1, 3000))
        if kind == 0:
            made += RNG.integers(0, 256, length).tolist()
        elif kind == 1:
            made += [int(RNG.choice([0, 255, 7]))] * length
        elif made:
            back = min(int(RNG.choice([1, 2, 8, 256, 512, 1024])), len(made))
            for _ in range(length):
                made.append(made[-back])
    return np.array(made[:count], np.uint8)


@pytest.mark.parametrize("itemsize", UNSIGNED)
def test_blocks_follow_the_format_to_their_last_bytes(itemsize):
    """LZ4's format: the last five bytes are literals, and no match begins in the last twelve: fast readers rely on it."""
    for _ in range(40):
        planes = [structured(SIZE) for _ in range(8)]
        image = np.concatenate([bitshuffle.bitunshuffle(plane.view(UNSIGNED[itemsize]), SIZE // itemsize) for plane in planes])
        part = compress("bitshuffle_lz4", image, "little")
        blocks = list(pieces(part))
        assert len(blocks) == len(planes)
        for plane, data in zip(planes, blocks, strict=True):
            assert lz4.block.decompress(data, uncompressed_size=SIZE) == plane.tobytes()
            found = list(sequences(data))
            position = 0
            for literals, offset, length in found[:-1]:
                position += literals
                assert offset in {1, SIZE // itemsize // 8}
                assert position <= SIZE - 12
                position += length
            assert position + found[-1][0] == SIZE
            assert position <= SIZE - 5


def fenced(content):
    """The same bytes, behind which memory ends: who reads or writes there ends the process."""
    page = mmap.PAGESIZE
    size = -(-content.nbytes // page) * page
    memory = mmap.mmap(-1, size + page)
    whole = np.frombuffer(memory, np.uint8)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mprotect(ctypes.c_void_p(whole.ctypes.data + size), ctypes.c_size_t(page), 0) == 0, ctypes.get_errno()
    found = whole[size - content.nbytes : size].view(content.dtype)
    found[:] = content
    return found


@pytest.mark.parametrize("itemsize", UNSIGNED)
def test_nothing_is_read_or_written_beyond_pixels_and_room(itemsize):
    block, blocks = SIZE // itemsize, 3
    room = kernel.room(blocks, SIZE)
    for make in (lambda: RNG.integers(0, 256, blocks * SIZE, np.uint8), lambda: structured(blocks * SIZE)):
        for _ in range(20):
            pixels, out = fenced(make().view(UNSIGNED[itemsize])), fenced(np.full(64 + room, 0xA5, np.uint8))
            end = kernel.compress(frozen(pixels), block, out, 64)
            assert (out[:64] == 0xA5).all()
            assert end <= 64 + room - kernel.SPARE
            # As it is read: neither the part nor the image goes on.
            packed, back = fenced(out[64:end]), fenced(np.zeros_like(pixels))
            assert kernel.decompress(frozen(packed), block, back) == packed.size
            assert np.array_equal(back, pixels)


def test_noise_takes_no_more_than_its_room():
    noise = RNG.integers(0, 256, 4 * SIZE * 8, np.uint8)
    part = compress("bitshuffle_lz4", noise, "little")
    assert len(noise) < len(part) <= wire.BITSHUFFLE_HEAD.size + kernel.room(len(noise) // SIZE, SIZE)


def test_message_keeps_no_memory_that_it_does_not_need():
    image = np.zeros((1024, 1280), np.uint16)
    part = compress("bitshuffle_lz4", image, "little")
    assert isinstance(part, memoryview)
    assert part.obj.base is None
    assert part.obj.nbytes == part.nbytes < image.nbytes // 50


@pytest.mark.parametrize("itemsize", UNSIGNED)
@pytest.mark.parametrize("block", [8, 24, 64, 128, 4096, 1 << 16, 1 << 20])
def test_blocks_of_any_size_are_read(block, itemsize):
    image = (structured(200_003 * itemsize) if block > 64 else RNG.integers(0, 9, 200_003 * itemsize, np.uint8)).view(UNSIGNED[itemsize])
    part = wire.BITSHUFFLE_HEAD.pack(image.nbytes, block * itemsize) + bitshuffle.compress_lz4(image, block).tobytes()
    assert np.array_equal(unpack(part, image, read_blocks), image)


def repeated(back, length):
    """LZ4 of one block whose only match is `back` bytes away and `length` bytes long."""

    def number(value):
        return bytes([*[255] * (value // 255), value % 255])

    before = RNG.integers(0, 256, 300, np.uint8).tobytes()
    after = RNG.integers(0, 256, SIZE - len(before) - length, np.uint8).tobytes()
    match = back.to_bytes(2, "little") + (number(length - 19) if length >= 19 else b"")
    return b"".join((bytes([0xF0 | min(length - 4, 15)]), number(285), before, match, bytes([0xF0]), number(len(after) - 15), after))


def as_part(*blocks):
    packed = b"".join(len(block).to_bytes(4, "big") + block for block in blocks)
    return wire.BITSHUFFLE_HEAD.pack(SIZE * len(blocks), SIZE) + packed


@pytest.mark.parametrize("length", [*range(4, 45), 255, 273, 274, 275, 1000])
def test_matches_of_every_distance_and_length_are_read(length):
    backs = [*range(1, 40), 255, 256, 300]
    blocks = [repeated(back, length) for back in backs]
    planes = b"".join(lz4.block.decompress(block, uncompressed_size=SIZE) for block in blocks)
    image = bitshuffle.bitunshuffle(np.frombuffer(planes, np.uint8), SIZE)
    assert np.array_equal(unpack(as_part(*blocks), image, read_blocks), image)


def test_data_cut_anywhere_or_longer_than_it_says_is_truncated():
    for count in (5 * SIZE, 5 * SIZE + 1001):
        image = beam((1, count), 2).astype(np.uint16)
        part = bytes(compress("bitshuffle_lz4", image, "little"))
        for end in [*range(12, 14), *range(600, 700), *range(700, len(part), 97), len(part) - 1]:
            with pytest.raises((TruncatedMessage, MalformedMessage), match=r"image: (ends inside|1[23] bytes claim|.* end at byte)"):
                unpack(part[:end], image, read_blocks)
        with pytest.raises(TruncatedMessage, match="blocks end at byte"):
            unpack(part + b"\0", image, read_blocks)


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 100_000_000])
def test_a_block_that_says_it_is_longer_than_the_part_is_truncated(length):
    image = beam((480, 640), 2).astype(np.uint16)
    part = bytearray(compress("bitshuffle_lz4", image, "little"))
    part[12:16] = length.to_bytes(4, "big")
    with pytest.raises(TruncatedMessage, match="image: ends inside its 75 bitshuffle blocks"):
        unpack(part, image, read_blocks)


LIES = {
    "nothing": b"",
    "match before the first byte": bytes([0x10, 7, 2, 0, 0xF0, *[0] * 100]),
    "match at no distance": bytes([0x10, 7, 0, 0, 0xF0, *[0] * 100]),
    "ends in an offset": bytes([0x10, 7, 1]),
    "ends in a length of literals": bytes([0xF0, 255, 255]),
    "ends in a length of a match": bytes([0x1F, 7, 1, 0, 255]),
    "more literals than there are": bytes([0xF0, 200, *[1] * 50]),
    "more literals than fit": bytes([0xF0, *[255] * 40, 0, *[1] * (15 + 255 * 40)]),
    "longer match than fits": bytes([0x1F, 7, 1, 0, *[255] * 40, 0, 0x50, 1, 2, 3, 4, 5]),
    "endless length": bytes([0x1F, 7, 1, 0, *[255] * 9000]),
    "less than a block": bytes([0x50, 1, 2, 3, 4, 5]),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
@pytest.mark.parametrize("where", [0, 4, 8])
def test_a_block_that_lies_is_damaged(lie, where):
    blocks = [repeated(3, 100) for _ in range(9)]
    blocks[where] = lie
    image = np.zeros(9 * SIZE, np.uint8)
    with pytest.raises(MalformedMessage, match="image: damaged bitshuffle_lz4 data"):
        unpack(as_part(*blocks), image, read_blocks)


def damaged(part, first):
    changed = bytearray(part)
    for _ in range(RNG.integers(1, 6)):
        changed[RNG.integers(first, len(changed))] = RNG.choice([0, 1, 15, 16, 255, int(RNG.integers(256))])
    return changed


@pytest.mark.parametrize("itemsize", UNSIGNED)
def test_damaged_data_gives_what_the_library_makes_of_it_or_an_error(itemsize):
    image = structured(LEAST).view(UNSIGNED[itemsize])
    parts = [bytes(made("bitshuffle_lz4", image, "little")) for made in (compress, wire.compress)]
    same = refused = 0
    for i in range(600):
        part = damaged(parts[i % 2], 12)
        packed, pixels = fenced(np.frombuffer(bytes(part), np.uint8)[12:]), fenced(np.zeros_like(image))
        end = kernel.decompress(frozen(packed), SIZE // itemsize, pixels)
        try:
            found = unpack(part, image, read_blocks)
        except (MalformedMessage, TruncatedMessage):
            refused += 1  # the library takes a match at no distance, too, and gives what was in memory before
            continue
        same += 1
        assert end == packed.size
        assert np.array_equal(pixels, found)
        assert np.array_equal(unpack(part, image), found)
    assert same > 100
    assert refused > 30


def test_a_block_is_unpacked_into_its_planes_and_the_spare_bytes_only():
    for i in range(3000):
        made = structured(SIZE)
        data = lz4.block.compress(made.tobytes(), store_size=False)
        data = np.frombuffer(bytes(damaged(data, 0)) if i % 3 else data, np.uint8)
        planes = fenced(np.zeros(SIZE + kernel.SPARE, np.uint8))
        whole = kernel._unpack(frozen(fenced(data)), 0, len(data), planes, SIZE)
        if not i % 3:
            assert whole
            assert np.array_equal(planes[:SIZE], made)
