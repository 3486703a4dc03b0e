"""ZMTP 3.0, how ZeroMQ sockets talk, as bytes: no socket here (https://rfc.zeromq.org/spec/23/).

.. code-block:: text

    greeting    64 bytes: signature, version 3.0, mechanism NULL
    READY       a command that says what kind of socket this is
    then        frames: one byte of flags, the length in 1 or 8 bytes, and the bytes of one part of a message

A subscription is a message of one part to the publisher: 1 and a prefix; 0 and a prefix takes it back. Version 3.1 is not announced,
so that its own form of the same is not used; its heartbeats are answered.
"""

import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import numpy as np

from camstream.errors import ForeignPeer
from camstream.wire.channel import Part

MORE, LONG, COMMAND = 0x01, 0x02, 0x04
"""Flags of a frame: another part of the same message follows; the length has 8 bytes; not for the reader but for the socket."""

GREETING: Final = b"\xff" + bytes(7) + b"\x01\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
"""What both sides begin with."""

SUBSCRIBE_TO_ALL: Final = b"\x00\x01\x01"
"""The message that asks a publisher for everything."""

JOINED_BELOW: Final = 65536
"""[bytes] A smaller part is copied into one piece with its neighbours; a larger one is sent from where it lies."""

READ_AHEAD: Final = 65536
"""[bytes] What is read at once where it is not known yet what comes."""

MOST_BYTES: Final = 1 << 30
"""[bytes] Largest message that is taken."""

MOST_PARTS: Final = 100_000

_TWO_BYTES: Final = tuple(tuple(bytes((more, length)) for length in range(256)) for more in (0, MORE))
_LONG_HEAD: Final = struct.Struct(">BQ")
_LENGTH: Final = struct.Struct(">Q")
_SIGNATURE, _VERSION, _MECHANISM = slice(0, 10), 10, slice(12, 32)
_TYPE: Final = "socket-type"


class SocketType(Enum):
    """Kinds of sockets, and which of them understand each other."""

    PUB = b"PUB"
    SUB = b"SUB"
    PUSH = b"PUSH"
    PULL = b"PULL"

    @property
    def partners(self) -> frozenset[bytes]:
        return _PARTNERS[self]


_PARTNERS: Final = {
    SocketType.PUB: frozenset({b"SUB", b"XSUB"}),
    SocketType.SUB: frozenset({b"PUB", b"XPUB"}),
    SocketType.PUSH: frozenset({b"PULL"}),
    SocketType.PULL: frozenset({b"PUSH"}),
}


def pieces(parts: Sequence[Part]) -> list[Part]:
    """A message as it goes out: few pieces that follow each other. Large parts are not copied.

    :param parts: bytes-like, and ``len`` of each is its number of bytes
    """
    found: list[Part] = []
    small: list[Part] = []
    last = len(parts) - 1
    for index, part in enumerate(parts):
        length = len(part)
        if length < 256:
            small.append(_TWO_BYTES[index < last][length])
        else:
            small.append(_LONG_HEAD.pack(LONG | (index < last), length))
            if length >= JOINED_BELOW:
                found += (b"".join(small), part)
                small = []
                continue
        small.append(part)
    if small:
        found.append(b"".join(small))
    return found


def command(name: bytes, body: bytes = b"") -> bytes:
    return b"".join((bytes((COMMAND, 1 + len(name) + len(body), len(name))), name, body))


def ready(kind: SocketType) -> bytes:
    return command(b"READY", b"\x0bSocket-Type" + struct.pack(">I", len(kind.value)) + kind.value)


