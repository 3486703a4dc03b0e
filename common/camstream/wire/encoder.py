"""Values to multipart messages."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import NoneType
from typing import Final

from camstream.errors import MalformedMessage
from camstream.frame import Timestamp
from camstream.wire.channel import TIMES, ChannelHeader, Pack, describe, fast_packer, pack, pack_nothing
from camstream.wire.compression import COMPRESSIONS, Compress, Compression, compress
from camstream.wire.header import data_header, main_header_template

LEAST_COMPRESSED_BYTES: Final = 1024
"""Smaller arrays are sent as they are: compressing costs more than it saves, and makes a scalar longer."""

_MISSING: Final = (b"", b"")


class HeaderPolicy(StrEnum):
    """What the data header follows (cam_server's ``create_header``)."""

    ON_CHANGE = "on_change"
    """Every change of names, order, types and shapes that is allowed."""
    ALWAYS = "always"
    """Every change, allowed or not. cam_server made the header anew in each message, which reads the same."""
    ONCE = "once"
    """The first message only. A value that does not fit later is sent as missing."""


class Encoder:
    """Turn one message after the other into parts for ZMQ.

    The data header, its hash, and how to pack each channel are kept from message to message, and made anew when a
    channel comes, goes, moves, or changes its type or shape. A channel that is None is left out until it once had a
    value; from then on it is sent as missing. Not thread-safe.
    """

    def __init__(
        self,
        compression: Compression | None = None,
        header_compression: Compression | None = None,
        channel_compression: Mapping[str, Compression | None] | None = None,
        policy: HeaderPolicy = HeaderPolicy.ON_CHANGE,
        *,
        allow_type_changes: bool = True,
        allow_shape_changes: bool = True,
        compress: Compress = compress,
    ) -> None:
        """Begin a stream.

        :param compression: of arrays of 1 KiB or more
        :param header_compression: of the data header
        :param channel_compression: by channel name, whatever the channel holds; comes before `compression`
        :param allow_type_changes: if not, a value of another type than before is sent as missing (policy ON_CHANGE)
        :param allow_shape_changes: the same for another shape
        :param compress: what compresses arrays
        """
        for name in (compression, header_compression, *(channel_compression or {}).values()):
            if name is not None and name not in COMPRESSIONS:
                raise ValueError(f"compression {name!r}: expected one of {sorted(COMPRESSIONS)} or None")
        self.header_changes = 0
        """How often the data header differed from the one before."""
        self.values_withheld = 0
        """Values sent as missing because the data header was not allowed to follow them."""
        self._compression = compression
        self._header_compression = header_compression
        self._channel_compression = dict(channel_compression or {})
        self._policy = policy
        self._allow_type_changes = allow_type_changes
        self._allow_shape_changes = allow_shape_changes
        self._compress = compress
        self._names: tuple[str, ...] | None = None
        self._slots: list[_Slot] = []
        self._data_header = b""
        self._main_header = b""
        self._big_endian_stamps: list[int] = []

    def encode(self, values: Mapping[str, object], pulse_id: int, timestamp: Timestamp) -> list[bytes | memoryview]:
        """Make one message.

        Arrays that are C-contiguous and not compressed are not copied: do not write to them before ZMQ is done.

        :param values: by channel name, in the order of the stream
        :return: main header, data header, then value and timestamp of each channel
        :raises MalformedMessage: if bsread has no type for a value; the next message can be made nevertheless
        """
        if self._policy is HeaderPolicy.ONCE and self._slots:  # a first message of no channels fixes nothing
            values = {slot.name: values.get(slot.name) for slot in self._slots}
        if tuple(values) != self._names:
            self._renew_header(values)
        withheld = self.values_withheld
        try:
            return self._fill(values, pulse_id, timestamp)
        except _HeaderOutdated:
            self.values_withheld = withheld
            self._renew_header(values)
            return self._fill(values, pulse_id, timestamp)

    def _fill(self, values: Mapping[str, object], pulse_id: int, timestamp: Timestamp) -> list[bytes | memoryview]:
        """Pack the values under the present header: what every message costs."""
        stamp = _stamp("little", timestamp)
        parts: list[bytes | memoryview] = [self._main_header % (pulse_id, *timestamp), self._data_header]
        append = parts.append
        for slot, value in zip(self._slots, values.values(), strict=True):
            try:
                if type(value) is slot.kind and (part := slot.pack(value)) is not None:
                    append(part)
                    append(stamp)
                else:
                    parts += self._pack_irregular(slot, value, stamp)
            except (struct.error, UnicodeEncodeError) as error:
                raise MalformedMessage(f"channel {slot.name!r}: cannot send {value!r:.80}: {error}") from error
        for index in self._big_endian_stamps:
            if parts[index]:
                parts[index] = _stamp("big", timestamp)
        return parts

    def _pack_irregular(self, slot: "_Slot", value: object, stamp: bytes) -> tuple[bytes | memoryview, ...]:
        """Pack a value of another Python class, shape or type than the last one, or None."""
        if value is None:
            return _MISSING if slot.channel else ()
        found = self._describe(slot.name, value)
        if found == slot.channel:
            slot.expect(type(value), self._compress)
            return pack(found, value), stamp
        if slot.channel is None or self._may_become(slot.channel, found):
            raise _HeaderOutdated
        self.values_withheld += 1
        return _MISSING

    def _renew_header(self, values: Mapping[str, object]) -> None:
        known = {slot.name: slot.channel for slot in self._slots}
        slots = [self._slot(name, value, known.get(name)) for name, value in values.items()]
        channels = [slot.channel for slot in slots if slot.channel is not None]
        header = data_header(channels, self._header_compression)
        if header != self._data_header:
            self.header_changes += bool(self._data_header)
            self._data_header = header
            self._main_header = main_header_template(header, self._header_compression)
        self._slots = slots
        self._names = tuple(values)
        self._big_endian_stamps = [3 + 2 * i for i, channel in enumerate(channels) if channel.encoding == "big"]

    def _slot(self, name: str, value: object, known: ChannelHeader | None) -> "_Slot":
        if value is None:
            # A fixed header has no later chance to mention the channel; bsread's default type is as good as any.
            return _Slot(name, ChannelHeader(name) if self._policy is HeaderPolicy.ONCE and not known else known)
        found = self._describe(name, value)
        if known is not None and found != known and not self._may_become(known, found):
            return _Slot(name, known)
        slot = _Slot(name, found)
        slot.expect(type(value), self._compress)
        return slot

    def _describe(self, name: str, value: object) -> ChannelHeader:
        channel = describe(name, value)
        compression = self._compression if channel.nbytes >= LEAST_COMPRESSED_BYTES else None
        compression = self._channel_compression.get(name, compression)
        return channel if compression is None else replace(channel, compression=compression)

    def _may_become(self, known: ChannelHeader, found: ChannelHeader) -> bool:
        if self._policy is not HeaderPolicy.ON_CHANGE:
            return self._policy is HeaderPolicy.ALWAYS
        same_type = (known.type, known.encoding) == (found.type, found.encoding)
        same_shape = known.shape == found.shape
        return (same_type or self._allow_type_changes) and (same_shape or self._allow_shape_changes)


class _HeaderOutdated(Exception):  # noqa: N818 - a state, never seen outside
    """A value needs another header than the present one."""


@dataclass(slots=True)
class _Slot:
    """How to pack one channel."""

    name: str
    channel: ChannelHeader | None
    """None while the channel never had a value and is left out."""
    kind: type = NoneType
    """The class of the last value: `pack` is for values of exactly this class."""
    pack: Pack = pack_nothing

    def expect(self, kind: type, compress: Compress) -> None:
        if self.channel is not None:
            self.kind = kind
            self.pack = fast_packer(self.channel, kind, compress)


def _stamp(order: str, timestamp: Timestamp) -> bytes:
    try:
        return TIMES[order].pack(*timestamp)
    except struct.error as error:
        raise MalformedMessage(f"timestamp {timestamp}: two numbers of 64 bits expected: {error}") from error
