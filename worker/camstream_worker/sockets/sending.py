"""Messages to all who subscribe, or to one after the other who pull."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from camstream.wire.channel import Part
from camstream.wire.zmtp import SocketType, pieces
from camstream_worker.sockets.link import Link
from camstream_worker.sockets.links import Links

FLUSH_S = 0.5
"""[s] How long messages that wait may still leave when the socket is closed."""


class SendingSocket(Links):
    """A PUB or PUSH. One thread sends and closes; another attends to the connections, as long as :attr:`closed` is false.

    What the operating system does not take at once waits for each connection, up to bounds in messages and bytes.
    """

    def __init__(self, kind: SocketType, address: str, *, most_messages: int, most_bytes: int, listening: bool = True) -> None:
        super().__init__(kind, address, listening=listening)
        self._most_messages, self._most_bytes = most_messages, most_bytes
        self._changed = threading.Condition()
        """Held while connections are looked at or changed; told when one has more room, or joins."""
        self._partners: list[Link] = []
        """Those that have said what they are; the next one to push to comes first."""
        self._alone_since = time.monotonic()
        self.undelivered = 0
        """Messages of a PUSH that waited for somebody who is gone. To a PUB it is nothing that those who left do not get the rest."""
        self.closed = False

    @property
    def clients(self) -> int:
        """Completed handshakes: a port scan is no reader."""
        return len(self._partners)

    @property
    def idle_s(self) -> float | None:
        """For how long there has been no reader [s]; None while there is one."""
        return None if self._partners else time.monotonic() - self._alone_since

    @property
    def waiting_bytes(self) -> int:
        """What has not been handed to the operating system yet, of all readers [bytes]."""
        return sum(link.waiting_bytes for link in self._partners)

    # ------------------------------------------------------------------ the thread that sends

    def publish(self, parts: Sequence[Part]) -> int:
        """Send a message to every subscriber that wants it and has room.

        :returns: how many had no room
        """
        with self._changed:
            wanting = [link for link in self._partners if link.wants(parts[0])]
            if not wanting:
                return 0
            message = pieces(parts)
            size = sum(map(len, message))
            without_room = 0
            for link in wanting:
                if self._has_room(link, size):
                    self._give(link, message, size)
                else:
                    without_room += 1
            return without_room

    def push(self, parts: Sequence[Part], timeout_s: float) -> bool:
        """Send a message to the next who has room; wait for one for at most ``timeout_s`` [s].

        :returns: whether there was one
        """
        message = pieces(parts)
        size = sum(map(len, message))
        with self._changed:
            if not self._changed.wait_for(lambda: any(self._has_room(link, size) for link in self._partners), timeout_s):
                return False
            link = next(link for link in self._partners if self._has_room(link, size))
            self._partners.remove(link)
            self._partners.append(link)
            self._give(link, message, size)
            return True

    def _has_room(self, link: Link, size: int) -> bool:
        return not link.waiting or (link.waiting < self._most_messages and link.waiting_bytes + size <= self._most_bytes)

    def _give(self, link: Link, message: list[Part], size: int) -> None:
        link.put(message, size)
        try:
            self.flush(link)
        except OSError as error:
            self._drop(link, str(error))

    def close(self) -> None:
        """Let what waits leave, for half a second at most, and end."""
        end = time.monotonic() + FLUSH_S
        while (left := end - time.monotonic()) > 0 and any(link.waiting for link in self._partners):
            # Not longer at once: the other thread may send the rest meanwhile.
            self.attend(min(left, FLUSH_S / 10))
        with self._changed:
            self.closed = True
            super().close()
            self._partners.clear()

    # ------------------------------------------------------------------ the thread that attends

    def attend(self, timeout_s: float) -> None:
        events = self.wait(timeout_s)
        with self._changed:
            if self.closed:
                return
            waiting, partners = self._waiting(), len(self._partners)
            for fd, event in events:
                self.handle(fd, event)
            self.keep_in_order()
            if self._waiting() < waiting or len(self._partners) > partners:
                self._changed.notify_all()

    def _waiting(self) -> int:
        return sum(link.waiting for link in self._partners)

    def joined(self, link: Link) -> None:
        self._partners.append(link)

    def left(self, link: Link) -> None:
        with suppress(ValueError):
            self._partners.remove(link)
        if self.kind is SocketType.PUSH:
            self.undelivered += link.waiting
        if not self._partners:
            self._alone_since = time.monotonic()

    def heard(self, link: Link) -> None:
        while link.incoming.messages:
            message = link.incoming.messages.popleft()
            if self.kind is SocketType.PUB and len(message) == 1:
                link.subscribe(message[0])
