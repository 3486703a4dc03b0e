"""A stream that a test sends itself, message by message."""

from typing import Any

import numpy as np
import zmq
from ports import free_port

from camstream.frame import Timestamp
from camstream.wire import Encoder


class Feed:
    """Listens at an address of its own, or connects to one."""

    def __init__(self, kind: int = zmq.PUSH, connect: str | None = None) -> None:
        self.address = connect or f"tcp://127.0.0.1:{free_port()}"
        self._context = zmq.Context()
        self._socket = self._context.socket(kind)
        self._socket.sndhwm = 10_000
        if connect:
            self._socket.connect(connect)
        else:
            self._socket.bind(self.address)
        self._encoder = Encoder()

    def send(self, pulse_id: int, image: np.ndarray[Any, Any] | None = None, ns: int | None = None, **channels: Any) -> None:
        """An image with its axes, as a camera sends it.

        :param ns: nanoseconds of its time; default: the pulse id
        """
        if image is None:
            image = np.full((12, 16), pulse_id % 1000, np.uint16)
        values = {
            "image": image,
            "x_axis": np.arange(image.shape[1], dtype=np.float32),
            "y_axis": np.arange(image.shape[0], dtype=np.float32),
        }
        self.send_channels(pulse_id, values | channels, ns)

    def send_channels(self, pulse_id: int, values: dict[str, Any], ns: int | None = None) -> None:
        timestamp = Timestamp(1_700_000_000, pulse_id if ns is None else ns)
        self._socket.send_multipart(self._encoder.encode(values, pulse_id, timestamp))

    def close(self) -> None:
        self._socket.close(0)
        self._context.term()
