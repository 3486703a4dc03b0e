"""How many readers are connected, counted by completed handshakes: a port scan is no reader."""

import threading

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
        self._thread = threading.Thread(target=self._follow, name="clients", daemon=True)
        self._thread.start()

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
        if event == zmq.Event.DISCONNECTED:
            self.clients = max(self.clients - 1, 0)
        else:
            # A completed handshake; or a failed one, which is followed by a disconnection that nobody had counted.
            self.clients += 1
