"""bsread streams as input: a camera's image channel, or the whole message for a pipeline."""

from typing import Any

import numpy as np
import zmq

from camstream.errors import ForeignMessage, FrameError, SourceError, TruncatedMessage, WireError
from camstream.frame import NO_IMAGE, Frame
from camstream.names import CONNECT_MS, IMAGE, PICTURE_SUFFIX, X_AXIS, Y_AXIS
from camstream.spec import WorkerConfig
from camstream.spec.fields import InputMode
from camstream.wire import Decoder, Message
from camstream_worker.counters import Counters

IO_THREADS = 2
"""One for what comes and one for what goes: each copies every frame."""

RECEIVE_QUEUE = 2
"""Messages that ZMQ holds. The worker's own queue comes after it and has the configured bounds."""


_receive_part = zmq.backend.Socket.recv
"""What `zmq.Socket.recv` calls in the end, without its checks: they are most of what a message of many small parts costs."""

OPTIONS = {
    zmq.LINGER: 0,
    zmq.RCVHWM: RECEIVE_QUEUE,
    zmq.AFFINITY: 0b01,
    # So that a peer that vanished without closing (a lost node) is noticed. Not by ZMTP heartbeats: libzmq cannot see them
    # while it waits for room in the queue, takes the peer for dead, and then aborts the process (zeromq/libzmq issue 3937).
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 2,
    zmq.TCP_KEEPALIVE_INTVL: 1,
    zmq.TCP_KEEPALIVE_CNT: 3,
    zmq.CONNECT_TIMEOUT: CONNECT_MS,
    zmq.RECONNECT_IVL: 100,
    zmq.RECONNECT_IVL_MAX: 1000,
}
"""Times of connecting in milliseconds, of keep-alive in seconds."""


class Receiver:
    """A SUB or PULL socket and the decoder behind it."""

    def __init__(
        self, address: str, mode: InputMode, counters: Counters, channels: list[str] | None = None, *, listen: bool = False
    ) -> None:
        """
        :param channels: decode these only; None for all
        :param listen: let others connect, instead of connecting
        """
        self.address = address
        self._counters = counters
        self._decoder = Decoder(channels=channels)
        self._socket: zmq.Socket[bytes] = zmq.Context.instance(IO_THREADS).socket(zmq.SUB if mode is InputMode.SUB else zmq.PULL)
        for option, value in OPTIONS.items():
            self._socket.setsockopt(option, value)
        try:
            if mode is InputMode.SUB:
                self._socket.setsockopt(zmq.SUBSCRIBE, b"")
            if listen:
                self._socket.bind(address)
            else:
                self._socket.connect(address)
        except zmq.ZMQError as error:
            self._socket.close(0)
            raise SourceError(f"cannot {'listen at' if listen else 'connect to'} {address}: {error}; is the address right?") from error

    def receive(self, timeout_s: float) -> Message | None:
        """The next message, or None after ``timeout_s`` [s]. A message that cannot be read is counted and skipped."""
        if not self._socket.poll(int(timeout_s * 1000)):
            return None
        parts = self._receive_parts()
        self._counters.bytes_received += sum(map(len, parts))
        try:
            return self._decoder.decode(parts)
        except WireError as error:
            self._counters.source_drops[_reason(error)] += 1
            raise FrameError(f"unreadable message from {self.address}: {error}") from error

    @property
    def socket(self) -> "zmq.Socket[bytes]":
        """To wait for several receivers at once."""
        return self._socket

    def _receive_parts(self) -> list[zmq.Frame]:
        parts = [_receive_part(self._socket, zmq.NOBLOCK, False)]
        while parts[-1].more:
            parts.append(_receive_part(self._socket, 0, False))
        return parts

    def close(self) -> None:
        self._socket.close(0)


class StreamSource:
    """The stream that a pipeline reads, with all its channels."""

    def __init__(self, config: WorkerConfig, counters: Counters) -> None:
        assert config.pipeline is not None  # noqa: S101 - open_source chose this class by it
        if config.input_address is None:
            raise SourceError("the input has no address yet: it has not been started")
        self._address = config.input_address
        self._counters = counters
        self.receiver = Receiver(self._address, config.pipeline.reading.mode, counters)
        self.description = self._address

    def receive(self, timeout_s: float) -> Frame | None:
        message = self.receiver.receive(timeout_s)
        return None if message is None else self._frame(message)

    def _frame(self, message: Message) -> Frame:
        return frame_of(message)

    def apply(self, config: WorkerConfig) -> bool:
        return config.input_address == self._address

    def close(self) -> None:
        self.receiver.close()


