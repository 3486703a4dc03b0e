"""All connections of one socket: listening for others or connecting again and again, and who is there."""

import errno
import logging
import os
import select
import socket
import time
from contextlib import suppress
from pathlib import Path

from camstream.errors import ForeignPeer
from camstream.names import CONNECT_MS
from camstream.wire.zmtp import SocketType
from camstream_worker.sockets.address import endpoint, listen
from camstream_worker.sockets.link import Link

log = logging.getLogger(__name__)

HANDSHAKE_S = 30.0
"""[s] Who has not said by then what it is has to go: a port scan, or a probe."""

PAUSE, SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 0.1, 1.0
"""Pause before the next try to connect: a share of the time without a connection, within bounds [s]. It makes no wait much longer."""

OUT_OF_DESCRIPTORS_S = 0.1
"""[s] Pause where a connection cannot be taken because this process has no room for it."""


class Links:
    """Connections, and what happens to them. Everything is done in :meth:`attend`, by who calls it."""

    def __init__(self, kind: SocketType, address: str, *, listening: bool) -> None:
        """
        :raises AddressInUse: if somebody else listens there
        :raises OSError: if it cannot listen there for another reason
        """
        self.kind = kind
        self.address = address
        self._links: dict[int, Link] = {}
        self._listener: socket.socket | None = None
        self._next_try = self._apart_since = time.monotonic()
        self._next_look = 0.0
        self._refused = ""
        if listening:
            self._listener, self.address = listen(address)
        self._epoll = select.epoll()
        if self._listener is not None:
            self._epoll.register(self._listener, select.EPOLLIN)

    # ------------------------------------------------------------------ for subclasses

    def joined(self, link: Link) -> None:
        """The other side has said what it is."""

    def left(self, link: Link) -> None:
        """A connection that had joined is gone."""

    def heard(self, link: Link) -> None:
        """Messages have come."""

    # ------------------------------------------------------------------ life

    def fileno(self) -> int:
        """Readable when there is something to attend to."""
        return self._epoll.fileno()

    def attend(self, timeout_s: float) -> None:
        """Wait until something happens, for at most ``timeout_s`` [s], and do what is to be done."""
        for fd, events in self.wait(timeout_s):
            self.handle(fd, events)
        self.keep_in_order()

    def wait(self, timeout_s: float) -> list[tuple[int, int]]:
        """Wait for events, for at most ``timeout_s`` [s]: the part of :meth:`attend` that changes nothing."""
        if self._listener is None and not self._links:
            timeout_s = min(timeout_s, max(self._next_try - time.monotonic(), 0))
        return self._epoll.poll(timeout_s)

    def handle(self, fd: int, events: int) -> None:
        if self._listener is not None and fd == self._listener.fileno():
            self._accept(self._listener)
        elif (link := self._links.get(fd)) is not None:
            self._handle(link, events)

    def keep_in_order(self) -> None:
        """Connect where it is time for it, and send away who does not say what it is."""
        now = time.monotonic()
        if self._listener is None and not self._links:
            if now >= self._next_try:
                self._connect()
        elif now >= self._next_look:
            self._next_look = now + CONNECT_MS / 1000 / 2
            for link in list(self._links.values()):
                limit_s = HANDSHAKE_S if link.connected else CONNECT_MS / 1000
                if not link.incoming.ready and now - link.since > limit_s:
                    self._drop(link, "it does not say what it is" if link.connected else "nobody answers")

    def watch(self, link: Link, events: int) -> None:
        """Ask to be told of these events of a connection."""
        if events != link.watched:
            self._epoll.modify(link.fd, events)
            link.watched = events

    def close(self) -> None:
        """End everything. What waits for events is closed when nobody has it any more: another thread may be waiting."""
        for link in list(self._links.values()):
            self._remove(link)
        if self._listener is not None:
            if self._listener.family == socket.AF_UNIX:
                with suppress(OSError, ValueError):
                    Path(self._listener.getsockname()).unlink()
            self._listener.close()

    # ------------------------------------------------------------------ one connection

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                log.warning("%s: cannot take another reader: %s", self.address, error)
                time.sleep(OUT_OF_DESCRIPTORS_S)
            return
        self._add(Link(connection, self.kind, connected=True))

    def _connect(self) -> None:
        self._try_later()
        try:
            family, where = endpoint(self.address)
            connection = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            self._tell(str(error))
            return
        connection.setblocking(False)
        code = connection.connect_ex(where)
        if code in (0, errno.EINPROGRESS, errno.EAGAIN):
            self._add(Link(connection, self.kind, connected=code == 0))
        else:
            connection.close()
            self._tell(os.strerror(code))

    def _add(self, link: Link) -> None:
        link.watched = select.EPOLLIN | select.EPOLLOUT
        self._links[link.fd] = link
        self._epoll.register(link.fd, link.watched)

    def _handle(self, link: Link, events: int) -> None:
        try:
            if not link.connected:
                if code := link.connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    raise OSError(code, os.strerror(code))  # noqa: TRY301 - as any other failure of a connection
                link.connected, link.since = True, time.monotonic()
            if events & ~select.EPOLLOUT:
                was_ready = link.incoming.ready
                if not link.read():
                    self._drop(link, "it has closed the connection")
                    return
                if link.incoming.ready and not was_ready:
                    self._refused = ""
                    self.joined(link)
                if link.incoming.messages:
                    self.heard(link)
            if link.waiting:
                self.flush(link)
        except (OSError, ForeignPeer) as error:
            self._drop(link, error.strerror if isinstance(error, OSError) and error.strerror else str(error))

    def flush(self, link: Link) -> None:
        """Send what waits for one connection, and ask to be told when there is room for the rest.

        :raises OSError: if the connection is broken
        """
        self.watch(link, select.EPOLLIN if link.flush() else select.EPOLLIN | select.EPOLLOUT)

    def _drop(self, link: Link, why: str) -> None:
        ready = link.incoming.ready
        self._remove(link)
        if ready:
            self._apart_since = time.monotonic()
            self.left(link)
        else:
            self._tell(why)
        if self._listener is None:
            self._try_later()

    def _try_later(self) -> None:
        now = time.monotonic()
        self._next_try = now + min(max(PAUSE * (now - self._apart_since), SHORTEST_PAUSE_S), LONGEST_PAUSE_S)

    def _remove(self, link: Link) -> None:
        if self._links.pop(link.fd, None) is not None:
            with suppress(OSError):
                self._epoll.unregister(link.fd)
            link.close()

    def _tell(self, why: str) -> None:
        """Once, however often it happens again: a peer that is not there yet is nothing unusual."""
        if why != self._refused:
            self._refused = why
            log.info("%s: no connection: %s", self.address, why)
