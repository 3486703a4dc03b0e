"""How many readers are connected, counted by completed handshakes: a port scan is no reader."""

import threading
import time

import zmq
import zmq.utils.monitor

WAIT_MS = 200
"""Longest wait for an event before looking whether to stop."""


class ClientCount:
    """Follows the events of one output socket, in a thread of its own."""

    def __init__(self, monitor: "zmq.Socket[bytes]") -> None:
        self._monitor = monitor
        self._stop = threading.Event()
        self.clients = 0
        self._refused = 0
        self._alone_since = time.monotonic()
        self._thread = threading.Thread(target=self._follow, name="clients", daemon=True)
        self._thread.start()

    @property
    def idle_s(self) -> float | None:
        """For how long there has been no reader [s]; None while there is one."""
        return None if self.clients else time.monotonic() - self._alone_since

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        try:
            while not self._stop.is_set():
                if self._monitor.poll(WAIT_MS):
                    self._count(zmq.utils.monitor.recv_monitor_message(self._monitor)["event"])
        finally:
            self._monitor.close(0)

    def _count(self, event: int) -> None:
        if event == zmq.Event.HANDSHAKE_SUCCEEDED:
            self.clients += 1
        elif event != zmq.Event.DISCONNECTED:
            self._refused += 1
        elif self._refused:
            # A failed handshake is followed by the end of its connection, which was no reader's.
            self._refused -= 1
        elif self.clients:
            self.clients -= 1
            self._alone_since = time.monotonic()
