"""Whatever the bytes are, there is a message or a WireError, and the next message is read."""

import json
from typing import Any

import numpy as np
from bsread_peer import STAMP, multipart, with_header
from hypothesis import given, settings
from hypothesis import strategies as st

from camstream.errors import WireError
from camstream.frame import Timestamp
from camstream.wire import Decoder, Encoder

NOW = Timestamp(1_700_000_000, 5)
VALUES: dict[str, Any] = {
    "number": 2.5,
    "flag": True,
    "text": "Grüße",
    "image": np.arange(30 * 44, dtype=np.uint16).reshape(30, 44),
    "big": np.arange(300, dtype=">i4"),
    "gone": 1,
}


def message(**options: Any) -> list[bytes]:
    encoder = Encoder(**options)
    encoder.encode(VALUES, 1, NOW)
    return [bytes(part) for part in encoder.encode(VALUES | {"gone": None}, 2, NOW)]


everything: Any = dict.fromkeys(VALUES, "bitshuffle_lz4")
MESSAGES = [
    message(),
    message(compression="lz4", header_compression="lz4"),
    message(compression="bitshuffle_lz4", header_compression="bitshuffle_lz4"),
    message(channel_compression=everything),
    multipart([{"name": "a", "type": "complex"}], b"x", STAMP),
    [b'{"htype": "bsr_stop-1.0"}'],
]
GOOD = MESSAGES[0]

some_bytes = st.one_of(
    st.binary(max_size=40), st.integers(0, 2**64 - 1).map(lambda i: i.to_bytes(8, "big")), st.sampled_from([p for m in MESSAGES for p in m])
)
steps = st.lists(
    st.tuples(
        st.sampled_from(["flip", "set", "cut", "drop head", "insert", "drop part", "add part", "swap"]), st.integers(0, 2**32), some_bytes
    ),
    min_size=1,
    max_size=6,
)


def mutate(parts: list[bytes], step: str, where: int, what: bytes) -> None:
    index = where % (len(parts) or 1)
    if step == "add part" or not parts:
        parts.insert(index, what)
        return
    part = parts[index]
    position = (where >> 8) % (len(part) or 1)
    if step == "flip" and part:
        parts[index] = part[:position] + bytes([part[position] ^ (1 << where % 8)]) + part[position + 1 :]
    elif step == "set":
        parts[index] = part[:position] + what + part[position + len(what) :]
    elif step == "cut":
        parts[index] = part[:position]
    elif step == "drop head":
        parts[index] = part[position:]
    elif step == "insert":
        parts[index] = part[:position] + what + part[position:]
    elif step == "drop part":
        del parts[index]
    elif step == "swap":
        other = (where >> 16) % len(parts)
        parts[index], parts[other] = parts[other], parts[index]


def read(parts: list[bytes], decoder: Decoder) -> None:
    try:
        message = decoder.decode(parts)
        assert set(message.values) == set(message.timestamps) == {channel.name for channel in message.header}
        assert set(message.undecoded) <= set(message.values)
    except WireError as error:
        assert str(error)  # noqa: PT017
    after = decoder.decode(GOOD)
    assert after.values["number"] == 2.5
    np.testing.assert_array_equal(after.values["image"], VALUES["image"])


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(st.sampled_from(MESSAGES), steps, st.booleans())
def test_a_mutated_message_is_read_or_refused(original: list[bytes], steps: Any, header_is_known: bool) -> None:
    decoder = Decoder(max_bytes=1 << 22)
    if header_is_known and len(original) > 1:
        decoder.decode(original)
    parts = list(original)
    for step in steps:
        mutate(parts, *step)
    read(parts, decoder)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["lz4", "big", "string", "int8", "none"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
entries = st.fixed_dictionaries(
    {},
    optional={
        "name": st.text(max_size=3) | json_values,
        "type": st.sampled_from(["string", "bool", "int8", "float64"]) | json_values,
        "shape": st.lists(st.integers(-1, 5), max_size=3) | json_values,
        "encoding": st.sampled_from(["big", "little"]) | json_values,
        "compression": st.sampled_from(["lz4", "bitshuffle_lz4", None]) | json_values,
        "modulo": json_values,
        "offset": json_values,
    },
)


@settings(max_examples=700, deadline=None, derandomize=True)
@given(st.lists(entries | json_values, max_size=3), st.lists(some_bytes, max_size=6))
def test_any_json_in_a_channel_is_read_or_refused(channels: list[Any], parts: list[bytes]) -> None:
    read(multipart(channels, *parts), Decoder(max_bytes=1 << 22))


@settings(max_examples=700, deadline=None, derandomize=True)
@given(
    st.sampled_from(["htype", "hash", "pulse_id", "global_timestamp", "dh_compression", "sec", "ns"]),
    json_values,
    st.sampled_from(["complete", "no timestamp"]),
)
def test_any_json_in_the_main_header_is_read_or_refused(field: str, value: Any, form: str) -> None:
    changed: dict[str, Any] = {"global_timestamp": {"sec": 1, "ns": 2, field: value}} if field in {"sec", "ns"} else {field: value}
    if form == "no timestamp":
        changed.setdefault("global_timestamp", None)
    read(with_header(json.dumps({"channels": []}).encode(), **changed), Decoder())


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.binary(max_size=200), max_size=8))
def test_any_parts_are_refused_or_read(parts: list[bytes]) -> None:
    read(parts, Decoder())
