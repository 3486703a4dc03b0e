"""One connection to another ZeroMQ socket."""

import socket
import time
from collections import deque
from collections.abc import Sequence

from camstream.errors import ForeignPeer
from camstream.wire.channel import Part
from camstream.wire.zmtp import GREETING, MOST_BYTES, READ_AHEAD, Incoming, SocketType, ready

MOST_PIECES = 1000
"""More than 1,024 the operating system does not take at once."""

MOST_PREFIXES = 1000
"""Subscriptions of one reader; the first part of a message is a header that all of them begin with alike."""

WAKE_AT = 512 * 1024
"""[bytes] While a large part comes, this much is let gather before it is fetched: to be woken for every packet costs more than the copy."""

KEEP_ALIVE = {socket.TCP_KEEPIDLE: 2, socket.TCP_KEEPINTVL: 1, socket.TCP_KEEPCNT: 3}
"""[s, s, times] So that a peer that vanished without closing (a lost node) is noticed."""


class Link:
    """Bytes that come and bytes that wait to go. Not thread-safe."""

    def __init__(self, connection: socket.socket, kind: SocketType, *, connected: bool) -> None:
        connection.setblocking(False)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in KEEP_ALIVE.items():
                connection.setsockopt(socket.IPPROTO_TCP, option, value)
        self.connection = connection
        self.fd = connection.fileno()
        self.connected = connected
        # To one that sends, nobody has more to say than what he subscribes to.
        self.incoming = Incoming(kind, most_bytes=MOST_BYTES if kind in (SocketType.SUB, SocketType.PULL) else READ_AHEAD)
        self.since = time.monotonic()
        """When it began."""
        self.prefixes: list[bytes] = []
        """What a subscriber wants: messages whose first part begins with one of these."""
        self.watched = 0
        """Events that epoll is asked for."""
        self._begun = True
        """Whether nothing may be put before what waits first: the greeting, or a message of which a part is sent."""
        self._wakes_at = 1
        hello = GREETING + ready(kind)
        self._outgoing: deque[list[Part]] = deque([[hello]])
        self.waiting_bytes = len(hello)

    @property
    def waiting(self) -> int:
        """Messages that wait to go; one that is on its way counts, too."""
        return len(self._outgoing)

    def read(self) -> bool:
        """Take what has come, up to the end of a message.

        :returns: False if the other side has closed
        :raises ForeignPeer: if it is nobody that we can talk to
        :raises OSError: if the connection is broken
        """
        incoming = self.incoming
        while not incoming.messages:
            room = incoming.room()
            try:
                count = self.connection.recv_into(room)
            except BlockingIOError:
                break
            if not count:
                return False
            incoming.took(count)
            if count < len(room):
                break
        self._wake_at(min(incoming.missing, WAKE_AT) or 1)
        if incoming.answers:
            self._answer()
        return True

    def _wake_at(self, count: int) -> None:
        if count != self._wakes_at and self.connection.family != socket.AF_UNIX:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
            self._wakes_at = count

    def _answer(self) -> None:
        # Between two messages, and not in one.
        self._outgoing.insert(int(self._begun), list(self.incoming.answers))
        self.waiting_bytes += sum(map(len, self.incoming.answers))
        self.incoming.answers.clear()

    def put(self, pieces: Sequence[Part], size: int) -> None:
        """Let a message wait; :meth:`flush` sends it."""
        self._outgoing.append(list(pieces))
        self.waiting_bytes += size

    def flush(self) -> bool:
        """Send what waits, as far as the operating system takes it.

        :returns: whether nothing waits any more
        :raises OSError: if the connection is broken
        """
        while self._outgoing:
            pieces = self._outgoing[0]
            try:
                count = self.connection.sendmsg(pieces[:MOST_PIECES])
            except BlockingIOError:
                return False
            self.waiting_bytes -= count
            if rest := _after(pieces, count):
                self._outgoing[0] = rest
                self._begun = True
                if len(pieces) <= MOST_PIECES:
                    return False
            else:
                self._outgoing.popleft()
                self._begun = False
        return True

    def subscribe(self, message: Part) -> None:
        """Follow what a subscriber asks for; what is no such request is passed over, as ZeroMQ does.

        :raises ForeignPeer: if it asks for more than anybody needs
        """
        wanted, prefix = bytes(message[:1]), bytes(message[1:])
        if wanted == b"\x01":
            if len(self.prefixes) >= MOST_PREFIXES:
                raise ForeignPeer(f"it subscribes to more than {MOST_PREFIXES} prefixes")
            self.prefixes.append(prefix)
        elif wanted == b"\x00" and prefix in self.prefixes:
            self.prefixes.remove(prefix)

    def wants(self, first: bytes) -> bool:
        """:param first: part of a message"""
        return any(first.startswith(prefix) for prefix in self.prefixes)

    def close(self) -> None:
        self.connection.close()


def _after(pieces: list[Part], count: int) -> list[Part]:
    """What is left of a message of which ``count`` bytes have been sent."""
    for index, piece in enumerate(pieces):
        if count < len(piece):
            return [memoryview(piece)[count:], *pieces[index + 1 :]]
        count -= len(piece)
    return []
