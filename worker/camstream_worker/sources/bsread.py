"""bsread streams as input: a camera's image channel, or the whole message for a pipeline."""

from typing import Any

import numpy as np

from camstream.errors import ForeignMessage, FrameError, SourceError, TruncatedMessage, WireError
from camstream.frame import NO_IMAGE, Frame
from camstream.names import IMAGE, PICTURE_SUFFIX, X_AXIS, Y_AXIS
from camstream.spec import WorkerConfig
from camstream.spec.fields import InputMode
from camstream.wire import Decoder, Message
from camstream.wire.zmtp import SocketType
from camstream_worker.counters import Counters
from camstream_worker.image.compression import read_blocks
from camstream_worker.sockets import ReceivingSocket


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
        self._decoder = Decoder(channels=channels, blocks=read_blocks)
        kind = SocketType.SUB if mode is InputMode.SUB else SocketType.PULL
        try:
            self._socket = ReceivingSocket(kind, address, listening=listen)
        except OSError as error:
            raise SourceError(f"cannot listen for senders: {error}; is the address right?") from error

    def receive(self, timeout_s: float) -> Message | None:
        """The next message, or None after ``timeout_s`` [s]. A message that cannot be read is counted and skipped."""
        parts = self._socket.receive(timeout_s)
        if parts is None:
            return None
        self._counters.bytes_received += sum(map(len, parts))
        try:
            return self._decoder.decode(parts)
        except WireError as error:
            self._counters.source_drops[_reason(error)] += 1
            raise FrameError(f"unreadable message from {self.address}: {error}") from error

    def fileno(self) -> int:
        """To wait for several receivers at once."""
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()


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
