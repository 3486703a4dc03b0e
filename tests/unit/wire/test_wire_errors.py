"""Bytes that are no message, and how much they can cost."""

import json
import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest
import zmq
from bsread_peer import STAMP, multipart, with_header

from camstream.errors import ForeignMessage, MalformedMessage, TruncatedMessage
from camstream.frame import Timestamp
from camstream.wire import Decoder, Encoder

NUMBER = struct.pack("<d", 2.5)
GOOD = Encoder().encode({"a": 2.5, "b": np.arange(3)}, 1, Timestamp(1, 2))
MIB = 1 << 20


def refuse(error: type[Exception], parts: Any, match: str | None = None, **options: Any) -> None:
    """The message is refused, also as received by ZMQ, and the decoder goes on as if nothing had happened."""
    for part_class in (bytes, zmq.Frame):
        decoder = Decoder(**options)
        decoder.decode(GOOD)
        with pytest.raises(error, match=match):
            decoder.decode([part_class(part) for part in parts])
        after = decoder.decode(GOOD)
        assert after.values["a"] == 2.5
        assert after.format_changed is False


@pytest.mark.parametrize(
    "parts",
    [
        [b'{"htype": "bsr_stop-1.0", "sentMessages": 5}'],
        [b'{"htype": "bsr_reconnect-1.0", "address": "tcp://127.0.0.1:9999"}'],
        [b'{"htype": "array-1.0", "shape": [2, 2], "type": "uint16"}', b"12345678"],
        [b'{"htype": 5}', b""],
        [b"{}", b"{}"],
        [b"[]", b"{}"],
        [b"null"],
        [b""],
        [b"\xa5dtypefimage", b"x"],
        [b"hello", b"world"],
        [b"\xff" * (2 * MIB)],
        [b"[" * 100_000],
    ],
    ids=lambda parts: repr(bytes(parts[0][:30])),
)
def test_another_protocol_or_a_command_is_foreign(parts: list[bytes]) -> None:
    refuse(ForeignMessage, parts)


def test_a_message_of_no_parts_is_truncated() -> None:
    with pytest.raises(TruncatedMessage, match="no parts"):
        Decoder().decode([])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_a_message_that_lacks_parts_is_truncated(count: int) -> None:
    refuse(TruncatedMessage, GOOD[:count])


@pytest.mark.parametrize("extra", [1, 2])
def test_a_message_of_too_many_parts_is_truncated(extra: int) -> None:
    refuse(TruncatedMessage, [*GOOD, *[b""] * extra])


@pytest.mark.parametrize("type_", ["bool", "uint8", "int16", "float32", "int64"])
@pytest.mark.parametrize("shape", [[], [1], [1, 1], [3], [4, 6]])
@pytest.mark.parametrize("change", [-1, 1, 8])
def test_a_value_shorter_or_longer_than_its_shape_is_truncated(type_: str, shape: list[int], change: int) -> None:
    size = int(np.prod(shape)) * np.dtype(type_).itemsize + change
    if size:
        refuse(TruncatedMessage, multipart([{"name": "a", "type": type_, "shape": shape}], b"\1" * size, STAMP), match="'a'")


@pytest.mark.parametrize("stamp", [b"\0", b"\0" * 15, b"\0" * 17])
def test_a_timestamp_of_another_size_is_truncated(stamp: bytes) -> None:
    refuse(TruncatedMessage, multipart([{"name": "a"}], NUMBER, stamp), match="timestamp")


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "a",
        [],
        {},
        {"name": None},
        {"name": 5},
        {"name": "\ud800"},
        {"name": "a", "type": 5},
        {"name": "a", "type": ["float64"]},
        {"name": "a", "shape": 5},
        {"name": "a", "shape": "5"},
        {"name": "a", "shape": [-1]},
        {"name": "a", "shape": [1.5]},
        {"name": "a", "shape": [True]},
        {"name": "a", "shape": [None]},
        {"name": "a", "shape": [[1]]},
        {"name": "a", "shape": [1] * 33},
        {"name": "a", "shape": [10**4000]},
        {"name": "a", "shape": [10**4000, 10**4000]},
        {"name": "a", "shape": [2**62, 2**62]},
        {"name": "a", "shape": [0, 2**62]},
        {"name": "a", "encoding": "middle"},
        {"name": "a", "encoding": 5},
        {"name": "a", "compression": 5},
        {"name": "a", "compression": {"lz4": 1}},
        {"name": "a", "modulo": "10"},
        {"name": "a", "offset": 1.5},
    ],
    ids=lambda entry: repr(entry)[:40],
)
def test_an_impossible_channel_is_malformed(entry: object) -> None:
    refuse(MalformedMessage, multipart([entry], NUMBER, STAMP))


