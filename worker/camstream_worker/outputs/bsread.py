"""The bsread stream of a worker: PUB or PUSH, whole messages or none, bounded in messages and in bytes."""

import threading
from collections.abc import Mapping
from typing import Any, Literal

import zmq

from camstream.frame import Timestamp
from camstream.names import CONNECT_MS
from camstream.spec.fields import Compression, OutputMode
from camstream.spec.output import HeaderPolicy, StreamOutput
from camstream.wire import Encoder
from camstream.wire import HeaderPolicy as WirePolicy
from camstream_worker.counters import Counters

COPY_BELOW = 65536
"""[bytes] A smaller part is copied into ZMQ: cheaper than keeping track of its owner."""

IO_THREADS = 2
"""One for what comes and one for what goes: each copies every frame."""

LINGER_MS = 500
"""How long messages that are already queued may still leave when the worker stops."""

POLL_MS = 100
"""How often a blocked sender looks whether it shall stop."""

_COMPRESSION: dict[Compression, Literal["bitshuffle_lz4"] | None] = {Compression.NONE: None, Compression.BITSHUFFLE_LZ4: "bitshuffle_lz4"}
_POLICY = {
    HeaderPolicy.ON_CHANGE: WirePolicy.ON_CHANGE,
    HeaderPolicy.ALWAYS: WirePolicy.ALWAYS,
    HeaderPolicy.ONCE: WirePolicy.ONCE,
}


_send_part = zmq.backend.Socket.send
"""What `zmq.Socket.send` calls in the end, without its checks: they are most of what a message of many small parts costs."""

CLIENT_EVENTS = (
    zmq.Event.HANDSHAKE_SUCCEEDED | zmq.Event.HANDSHAKE_FAILED_NO_DETAIL | zmq.Event.HANDSHAKE_FAILED_PROTOCOL | zmq.Event.DISCONNECTED
)


class AddressInUse(OSError):  # noqa: N818 - what it is
    """Somebody else listens at the address of the stream."""


class BsreadOutput:
    """Sends messages. Made, used and closed by one thread; :attr:`monitor` is for another, which closes it."""

    def __init__(self, spec: StreamOutput, address: str, counters: Counters, stop: threading.Event, connect: str | None = None) -> None:
        """
        :param address: where to listen, unless there is somewhere to connect
        :param connect: where to connect, unless the spec says so
        :raises AddressInUse: if somebody else listens there
        """
        self._spec = spec
        self._counters = counters
        self._stop = stop
        self._encoder = Encoder(
            compression=_COMPRESSION[spec.compression],
            header_compression=_COMPRESSION[spec.header.compression],
            policy=_POLICY[spec.header.policy],
            allow_type_changes=spec.header.allow_type_changes,
            allow_shape_changes=spec.header.allow_shape_changes,
        )
        self._publishes = spec.mode is OutputMode.PUB
        self._socket: zmq.Socket[bytes] = zmq.Context.instance(IO_THREADS).socket(zmq.PUB if self._publishes else zmq.PUSH)
        self._socket.setsockopt(zmq.AFFINITY, 0b10)
        self._socket.setsockopt(zmq.LINGER, LINGER_MS)
        self._socket.setsockopt(zmq.SNDHWM, spec.queue_size)
        # Where this side connects: a try that was lost on the way to an address that nobody served yet is given up, and made anew.
        self._socket.setsockopt(zmq.CONNECT_TIMEOUT, CONNECT_MS)
        self._queue_size = spec.queue_size
        self._lossy = True
        self.monitor: zmq.Socket[bytes] = self._socket.get_monitor_socket(
            zmq.Event.HANDSHAKE_SUCCEEDED
            | zmq.Event.HANDSHAKE_FAILED_NO_DETAIL
            | zmq.Event.HANDSHAKE_FAILED_PROTOCOL
            | zmq.Event.DISCONNECTED
        )
        try:
            connect = spec.connect or connect
            if connect:
                self._socket.connect(connect)
            else:
                self._socket.bind(address)
        except zmq.ZMQError as error:
            self._socket.disable_monitor()
            self.monitor.close(0)
            self._socket.close(0)
            if error.errno == zmq.EADDRINUSE:
                raise AddressInUse(f"{address} is in use by another program; choose another port (output.port)") from error
            raise
        self.address = connect or self._socket.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()

    def send(self, values: Mapping[str, Any], pulse_id: int, timestamp: Timestamp) -> bool:
        """Send one message whole, or drop it whole and count it.

        :returns: whether it was sent (to every client, for PUB)
        """
        parts = self._encoder.encode(values, pulse_id, timestamp)
        size = sum(map(len, parts))
        self._bound(size)
        sent = self._publish(parts) if self._publishes else self._push(parts)
        if sent:
            self._counters.sent += 1
            self._counters.bytes_sent += size
        self._counters.header_changes = self._encoder.header_changes
        return sent

    def _bound(self, size: int) -> None:
        """Keep what may wait for one client below the bound in bytes."""
        allowed = max(min(self._spec.queue_size, self._spec.queue_mebibytes * 2**20 // max(size, 1)), 1)
        if allowed != self._queue_size:
            self._socket.setsockopt(zmq.SNDHWM, allowed)
            self._queue_size = allowed

    def _publish(self, parts: list[Any]) -> bool:
        """Send to every client that has room.

        libzmq drops silently for a client without room. Asked not to, it says so, and sends nothing to anybody: so ask first,
        count, and then send to the others. Until that client has read half of its queue libzmq passes it over and does not tell
        again: the count is how often a queue ran full, a lower bound of what was lost.
        """
        if self._lossy:
            self._refuse_instead_of_drop(True)
        for _ in range(2):
            try:
                self._send(parts)
            except zmq.Again:
                # libzmq looks for news of what clients have read at most once a millisecond, unless it is asked.
                self._socket.getsockopt(zmq.EVENTS)
            else:
                return True
        self._counters.output_drops["slow_client"] += 1
        self._refuse_instead_of_drop(False)
        self._send(parts)
        return False

    def _refuse_instead_of_drop(self, refuse: bool) -> None:
        self._socket.setsockopt(zmq.XPUB_NODROP, int(refuse))
        self._lossy = not refuse

    def _push(self, parts: list[Any]) -> bool:
        while not self._stop.is_set():
            try:
                self._send(parts)
            except zmq.Again:
                if not self._spec.block:
                    break
                self._socket.poll(POLL_MS, zmq.POLLOUT)
            else:
                return True
        self._counters.output_drops["stopped" if self._stop.is_set() else "no_room"] += 1
        return False

    def _send(self, parts: list[Any]) -> None:
        # Only the first part of a message can find no room: libzmq counts whole messages.
        more = zmq.NOBLOCK | zmq.SNDMORE
        for part in parts[:-1]:
            _send_part(self._socket, part, more, len(part) < COPY_BELOW)
        _send_part(self._socket, parts[-1], zmq.NOBLOCK)

    def close(self) -> None:
        self._socket.disable_monitor()
        self._socket.close()