class PipelineInputSource(StreamSource):
    """One of images: channels image, x_axis and y_axis, and whatever else comes with them."""

    def _frame(self, message: Message) -> Frame:
        values = message.values
        image, x_axis, y_axis = (values.pop(name, None) for name in (IMAGE, X_AXIS, Y_AXIS))
        image = _image(image, IMAGE, self._address, self._counters)
        for name, axis, length in ((X_AXIS, x_axis, image.shape[1]), (Y_AXIS, y_axis, image.shape[0])):
            if axis is None:
                self._counters.source_drops["no_axis"] += 1
                raise FrameError(f"a message from {self._address} has no channel {name!r}: is this the stream of a camera or pipeline?")
            if np.size(axis) != length:
                self._counters.source_drops["axis_length"] += 1
                raise FrameError(f"pulse {message.pulse_id} from {self._address}: {name} has {np.size(axis)} values for {length} pixels")
        return Frame(message.pulse_id, message.timestamp, image, np.atleast_1d(x_axis), np.atleast_1d(y_axis), values)


def frame_of(message: Message) -> Frame:
    """A message of any channels as a frame."""
    return Frame(message.pulse_id, message.timestamp, NO_IMAGE, channels=message.values)


class BsreadCamera:
    """One channel of a bsread stream as the image of a camera."""

    def __init__(self, config: WorkerConfig, counters: Counters) -> None:
        assert config.camera is not None  # noqa: S101 - open_source chose this class by it
        spec = config.camera.source.bsread
        assert spec is not None  # noqa: S101
        self._spec = spec
        self._channel = spec.channel or config.external_name + PICTURE_SUFFIX
        self._counters = counters
        self._receiver = Receiver(spec.address, spec.mode, counters, channels=[self._channel])
        self._last_pulse: int | None = None
        self._last_time: tuple[int, int] | None = None
        self.description = f"{self._channel} of {spec.address}"

    def receive(self, timeout_s: float) -> Frame | None:
        message = self._receiver.receive(timeout_s)
        if message is None:
            return None
        image = _image(message.values.get(self._channel), self._channel, self._spec.address, self._counters)
        self._check(message)
        self._last_pulse, self._last_time = message.pulse_id, message.timestamp
        return Frame(message.pulse_id, message.timestamp, image)

    def _check(self, message: Message) -> None:
        """Refuse what the user does not trust. cam_server does the same but tells nobody."""
        spec, who = self._spec, f"pulse {message.pulse_id} from {self._spec.address}"
        if spec.require_pulse_id_in_timestamp and (message.pulse_id - message.timestamp.ns) % 1_000_000:
            self._counters.source_drops["pulse_id_not_in_timestamp"] += 1
            raise FrameError(f"{who}: the last six digits of {message.timestamp.ns} ns are not those of the pulse id")
        if spec.require_increasing_pulse_id and self._last_pulse is not None and message.pulse_id <= self._last_pulse:
            self._counters.source_drops["old_pulse_id"] += 1
            raise FrameError(f"{who}: not above the last pulse id {self._last_pulse}")
        if spec.require_increasing_timestamp and self._last_time is not None and tuple(message.timestamp) <= self._last_time:
            self._counters.source_drops["old_timestamp"] += 1
            raise FrameError(f"{who}: its time is not after that of the last frame")

    def apply(self, config: WorkerConfig) -> bool:
        return config.camera is not None and config.camera.source.bsread == self._spec

    def close(self) -> None:
        self._receiver.close()


def _image(value: Any, channel: str, address: str, counters: Counters) -> np.ndarray[Any, Any]:
    if value is None:
        counters.source_drops["no_image"] += 1
        raise FrameError(f"a message from {address} has no value in channel {channel!r}: is the channel name right?")
    image = np.asarray(value)
    if image.dtype.kind not in "biuf" or image.ndim > 2:
        counters.source_drops["no_image"] += 1
        raise FrameError(f"channel {channel!r} of {address} is no image: {image.dtype} with shape {image.shape}")
    return image.reshape((1,) * (2 - image.ndim) + image.shape)


def _reason(error: WireError) -> str:
    if isinstance(error, TruncatedMessage):
        return "truncated"
    return "foreign" if isinstance(error, ForeignMessage) else "malformed"
