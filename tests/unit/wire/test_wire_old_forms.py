"""Forms that older and other implementations write, and that are read all the same."""

import struct
from typing import Any

import numpy as np
import pytest
from bsread_peer import NS, SEC, STAMP, multipart, with_header

from camstream.frame import Timestamp
from camstream.wire import Decoder

NUMBER = struct.pack("<d", 2.5)
BIG_NUMBER, BIG_STAMP = struct.pack(">d", 2.5), struct.pack(">qq", SEC, NS)
NOW = Timestamp(SEC, NS)


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "a"},
        {"name": "a", "type": None, "shape": None, "encoding": None, "compression": None, "modulo": None, "offset": None},
        {"name": "a", "type": "float64", "shape": [1], "encoding": "little", "compression": "none", "modulo": 1, "offset": 0},
        {"name": "a", "type": "Float64", "shape": []},
        {"name": "a", "type": "FLOAT64", "encoding": "<", "compression": "None"},
        {"name": "a", "modulo": 10, "offset": 3, "unit": "mm", "precision": [1, {"x": None}]},
    ],
    ids=str,
)
def test_what_a_channel_leaves_out_has_its_default(entry: dict[str, Any]) -> None:
    message = Decoder().decode(multipart([entry], NUMBER, STAMP))
    assert type(message.values["a"]) is np.float64
    assert message.values["a"] == 2.5
    assert message.timestamps["a"] == NOW
    assert not message.undecoded


@pytest.mark.parametrize("encoding", ["big", "BIG", ">"])
def test_big_endian_holds_for_value_and_timestamp(encoding: str) -> None:
    message = Decoder().decode(multipart([{"name": "a", "encoding": encoding}], BIG_NUMBER, BIG_STAMP))
    assert message.values["a"] == 2.5
    assert message.timestamps["a"] == NOW


@pytest.mark.parametrize("main", [{"htype": "bsr_m-1.0"}, {"dh_compression": None}, {"dh_compression": "none"}, {"extra": [1]}], ids=str)
def test_forms_of_the_main_header(main: dict[str, Any]) -> None:
    assert Decoder().decode(multipart([{"name": "a"}], NUMBER, STAMP, **main)).values == {"a": 2.5}


def test_epoch_stands_for_sec() -> None:
    message = Decoder().decode(multipart([{"name": "a"}], NUMBER, STAMP, global_timestamp={"epoch": 5, "ns": 6}))
    assert message.timestamp == Timestamp(5, 6)


def test_a_value_with_an_empty_timestamp_has_the_global_one() -> None:
    message = Decoder().decode(multipart([{"name": "a"}], NUMBER, b"", global_timestamp={"sec": 5, "ns": 6}))
    assert message.values == {"a": 2.5}
    assert message.timestamps == {"a": Timestamp(5, 6)}


def test_two_empty_parts_are_a_missing_value() -> None:
    message = Decoder().decode(multipart([{"name": "a"}, {"name": "b", "type": "string"}], b"", b"", b"", b""))
    assert message.values == {"a": None, "b": None}
    assert message.timestamps == {"a": None, "b": None}


def test_an_empty_value_with_a_timestamp_is_missing_unless_it_may_be_empty() -> None:
    entries = [{"name": "number"}, {"name": "text", "type": "string"}, {"name": "list", "shape": [0, 3], "type": "int8"}]
    message = Decoder().decode(multipart(entries, *[b"", STAMP] * 3))
    assert message.values["number"] is None
    assert message.values["text"] == ""
    assert message.values["list"].shape == (3, 0)


def test_a_string_has_the_length_of_its_part_whatever_its_shape() -> None:
    entries = [{"name": "a", "type": "string"}, {"name": "b", "type": "String", "shape": [5]}]
    message = Decoder().decode(multipart(entries, b"four", STAMP, "ψ\0".encode(), STAMP))
    assert message.values == {"a": "four", "b": "ψ\0"}


def test_one_pixel_is_an_image() -> None:
    message = Decoder().decode(multipart([{"name": "a", "type": "uint16", "shape": [1, 1]}], b"\1\0", STAMP))
    assert message.values["a"].shape == (1, 1)


def test_of_two_channels_with_one_name_the_last_counts_as_for_psi_bsread() -> None:
    message = Decoder().decode(multipart([{"name": "a"}, {"name": "a", "type": "int8"}], NUMBER, STAMP, b"\7", b""))
    assert message.values == {"a": 7}
    assert message.timestamps == {"a": NOW}


@pytest.mark.parametrize(
    ("entry", "reason"), [({"type": "complex128"}, "complex128"), ({"compression": "zip"}, "zip"), ({"compression": ""}, "compression")]
)
def test_an_unknown_type_or_compression_loses_only_its_value_and_says_so(entry: dict[str, Any], reason: str) -> None:
    message = Decoder().decode(multipart([{"name": "odd", **entry}, {"name": "a"}], b"12345", STAMP, NUMBER, STAMP))
    assert message.values == {"odd": None, "a": 2.5}
    assert list(message.undecoded) == ["odd"]
    assert reason in message.undecoded["odd"]
    assert message.timestamps["odd"] == NOW


@pytest.mark.parametrize("hash_", ["", "bsr_d-1.1", "0" * 32])
def test_a_hash_that_is_not_that_of_the_header_never_mixes_up_two_headers(hash_: str) -> None:
    decoder = Decoder()
    one = multipart([{"name": "a", "type": "float64"}], NUMBER, STAMP, hash=hash_)
    other = multipart([{"name": "b", "type": "float64"}], NUMBER, STAMP, hash=hash_)
    assert len(one[1]) == len(other[1])
    changes = []
    for parts, name in ((one, "a"), (one, "a"), (other, "b"), (one, "a")):
        message = decoder.decode(parts)
        assert list(message.values) == [name]
        changes.append(message.format_changed)
    assert changes == [True, False, True, True]


def test_a_header_written_differently_is_no_change_of_format() -> None:
    decoder = Decoder()
    assert decoder.decode(with_header(b'{"channels": [{"name": "a"}]}', NUMBER, STAMP)).format_changed
    assert decoder.decode(with_header(b'{"channels":[{"shape":[1],"name":"a"}]}', NUMBER, STAMP)).format_changed is False