@dataclass(slots=True, eq=False)
class Incoming:
    """What the other side of a connection sends: its greeting, its READY, then messages.

    The caller writes bytes into :meth:`room`, says how many with :meth:`took`, and takes messages from :attr:`messages`. A large part is
    received where it stays: it is not copied.
    """

    kind: SocketType
    """Ours."""
    messages: deque[list[Part]] = field(default_factory=deque)
    """Whole messages that came, each part bytes or a view of bytes."""
    answers: list[bytes] = field(default_factory=list)
    """What is to be sent because of what came: the caller takes it out."""
    ready: bool = False
    """Whether the other side has said what it is."""
    most_bytes: int = MOST_BYTES
    _greeted: bool = False
    _parts: list[Part] = field(default_factory=list)
    _bytes: int = 0
    """Of the parts of the message that is not whole yet."""
    _buffer: bytearray = field(default_factory=lambda: bytearray(READ_AHEAD))
    _start: int = 0
    _end: int = 0
    """What has been read ahead lies between these two."""
    _large: memoryview | None = None
    """The part that is being received."""
    _filled: int = 0
    _large_flags: int = 0

    def room(self) -> memoryview:
        """Where the next bytes are to be written; never empty."""
        if self._large is not None:
            return self._large[self._filled :]
        return memoryview(self._buffer)[self._end :]

    @property
    def missing(self) -> int:
        """Bytes that are certainly still to come before anything can be done [bytes]; 0 where that is not known."""
        return 0 if self._large is None else len(self._large) - self._filled

    def took(self, count: int) -> None:
        """Look at ``count`` more bytes.

        :raises ForeignPeer: if the other side is no ZeroMQ socket, or none that we can talk to
        """
        if self._large is not None:
            self._filled += count
            if self._filled == len(self._large):
                part, self._large = self._large, None
                self._add(part, self._large_flags)
            return
        self._end += count
        if not self._greeted and not self._greet():
            return
        self._frames()
        waiting = self._end - self._start
        if self._start:
            self._buffer[:waiting] = self._buffer[self._start : self._end]
            self._start, self._end = 0, waiting

    def _greet(self) -> bool:
        greeting = bytes(memoryview(self._buffer)[: min(self._end, len(GREETING))])
        if greeting[:1] not in (b"", b"\xff") or greeting[9:10] not in (b"", b"\x7f"):
            raise ForeignPeer(f"no ZeroMQ: it begins with {greeting[:10]!r}")
        if len(greeting) > _VERSION and greeting[_VERSION] < 3:
            raise ForeignPeer(f"it speaks ZMTP {greeting[_VERSION]}, and 3 is needed: ZeroMQ 4 or later, JeroMQ 0.4 or later")
        if len(greeting) < len(GREETING):
            return False
        mechanism = greeting[_MECHANISM].rstrip(b"\0")
        if mechanism != b"NULL":
            raise ForeignPeer(f"it asks for the security mechanism {mechanism!r}, and only NULL is spoken here")
        self._greeted, self._start = True, len(GREETING)
        return True

    def _frames(self) -> None:
        """Take apart what has been read ahead."""
        buffer, start, end = self._buffer, self._start, self._end
        view = memoryview(buffer)
        while end - start >= 2:
            flags, length, first = buffer[start], buffer[start + 1], start + 2
            if flags & LONG:
                first = start + _LONG_HEAD.size
                if end < first:
                    break
                length = _LENGTH.unpack_from(buffer, start + 1)[0]
            if flags & COMMAND and first - start + length > len(buffer):
                raise ForeignPeer(f"a command of {length} bytes")
            if self._bytes + length > self.most_bytes or len(self._parts) >= MOST_PARTS:
                raise ForeignPeer(f"a message of more than {self.most_bytes} bytes or {MOST_PARTS} parts")
            if end - first >= length:
                start = first + length
                self._add(bytes(view[first:start]), flags)
            elif first - start + length > len(buffer):
                self._begin_large(view[first:end], length, flags)
                start = end
            else:
                break
        self._start = start

    def _begin_large(self, there: memoryview, length: int, flags: int) -> None:
        # Not bytearray: that would be filled with zeros first.
        self._large = np.empty(length, np.uint8).data
        self._filled, self._large_flags = len(there), flags
        self._large[: len(there)] = there

    def _add(self, part: Part, flags: int) -> None:
        if flags & COMMAND:
            self._obey(bytes(part))
            return
        if not self.ready:
            raise ForeignPeer("a message before the handshake was complete")
        self._parts.append(part)
        self._bytes += len(part)
        if not flags & MORE:
            self.messages.append(self._parts)
            self._parts, self._bytes = [], 0

    def _obey(self, body: bytes) -> None:
        length = body[0] if body else 0
        name, rest = body[1 : 1 + length], body[1 + length :]
        if name == b"READY" and not self.ready:
            partner = _properties(rest).get(_TYPE, b"")
            if partner not in self.kind.partners:
                raise ForeignPeer(f"a socket of type {_text(partner)}; {_text(self.kind.value)} talks to {_texts(self.kind.partners)} only")
            self.ready = True
            if self.kind is SocketType.SUB:
                # Not earlier: until libzmq has said itself what it is, it takes this for a second READY, and closes.
                self.answers.append(SUBSCRIBE_TO_ALL)
        elif name == b"PING":
            # Two bytes say how long the other side waits; what follows is to be given back.
            self.answers.append(command(b"PONG", rest[2:18]))
        elif name == b"ERROR":
            raise ForeignPeer(f"it refuses: {rest[1:]!r}")


def _properties(body: bytes) -> dict[str, bytes]:
    """What a READY says: names without regard to case, and values."""
    found: dict[str, bytes] = {}
    position = 0
    try:
        while position < len(body):
            name_end = position + 1 + body[position]
            (length,) = struct.unpack_from(">I", body, name_end)
            found[body[position + 1 : name_end].decode("latin-1").lower()] = body[name_end + 4 : name_end + 4 + length]
            position = name_end + 4 + length
    except struct.error as error:
        raise ForeignPeer(f"a READY that ends too early: {body!r:.80}") from error
    return found


def _text(name: bytes) -> str:
    return name.decode("latin-1")[:40] or "(none)"


def _texts(names: frozenset[bytes]) -> str:
    return " and ".join(sorted(map(_text, names)))
