"""Both ends against psi-bsread over loopback: its sender to our decoder, our encoder to its reader."""

from typing import Any

import numpy as np
import pytest
from bsread_peer import NS, SEC, psi_reader, psi_sender, values_of

from camstream.frame import Timestamp
from camstream.wire import Compression, Decoder, Encoder, Message

NOW = Timestamp(SEC, NS)
TYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
COMPRESSIONS: list[Compression | None] = [None, "lz4", "bitshuffle_lz4"]


def beam(dtype: str, shape: tuple[int, ...] = (48, 64)) -> Any:
    return np.random.default_rng(1).integers(0, 2 if dtype.endswith("bool") else 100, shape).astype(dtype)


def every_type() -> dict[str, Any]:
    numbers = {f"number {type_}": np.dtype(type_).type(1) for type_ in TYPES}
    arrays = {f"array {type_}": beam(type_) for type_ in TYPES}
    return {
        "int": -42,
        "float": 0.1,
        "bool": True,
        "text": "Grüße, ψ",
        "list": [1, 2, 3],
        "wave": beam("float64", (17,)),
        "cube": beam("int16", (2, 3, 4)),
        **numbers,
        **arrays,
    }


def big_endian() -> dict[str, Any]:
    return {type_: beam(f">{np.dtype(type_).str[1:]}") for type_ in TYPES}


def assert_equal(received: Any, sent: dict[str, Any]) -> None:
    assert list(received) == list(sent)
    for name, value in sent.items():
        if value is None or isinstance(value, str):
            assert received[name] == value, name
        else:
            expected = np.asarray(value)
            assert np.asarray(received[name]).dtype.newbyteorder("=") == expected.dtype.newbyteorder("="), name
            np.testing.assert_array_equal(received[name], expected, err_msg=name)


def from_psi(*messages: dict[str, Any], **options: Any) -> list[Message]:
    decoder, received = Decoder(), []
    with psi_sender(**options) as (sender, socket):
        for pulse_id, values in enumerate(messages):
            sender.send(data=values, timestamp=(SEC, NS), pulse_id=pulse_id)
            message = decoder.decode(socket.recv_multipart(copy=False))
            assert (message.pulse_id, message.timestamp) == (pulse_id, NOW)
            received.append(message)
    return received


def to_psi(*messages: dict[str, Any], encoder: Encoder) -> list[Any]:
    received = []
    with psi_reader() as (socket, reader):
        for pulse_id, values in enumerate(messages):
            socket.send_multipart(encoder.encode(values, pulse_id, NOW))
            message = reader.receive()
            assert message is not None, "psi-bsread read nothing"
            assert message.data.pulse_id == pulse_id
            assert (message.data.global_timestamp, message.data.global_timestamp_offset) == NOW
            received.append(message)
    return received


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_type_of_psi_bsread_is_decoded(compression: Compression | None) -> None:
    values = every_type()
    [message] = from_psi(values, data_compression=compression)
    assert_equal(message.values, values)
    assert message.timestamps == dict.fromkeys(values, NOW)
    assert not message.undecoded


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_big_endian_arrays_of_psi_bsread_are_decoded(compression: Compression | None) -> None:
    values = big_endian()
    [message] = from_psi(values, data_compression=compression)
    assert_equal(message.values, values)
    assert message.timestamps == dict.fromkeys(values, NOW)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression_of_psi_bsreads_header_is_read(compression: Compression | None) -> None:
    for message in from_psi({"a": 1}, every_type(), data_header_compression=compression):
        assert message.values


def test_changes_of_type_shape_and_names_in_a_stream_of_psi_bsread_are_followed() -> None:
    stream = [
        {"it": beam("uint16")},
        {"it": beam("uint16")},
        {"it": beam("uint16", (10, 7))},
        {"it": beam("float32", (10, 7))},
        {"it": "text"},
        {"it": 2.5},
        {"it": 2.5, "more": 1},
    ]
    messages = from_psi(*stream)
    for message, values in zip(messages, stream, strict=True):
        assert_equal(message.values, values)
    assert [message.format_changed for message in messages] == [True, False, True, True, True, True, True]


