"""Multipart messages to values."""

import math
import reprlib
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from camstream.errors import MalformedMessage, TruncatedMessage
from camstream.frame import Timestamp
from camstream.wire.channel import STRING, TIMES, ChannelHeader, Part, Unpack, Value, unpacker
from camstream.wire.compression import ReadBlocks, read_blocks
from camstream.wire.header import MainHeader, header_hash, parse_data_header, parse_main_header

MOST_BYTES: Final = 256 << 20
"""Four images of 16 megapixels and 32 bits."""

_MOST_HEADERS: Final = 16
_TIME_BYTES: Final = TIMES["little"].size


@dataclass(slots=True, eq=False)
class Message:
    """One message as received. Its arrays live as long as they are used, and with them ZMQ's memory."""

    pulse_id: int
    timestamp: Timestamp
    values: dict[str, Value]
    """A numpy scalar, a str, or a read-only array of shape (..., y, x) by channel name; None where none was sent.
    A big-endian array keeps its byte order."""
    header: tuple[ChannelHeader, ...]
    """All channels of the message, also those that were not asked for."""
    format_changed: bool
    """The first message of the decoder, or the header differs from that of the message before."""
    undecoded: Mapping[str, str]
    """Channels whose value is None because their type or compression is not known, with the reason."""
    _stamps: Sequence[Part] = field(repr=False)

    @property
    def timestamps(self) -> dict[str, Timestamp | None]:
        """Time of each value, None where none was sent. Made at each access: hardly anybody asks."""
        return {
            channel.name: self._timestamp(channel, stamp)
            for channel, stamp in zip(self.header, self._stamps, strict=True)
            if channel.name in self.values
        }

    def _timestamp(self, channel: ChannelHeader, stamp: Part) -> Timestamp | None:
        if len(stamp) == _TIME_BYTES:
            return Timestamp(*TIMES[channel.encoding].unpack(stamp))
        return None if self.values[channel.name] is None else self.timestamp


class Decoder:
    """Read one message after the other from a socket.

    Any bytes give a :class:`Message` or a :class:`~camstream.errors.WireError`, after which the next message can be
    read. A value that cannot be right loses its message; a type or compression that is not known loses only its value.
    Not thread-safe.
    """

    def __init__(self, max_bytes: int = MOST_BYTES, channels: Collection[str] | None = None, *, blocks: ReadBlocks = read_blocks) -> None:
        """Begin a stream.

        :param max_bytes: most bytes that the arrays of a message, or one string, may have uncompressed
        :param channels: names of the channels to decode, None for all
        :param blocks: what reads the blocks of bitshuffle_lz4
        """
        self._max_bytes = max_bytes
        self._blocks = blocks
        self._wanted = None if channels is None else frozenset(channels)
        self._plans: OrderedDict[tuple[str, str | None, int], _Plan] = OrderedDict()
        self._last: _Plan | None = None

    def decode(self, parts: Sequence[Part]) -> Message:
        """Read one message.

        :param parts: as received; each is bytes-like and ``len`` of it is its number of bytes
        :raises ForeignMessage: if the message is not of bsread, or a command of bsread
        :raises TruncatedMessage: if parts or bytes are missing or left over
        :raises MalformedMessage: if a header or value contradicts itself
        """
        if not parts:
            raise TruncatedMessage("a message of no parts; a main header was expected")
        main = parse_main_header(parts[0])
        if len(parts) < 2:
            raise TruncatedMessage("a message of one part; a data header was expected to follow")
        plan = self._plan(main, parts[1])
        if len(parts) != plan.parts:
            raise TruncatedMessage(f"pulse {main.pulse_id}: {len(plan.channels)} channels take {plan.parts} parts, found {len(parts)}")
        values: dict[str, Value] = {}
        for index, name, unpack in plan.rows:
            part, stamp = parts[index], parts[index + 1]
            if len(part) and len(stamp) == _TIME_BYTES:
                values[name] = unpack(part)
            else:
                values[name] = plan.unpack_irregular(index, unpack, part, stamp)
        last, self._last = self._last, plan
        return Message(
            pulse_id=main.pulse_id,
            timestamp=main.timestamp,
            values=values,
            header=plan.channels,
            format_changed=last is not plan and (last is None or last.channels != plan.channels),
            undecoded=plan.undecoded,
            _stamps=parts[3::2],
        )

    def _plan(self, main: MainHeader, part: Part) -> "_Plan":
        """Return how to read messages of this data header, parsing it only when its hash is new."""
        key = (main.hash, main.compression, len(part))
        plan = self._plans.get(key)
        if plan is None:
            channels = parse_data_header(part, main.compression)
            plan = _Plan.of(channels, self._wanted, self._max_bytes, self._blocks)
            # Some senders put something else in place of the hash; their headers are parsed every time.
            if header_hash(part) == main.hash.lower():
                self._plans[key] = plan
                if len(self._plans) > _MOST_HEADERS:
                    self._plans.popitem(last=False)
        elif plan is not self._last:
            self._plans.move_to_end(key)
        return plan


@dataclass(frozen=True, slots=True)
class _Plan:
    """How to read the messages of one data header."""

    channels: tuple[ChannelHeader, ...]
    rows: tuple[tuple[int, str, Unpack], ...]
    """Index of the value's part, name, and reader of each channel to decode."""
    undecoded: Mapping[str, str]

    @classmethod
    def of(cls, channels: tuple[ChannelHeader, ...], wanted: frozenset[str] | None, most: int, blocks: ReadBlocks) -> "_Plan":
        chosen = [(i, channel) for i, channel in enumerate(channels) if wanted is None or channel.name in wanted]
        size = sum(_room(channel) for _, channel in chosen)
        if size > most:
            raise MalformedMessage(f"data header: the shapes of its channels take {size} bytes, {most} are accepted")
        return cls(
            channels,
            tuple((2 + 2 * i, channel.name, unpacker(channel, most, blocks)) for i, channel in chosen),
            MappingProxyType({channel.name: channel.undecodable for _, channel in chosen if channel.undecodable}),
        )

    @property
    def parts(self) -> int:
        return 2 + 2 * len(self.channels)

    def unpack_irregular(self, index: int, unpack: Unpack, part: Part, stamp: Part) -> Value:
        """Read a value when it or its timestamp is empty."""
        channel = self.channels[index // 2 - 1]
        if len(stamp) not in {0, _TIME_BYTES}:
            raise TruncatedMessage(f"channel {reprlib.repr(channel.name)}: a timestamp has {_TIME_BYTES} bytes, found {len(stamp)}")
        if len(part) or (len(stamp) and channel.may_be_empty):
            return unpack(part)
        return None


def _room(channel: ChannelHeader) -> int:
    """Return the bytes that the shape asks for. An axis of length 0 does not excuse an absurd one beside it."""
    if channel.type == STRING:
        return 0
    return math.prod(max(length, 1) for length in channel.shape) * channel.dtype.itemsize