@pytest.mark.parametrize(
    "main",
    [
        {"pulse_id": None},
        {"pulse_id": "17"},
        {"pulse_id": 1.5},
        {"pulse_id": True},
        {"pulse_id": 2**64},
        {"pulse_id": float("nan")},
        {"global_timestamp": None},
        {"global_timestamp": 1.5},
        {"global_timestamp": {}},
        {"global_timestamp": {"sec": 1}},
        {"global_timestamp": {"sec": 1, "ns": "2"}},
        {"global_timestamp": {"sec": 1e9, "ns": 2}},
        {"global_timestamp": {"sec": 2**65, "ns": 2}},
        {"hash": None},
        {"hash": 5},
        {"hash": {}},
        {"dh_compression": "zip"},
        {"dh_compression": 5},
        {"dh_compression": "lz4"},
        {"dh_compression": "bitshuffle_lz4"},
    ],
    ids=str,
)
def test_an_impossible_main_header_is_malformed(main: dict[str, Any]) -> None:
    refuse(MalformedMessage, multipart([{"name": "a"}], NUMBER, STAMP, **main))


@pytest.mark.parametrize("header", [b'{"htype": "bsr_m-1.1", ', b'{"htype": "bsr_m-1.1", "x": \xff}', b'"bsr_m-1.1' + b"[" * 100_000])
def test_a_damaged_main_header_is_malformed(header: bytes) -> None:
    refuse(MalformedMessage, [header, *GOOD[1:]])


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b"{}",
        b'{"channels": {}}',
        b'{"channels": null}',
        b"\xff\xfe",
        b'{"channels": ' + b"[" * 100_000,
        b'{"channels": [' + b"9" * 5000 + b"]}",
        b" " * (2 * MIB) + b'{"channels": []}',
    ],
    ids=lambda header: repr(header[:20]),
)
def test_a_damaged_data_header_is_malformed(header: bytes) -> None:
    refuse(MalformedMessage, with_header(header))


@pytest.mark.parametrize("text", [b"\xff", b"\xed\xa0\x80", b"abc\xc3"])
def test_a_string_that_is_not_utf_8_is_malformed(text: bytes) -> None:
    refuse(MalformedMessage, multipart([{"name": "a", "type": "string"}], text, STAMP), match="UTF-8")


def test_arrays_of_more_bytes_than_allowed_are_refused_together() -> None:
    entries = [{"name": name, "type": "uint8", "shape": [600]} for name in "ab"]
    parts = multipart(entries, bytes(600), STAMP, bytes(600), STAMP)
    Decoder(max_bytes=1200).decode(parts)
    with pytest.raises(MalformedMessage, match="1200"):
        Decoder(max_bytes=1199).decode(parts)
    Decoder(max_bytes=600, channels=["a"]).decode(parts)


def bitshuffle_head(size: int) -> bytes:
    return struct.pack(">qi", size, 8192)


HUGE = 200 * MIB


@pytest.mark.parametrize(
    "parts",
    [
        multipart(
            [{"name": "a", "type": "uint8", "shape": [HUGE], "compression": "bitshuffle_lz4"}], bitshuffle_head(HUGE) + bytes(5000), STAMP
        ),
        multipart([{"name": "a", "type": "string", "compression": "bitshuffle_lz4"}], bitshuffle_head(HUGE) + bytes(5000), STAMP),
        multipart([{"name": "a", "type": "uint8", "shape": [HUGE], "compression": "lz4"}], struct.pack("<I", HUGE) + bytes(5000), STAMP),
        multipart([{"name": "a", "type": "string", "compression": "lz4"}], struct.pack("<I", HUGE) + bytes(5000), STAMP),
        multipart([{"name": "a", "type": "string", "compression": "lz4"}], struct.pack(">I", HUGE) + bytes(5000), STAMP),
        multipart([{"name": "a", "type": "uint8", "shape": [HUGE]}], b"123", STAMP),
        with_header(bitshuffle_head(HUGE) + bytes(5000), dh_compression="bitshuffle_lz4"),
        with_header(struct.pack(">I", HUGE) + bytes(5000), dh_compression="lz4"),
    ],
    ids=["bitshuffle", "bitshuffle text", "lz4", "lz4 text", "lz4 text big", "plain", "bitshuffle header", "lz4 header"],
)
def test_a_size_that_lies_gets_no_memory(parts: list[bytes]) -> None:
    decoder = Decoder()
    tracemalloc.start()
    try:
        with pytest.raises((MalformedMessage, TruncatedMessage)):
            decoder.decode(parts)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * MIB


def test_headers_that_change_all_the_time_do_not_pile_up() -> None:
    decoder = Decoder()
    padding = "x" * 100_000
    tracemalloc.start()
    try:
        for i in range(200):
            decoder.decode(multipart([{"name": f"{i} {padding}"}], NUMBER, STAMP))
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kept < 10 * MIB


def test_an_error_names_the_channel_without_repeating_all_that_was_sent() -> None:
    with pytest.raises(MalformedMessage) as error:
        Decoder().decode(multipart([{"name": "n" * 100_000, "encoding": "e" * 100_000}], NUMBER, STAMP))
    assert "nnnn" in str(error.value)
    assert len(str(error.value)) < 300


def test_the_main_header_is_readable_json_with_every_field() -> None:
    header = json.loads(bytes(Encoder().encode({"a": 1}, 8_000_000_001, Timestamp(3, 4))[0]))
    assert header.pop("hash")
    assert header == {
        "htype": "bsr_m-1.1",
        "dh_compression": "none",
        "pulse_id": 8_000_000_001,
        "global_timestamp": {"sec": 3, "ns": 4},
    }
