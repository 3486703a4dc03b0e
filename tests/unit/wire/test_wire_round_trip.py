"""What the encoder writes, the decoder reads back."""

import enum
import json
import struct
from typing import Any

import lz4.block
import numpy as np
import pytest
import zmq

from camstream.errors import MalformedMessage
from camstream.frame import Timestamp
from camstream.wire import ChannelHeader, Compression, Decoder, Encoder

NOW = Timestamp(1_700_000_000, 987_654_321)
TYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
COMPRESSIONS: list[Compression | None] = [None, "lz4", "bitshuffle_lz4"]


class Colour(enum.IntEnum):
    RED = 3


def sent(value: object, **options: Any) -> Any:
    message = Decoder().decode(Encoder(**options).encode({"it": value}, 1, NOW))
    return message.values["it"]


def limits(type_: str) -> "np.ndarray[Any, np.dtype[Any]]":
    dtype = np.dtype(type_)
    if dtype.kind == "b":
        return np.array([False, True])
    info = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    return np.array([info.min, 0, 1, info.max], dtype)


@pytest.mark.parametrize("type_", TYPES)
def test_a_numpy_scalar_keeps_its_type_and_value(type_: str) -> None:
    for scalar in limits(type_):
        received = sent(scalar)
        assert type(received) is type(scalar)
        assert received == scalar


@pytest.mark.parametrize("value", [7, -(2**63), 2**63 - 1, 0.1, float("inf"), True, False, "", "Grüße, ψ", Colour.RED])
def test_a_python_value_is_received_equal(value: object) -> None:
    assert sent(value) == value


def test_nan_is_received_as_nan() -> None:
    assert np.isnan(sent(float("nan")))


@pytest.mark.parametrize(("value", "type_"), [(True, np.bool_), (1, np.int64), (1.0, np.float64), ("1", str)])
def test_a_python_class_has_its_type_on_the_wire(value: object, type_: type) -> None:
    assert type(sent(value)) is type_


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("shape", [(17,), (30, 44), (2, 3, 4), (1, 1), (0,), (3, 0), (101, 133)])
def test_an_array_keeps_type_shape_and_values(type_: str, shape: tuple[int, ...], order: str, compression: Compression | None) -> None:
    rng = np.random.default_rng(1)
    array = rng.integers(0, 2 if type_ == "bool" else 100, shape).astype(np.dtype(type_).newbyteorder(order))
    received = sent(array, channel_compression={"it": compression})
    assert received.dtype == array.dtype
    assert received.shape == shape
    np.testing.assert_array_equal(received, array)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_scalars_and_strings_can_be_compressed_by_name(compression: Compression | None) -> None:
    values = {"text": "µm " * 100, "empty": "", "number": np.float32(1.5), "flag": True, "whole": 7}
    encoder = Encoder(channel_compression=dict.fromkeys(values, compression))
    assert Decoder().decode(encoder.encode(values, 1, NOW)).values == values


def test_only_arrays_of_one_kibibyte_are_compressed_by_default() -> None:
    values = {"image": np.zeros((32, 32), np.uint8), "small": np.zeros(1023, np.uint8), "number": 1.5, "text": "x" * 5000}
    message = Decoder().decode(Encoder("lz4").encode(values, 1, NOW))
    assert [channel.compression for channel in message.header] == ["lz4", None, None, None]


def test_a_channel_can_be_kept_uncompressed_by_name() -> None:
    encoder = Encoder("lz4", channel_compression={"image": None})
    message = Decoder().decode(encoder.encode({"image": np.zeros((64, 64))}, 1, NOW))
    assert message.header[0].compression is None


@pytest.mark.parametrize("header_compression", COMPRESSIONS)
def test_the_data_header_can_be_compressed(header_compression: Compression | None) -> None:
    values = {f"channel number {i}": i for i in range(50)}
    parts = Encoder(header_compression=header_compression).encode(values, 1, NOW)
    assert Decoder().decode(parts).values == values
    assert json.loads(bytes(parts[0]))["dh_compression"] == (header_compression or "none")


def test_an_lz4_data_header_gives_its_size_as_java_and_rust_do_and_as_psi_bsread_survives() -> None:
    for count in range(1, 300, 7):
        part = bytes(Encoder(header_compression="lz4").encode({"x" * count: 1}, 1, NOW)[1])
        [size] = struct.unpack_from(">I", part)
        assert json.loads(lz4.block.decompress(part[4:], uncompressed_size=size))["channels"]
        assert size % 256 == 1


def test_an_unknown_compression_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="zip"):
        Encoder("zip")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24).reshape(4, 6).T,
        np.arange(24).reshape(4, 6)[::2, 1::2],
        np.arange(24)[::-1],
        np.asfortranarray(np.arange(24.0).reshape(4, 6)),
        np.broadcast_to(np.uint16(5), (3, 4)),
    ],
    ids=["transposed", "strided", "reversed", "fortran", "broadcast"],
)
def test_an_array_that_is_not_contiguous_is_sent_in_the_order_of_its_indices(array: Any) -> None:
    np.testing.assert_array_equal(sent(array), array)
    np.testing.assert_array_equal(sent(array, channel_compression={"it": "lz4"}), array)


def test_lists_are_sent_as_arrays() -> None:
    np.testing.assert_array_equal(sent([1, 2, 3]), np.array([1, 2, 3]))
    assert sent([[1.5, 2], [3, 4]]).shape == (2, 2)
    assert sent([]).shape == (0,)


def test_an_array_of_no_dimensions_or_one_element_is_received_as_a_scalar() -> None:
    for array in (np.array(2.5), np.array([2.5])):
        assert type(sent(array)) is np.float64


