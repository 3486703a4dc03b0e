"""Messages from one publisher, or from all who push."""

import time
from collections import deque

from camstream.wire.channel import Part
from camstream.wire.zmtp import SocketType
from camstream_worker.sockets.link import Link
from camstream_worker.sockets.links import Links


class ReceivingSocket(Links):
    """A SUB or PULL. Made, used and closed by one thread.

    What is not taken stays with the operating system, and when that has no more room, with the sender.
    """

    def __init__(self, kind: SocketType, address: str, *, listening: bool = False) -> None:
        super().__init__(kind, address, listening=listening)
        self._heard: deque[Link] = deque()
        """Connections with messages that nobody has taken yet."""

    def receive(self, timeout_s: float) -> list[Part] | None:
        """The parts of the next message, or None after ``timeout_s`` [s]. Connections take turns."""
        end = time.monotonic() + timeout_s
        while not self._heard:
            left = end - time.monotonic()
            self.attend(max(left, 0))
            if left <= 0 and not self._heard:
                return None
        link = self._heard.popleft()
        message = link.incoming.messages.popleft()
        if link.incoming.messages:
            self._heard.append(link)
        return message

    def heard(self, link: Link) -> None:
        if link not in self._heard:
            self._heard.append(link)