def test_a_value_that_psi_bsread_sends_as_missing_is_none() -> None:
    [_, message] = from_psi({"a": 1.5, "text": "x"}, {"a": None, "text": "y"})
    assert message.values == {"a": None, "text": "y"}
    assert message.timestamps == {"a": None, "text": NOW}


def test_a_missing_image_under_a_kept_header_of_psi_bsread_is_none() -> None:
    decoder = Decoder()
    with psi_sender() as (sender, socket):
        sender.add_channel("image", metadata={"type": "uint16", "shape": [64, 48]})
        sender.add_channel("number", metadata={"type": "int32", "shape": [1]})
        for image in (beam("uint16"), None, beam("uint16")):
            sender.send(data={"image": image, "number": np.int32(5)}, timestamp=(SEC, NS), check_data=False)
            message = decoder.decode(socket.recv_multipart(copy=False))
            assert_equal(message.values, {"image": image, "number": np.int32(5)})


def test_a_received_image_is_a_view_of_zmqs_memory_and_aligned_like_every_small_array() -> None:
    values = {"image": beam("uint16", (480, 640)), **{f"axis {i}": beam("float64", (i,)) for i in range(2, 30)}}
    decoder = Decoder()
    with psi_sender() as (sender, socket):
        sender.send(data=values, timestamp=(SEC, NS), pulse_id=1)
        parts = socket.recv_multipart(copy=False)
    message = decoder.decode(parts)
    assert np.shares_memory(message.values["image"], np.frombuffer(parts[2], np.uint8))
    del parts
    assert_equal(message.values, values)
    assert all(value.flags.aligned and not value.flags.writeable for value in message.values.values())


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_psi_bsread_reads_every_type(compression: Compression | None) -> None:
    values = every_type()
    [message] = to_psi(values, encoder=Encoder(channel_compression=dict.fromkeys(values, compression)))
    assert_equal(values_of(message), values)
    for channel in message.data.data.values():
        assert (channel.timestamp, channel.timestamp_offset) == NOW


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_psi_bsread_reads_big_endian_arrays(compression: Compression | None) -> None:
    values = big_endian()
    [message] = to_psi(values, encoder=Encoder(compression))
    assert_equal(values_of(message), values)
    for channel in message.data.data.values():
        assert (channel.timestamp, channel.timestamp_offset) == NOW


def test_psi_bsread_reads_missing_values() -> None:
    stream = [
        {"image": beam("uint16"), "number": 1, "text": "x"},
        {"image": None, "number": 2, "text": None},
        {"image": beam("uint16"), "number": None, "text": "y"},
    ]
    messages = to_psi(*stream, encoder=Encoder())
    for message, values in zip(messages, stream, strict=True):
        assert_equal(values_of(message), values)
    assert [message.data.format_changed for message in messages] == [True, False, False]


def test_psi_bsread_follows_every_change_of_our_header() -> None:
    stream = [
        {"it": np.uint8(3)},
        {"it": np.int64(300)},
        {"it": np.float32(0.5)},
        {"it": "text"},
        {"it": beam("uint16")},
        {"it": beam("uint16", (64, 48))},
        {"it": beam("float32", (64, 48))},
        {"it": beam("float32", (64, 48)), "more": True},
        {"more": True, "it": beam("float32", (64, 48))},
    ]
    messages = to_psi(*stream, encoder=Encoder("bitshuffle_lz4"))
    for message, values in zip(messages, stream, strict=True):
        assert_equal(values_of(message), values)
    assert all(message.data.format_changed for message in messages)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_psi_bsread_reads_our_compressed_header_of_any_length(compression: Compression | None) -> None:
    stream = [{"x" * length: length} for length in [*range(1, 130, 3), 1_000, 5_000, 40_000]]
    messages = to_psi(*stream, encoder=Encoder(header_compression=compression))
    for message, values in zip(messages, stream, strict=True):
        assert values_of(message) == values