def test_a_contiguous_array_is_not_copied_on_its_way_out() -> None:
    image = np.zeros((480, 640), np.uint16)
    part = Encoder().encode({"image": image}, 1, NOW)[2]
    image[2, 3] = 4711
    assert isinstance(part, memoryview)
    assert len(part) == image.nbytes
    assert np.frombuffer(part, np.uint16)[2 * 640 + 3] == 4711


@pytest.mark.parametrize("part_class", [bytes, bytearray, memoryview, zmq.Frame])
def test_a_received_array_is_a_read_only_view_of_its_part(part_class: Any) -> None:
    parts = [part_class(bytes(part)) for part in Encoder().encode({"image": np.ones((480, 640), np.uint16)}, 1, NOW)]
    image = Decoder().decode(parts).values["image"]
    assert np.shares_memory(image, np.frombuffer(parts[2], np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0] = 2


@pytest.mark.parametrize("compression", ["lz4", "bitshuffle_lz4"])
def test_a_decompressed_array_is_read_only_too(compression: Compression) -> None:
    image = sent(np.ones((480, 640), np.uint16), compression=compression)
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0] = 2


def test_an_array_at_an_odd_address_is_received_aligned() -> None:
    header = Encoder().encode({"axis": np.arange(5.0)}, 1, NOW)
    padded = np.zeros(41 + 7, np.uint8)
    start = 1 + -padded.ctypes.data % 8
    padded[start : start + 40] = np.arange(5.0).view(np.uint8)
    axis = Decoder().decode([*header[:2], padded[start : start + 40].data, header[3]]).values["axis"]
    assert axis.flags.aligned
    assert not axis.flags.writeable
    np.testing.assert_array_equal(axis, np.arange(5.0))


def test_pulse_id_and_timestamps_are_received_as_sent() -> None:
    values = {"little": np.arange(3, dtype="<u2"), "big": np.arange(3, dtype=">u2"), "number": 1}
    for timestamp in (NOW, Timestamp(-5, 999_999_999), Timestamp(2**63 - 1, 0)):
        message = Decoder().decode(Encoder().encode(values, 8_000_000_001, timestamp))
        assert message.pulse_id == 8_000_000_001
        assert message.timestamp == timestamp
        assert message.timestamps == dict.fromkeys(values, timestamp)


def test_the_data_header_names_shapes_fastest_first() -> None:
    message = Decoder().decode(Encoder().encode({"image": np.zeros((480, 640), ">u2"), "number": 1}, 1, NOW))
    assert message.header == (ChannelHeader("image", "uint16", (640, 480), "big"), ChannelHeader("number", "int64"))
    assert message.header[0].array_shape == (480, 640)
    assert message.header[0].dtype == np.dtype(">u2")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"a": 1}, "dict"),
        ((1, 2), "tuple"),
        (b"raw", "bytes"),
        (1j, "complex"),
        (object(), "object"),
        (np.float16(1), "float16"),
        (np.zeros(3, complex), "complex128"),
        (np.array(["a", "b"]), "<U1"),
        (["a", "b"], "<U1"),
        ([1, None], "object"),
        ([[1, 2], [3]], "list"),
        (np.zeros(2, "M8[s]"), "datetime64"),
        (np.zeros(2, [("x", "f8")]), "x"),
        (2**63, "int"),
        (-(2**63) - 1, "int"),
        ("\ud800", "surrogate"),
    ],
    ids=lambda part: part if isinstance(part, str) else type(part).__name__,
)
def test_a_value_without_a_type_in_bsread_is_refused_by_name_and_type(value: object, found: str) -> None:
    encoder = Encoder()
    with pytest.raises(MalformedMessage, match="'culprit'") as error:
        encoder.encode({"fine": 1, "culprit": value}, 1, NOW)
    assert found in str(error.value)
    assert Decoder().decode(encoder.encode({"fine": 1, "culprit": 2}, 2, NOW)).values == {"fine": 1, "culprit": 2}


@pytest.mark.parametrize(("good", "bad"), [(1, 2**63), ("a", "\ud800"), (np.zeros(3), {}), (1.5, (1,))])
def test_a_value_that_becomes_unsendable_is_refused_by_name_and_the_stream_goes_on(good: object, bad: object) -> None:
    encoder, decoder = Encoder(), Decoder()
    decoder.decode(encoder.encode({"culprit": good}, 1, NOW))
    with pytest.raises(MalformedMessage, match="'culprit'"):
        encoder.encode({"culprit": bad}, 2, NOW)
    message = decoder.decode(encoder.encode({"culprit": good}, 3, NOW))
    assert message.format_changed is False
    np.testing.assert_array_equal(message.values["culprit"], good)


@pytest.mark.parametrize("name", [3, None, "\udfff"])
def test_a_channel_name_that_is_no_text_is_refused(name: Any) -> None:
    with pytest.raises(MalformedMessage, match="name"):
        Encoder().encode({name: 1}, 1, NOW)


def test_a_timestamp_beyond_64_bits_is_refused() -> None:
    with pytest.raises(MalformedMessage, match="timestamp"):
        Encoder().encode({"a": 1}, 1, Timestamp(2**63, 0))


def test_only_the_channels_asked_for_are_decoded() -> None:
    values = {"image": np.zeros((64, 64)), "number": 1, "text": "x"}
    parts = Encoder("bitshuffle_lz4").encode(values, 1, NOW)
    parts[2] = b"not even compressed"
    message = Decoder(channels={"number", "absent"}).decode(parts)
    assert message.values == {"number": 1}
    assert message.timestamps == {"number": NOW}
    assert [channel.name for channel in message.header] == list(values)
