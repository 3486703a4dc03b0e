"""A script of type Script: it sends a number by itself, until it is told to stop. The sample `own-program` runs it."""

import queue
import threading
import time
from typing import Any

import zmq

from camstream.frame import Timestamp
from camstream.wire import Encoder


def run(
    stop_event: threading.Event,
    statistics: Any,
    parameter_queue: "queue.Queue[dict[str, Any]]",
    logs_queue: Any,
    cam_client: Any,
    pipeline_config: dict[str, Any],
    port: int,
    background_manager: Any,
    user_scripts_manager: Any,
) -> None:
    """Send ``count`` as often per second as the parameter ``rate`` says."""
    del statistics, logs_queue, cam_client, background_manager, user_scripts_manager
    encoder, rate, count = Encoder(), float(pipeline_config.get("rate", 1)), 0
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PUB)
    try:
        socket.bind(f"tcp://*:{port}")
        while not stop_event.wait(1 / rate):
            while not parameter_queue.empty():
                rate = float(parameter_queue.get().get("rate", 1))
            count += 1
            now = time.time()
            socket.send_multipart(encoder.encode({"count": count}, int(now * 100), Timestamp.from_seconds(now)))
    finally:
        socket.close(0)
