"""The bsread stream of a worker: PUB or PUSH, whole messages or none, bounded in messages and in bytes."""

import threading
from collections.abc import Mapping
from typing import Any, Literal

from camstream.frame import Timestamp
from camstream.spec.fields import Compression, OutputMode
from camstream.spec.output import HeaderPolicy, StreamOutput
from camstream.wire import Encoder
from camstream.wire import HeaderPolicy as WirePolicy
from camstream.wire.zmtp import SocketType
from camstream_worker.counters import Counters
from camstream_worker.image import compression
from camstream_worker.sockets import SendingSocket

WAIT_S = 0.1
"""[s] How often a sender that waits for room looks whether it shall stop."""

_COMPRESSION: dict[Compression, Literal["bitshuffle_lz4"] | None] = {Compression.NONE: None, Compression.BITSHUFFLE_LZ4: "bitshuffle_lz4"}
_POLICY = {
    HeaderPolicy.ON_CHANGE: WirePolicy.ON_CHANGE,
    HeaderPolicy.ALWAYS: WirePolicy.ALWAYS,
    HeaderPolicy.ONCE: WirePolicy.ONCE,
}


class BsreadOutput:
    """Sends messages. Made, used and closed by one thread; another attends to :attr:`readers`."""

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
            compress=compression.compress,
        )
        if spec.compression is Compression.BITSHUFFLE_LZ4:
            compression.load()
        connect = spec.connect or connect
        self.readers = SendingSocket(
            SocketType.PUB if spec.mode is OutputMode.PUB else SocketType.PUSH,
            connect or address,
            most_messages=spec.queue_size,
            most_bytes=spec.queue_mebibytes * 2**20,
            listening=not connect,
        )
        self.address = self.readers.address

    def send(self, values: Mapping[str, Any], pulse_id: int, timestamp: Timestamp) -> bool:
        """Send one message whole, or drop it whole and count it.

        :returns: whether it was sent (to every client, for PUB)
        """
        parts = self._encoder.encode(values, pulse_id, timestamp)
        sent = self._publish(parts) if self.readers.kind is SocketType.PUB else self._push(parts)
        if sent:
            self._counters.sent += 1
            self._counters.bytes_sent += sum(map(len, parts))
        self._counters.header_changes = self._encoder.header_changes
        if self.readers.undelivered:
            self._counters.output_drops["receiver_gone"] = self.readers.undelivered
        return sent

    def _publish(self, parts: list[Any]) -> bool:
        lost = self.readers.publish(parts)
        if lost:
            self._counters.output_drops["slow_client"] += lost
        return not lost

    def _push(self, parts: list[Any]) -> bool:
        while not self._stop.is_set():
            if self.readers.push(parts, WAIT_S if self._spec.block else 0):
                return True
            if not self._spec.block:
                self._counters.output_drops["no_room"] += 1
                return False
        self._counters.output_drops["stopped"] += 1
        return False

    def close(self) -> None:
        self.readers.close()
