"""The two JSON headers of a message.

Everything here comes from the network: a header is limited in size before it is parsed, and its every field is checked.
"""

import hashlib
import json
import reprlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from camstream.errors import ForeignMessage, MalformedMessage
from camstream.frame import Timestamp
from camstream.wire.channel import ChannelHeader, Part, is_name
from camstream.wire.compression import COMPRESSIONS, Compression, compress, decompress

MOST_HEADER_BYTES: Final = 1 << 20
"""About 8,000 channels."""

_MAIN_TYPE: Final = "bsr_m"
_LOOKED_AT_BYTES: Final = 256
_MOST_AXES: Final = 32
_LENGTH: Final = range(2**63)
_WORD: Final = range(-(2**63), 2**64)
_ENCODINGS: Final = {"little": "little", "<": "little", "big": "big", ">": "big"}


class MainHeader(NamedTuple):
    """The first part of a message."""

    pulse_id: int
    timestamp: Timestamp
    hash: str
    compression: str | None
    """Of the data header."""


def data_header(channels: Sequence[ChannelHeader], compression: Compression | None) -> bytes:
    """Write the data header."""
    text = json.dumps({"htype": "bsr_d-1.1", "channels": [_entry(channel) for channel in channels]})
    if compression == "lz4":
        # psi-bsread takes the big-endian size of java and rust for a little-endian one. It only serves as a bound
        # there, so a last byte of 1 makes it large enough (16 MB) and never negative: spaces lead up to it.
        text += " " * ((1 - len(text)) % 256)
    plain = np.frombuffer(text.encode("ascii"), np.uint8)
    return plain.tobytes() if compression is None else compress(compression, plain, "big")


def header_hash(data_header_part: Part) -> str:
    """Return the MD5 of a data header as it is sent, after compression."""
    return hashlib.md5(data_header_part, usedforsecurity=False).hexdigest()


def main_header_template(data_header_part: bytes, compression: Compression | None) -> bytes:
    """Write the main header, to be completed by ``% (pulse_id, sec, ns)``."""
    # The c++ reader fails without dh_compression, even where there is none.
    return (
        b'{"htype": "bsr_m-1.1", "dh_compression": "%s", "hash": "%s", "pulse_id": %%d, "global_timestamp": {"sec": %%d, "ns": %%d}}'
    ) % ((compression or "none").encode(), header_hash(data_header_part).encode())


def parse_main_header(part: Part) -> MainHeader:
    """Read the first part of a message.

    :raises ForeignMessage: if it is no main header at all
    :raises MalformedMessage: if it is one with missing or impossible fields
    """
    try:
        fields = _parse_json(part, "main header")
    except MalformedMessage as error:
        if _MAIN_TYPE.encode() in bytes(memoryview(part)[:_LOOKED_AT_BYTES]):
            raise
        raise ForeignMessage(f"{error}: not sent by bsread") from error
    kind = fields.get("htype") if isinstance(fields, dict) else None
    if not isinstance(kind, str) or not kind.startswith(_MAIN_TYPE):
        raise ForeignMessage(f"main header: htype {_MAIN_TYPE}-1.1 expected, found {_short(kind)}")
    time = fields.get("global_timestamp")
    if not isinstance(time, dict):
        raise MalformedMessage(f"main header: global_timestamp {{sec, ns}} expected, found {_short(time)}")
    pulse_id, hash_ = fields.get("pulse_id"), fields.get("hash")
    sec: Any = time.get("sec", time.get("epoch"))
    ns: Any = time.get("ns")
    for number in (pulse_id, sec, ns):
        if type(number) is not int or number not in _WORD:
            raise MalformedMessage(f"main header: pulse_id, sec and ns are whole numbers, found {_short(number)}")
    if type(hash_) is not str:
        raise MalformedMessage(f"main header: hash is a text, found {_short(hash_)}")
    return MainHeader(pulse_id, Timestamp(sec, ns), hash_, _compression(fields.get("dh_compression")))


def parse_data_header(part: Part, compression: str | None) -> tuple[ChannelHeader, ...]:
    """Read the second part of a message.

    :raises MalformedMessage: if it is no data header, too large, or says something impossible about a channel
    :raises TruncatedMessage: if it is compressed and ends too early
    """
    if compression is not None:
        if compression not in COMPRESSIONS:
            raise MalformedMessage(f"data header: compression {_short(compression)} is not known")
        part = decompress(compression, part, np.dtype(np.uint8), None, MOST_HEADER_BYTES, "data header").data
    fields = _parse_json(part, "data header")
    entries = fields.get("channels") if isinstance(fields, dict) else None
    if not isinstance(entries, list):
        raise MalformedMessage("data header: no list of channels")
    return tuple(_channel(entry) for entry in entries)


def _entry(channel: ChannelHeader) -> dict[str, object]:
    entry: dict[str, object] = {
        "name": channel.name,
        "type": channel.type,
        "shape": channel.shape,
        "encoding": channel.encoding,
    }
    if channel.compression is not None:
        entry["compression"] = channel.compression
    return entry


def _channel(entry: object) -> ChannelHeader:
    if not isinstance(entry, dict):
        raise MalformedMessage(f"data header: a channel is an object, found {_short(entry)}")
    name = entry.get("name")
    if not is_name(name):
        raise MalformedMessage(f"data header: the name of a channel is a text, found {_short(name)}")
    type_ = entry.get("type") or "float64"
    shape = entry.get("shape")
    encoding = entry.get("encoding") or "little"
    modulo, offset = entry.get("modulo") or 1, entry.get("offset") or 0
    if not isinstance(type_, str):
        raise _wrong(name, "type", "a text", type_)
    if not isinstance(encoding, str) or encoding.lower() not in _ENCODINGS:
        raise _wrong(name, "encoding", "little or big", encoding)
    if not (type(modulo) is int and type(offset) is int):
        raise _wrong(name, "modulo and offset", "whole numbers", (modulo, offset))
    return ChannelHeader(
        name,
        type_.lower(),
        (1,) if shape is None else _shape(name, shape),
        _ENCODINGS[encoding.lower()],
        _compression(entry.get("compression")),
        modulo,
        offset,
    )


def _shape(name: str, shape: object) -> tuple[int, ...]:
    if not isinstance(shape, list) or len(shape) > _MOST_AXES:
        raise _wrong(name, "shape", f"a list of at most {_MOST_AXES} lengths", shape)
    for length in shape:
        if type(length) is not int or length not in _LENGTH:
            raise _wrong(name, "shape", "a list of whole numbers, none negative", shape)
    return tuple(shape)


def _compression(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise MalformedMessage(f"header: compression is a text, found {_short(value)}")
    return None if value.lower() == "none" else value.lower()


def _parse_json(part: Part, who: str) -> Any:
    if len(part) > MOST_HEADER_BYTES:
        raise MalformedMessage(f"{who}: {len(part)} bytes, at most {MOST_HEADER_BYTES} are accepted")
    try:
        return json.loads(str(part, "utf-8"))
    except (ValueError, RecursionError) as error:
        raise MalformedMessage(f"{who}: no JSON: {error}") from error


def _wrong(name: str, field: str, expected: str, found: object) -> MalformedMessage:
    return MalformedMessage(f"channel {_short(name)}: {field} is {expected}, found {_short(found)}")


def _short(value: object) -> str:
    return reprlib.repr(value)
