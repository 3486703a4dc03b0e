"""A waveform process variable as camera, by EPICS Channel Access."""

import os
import threading
import time
from collections import deque
from typing import Any

import numpy as np

from camstream.errors import FrameError, SourceError
from camstream.frame import Frame, Timestamp
from camstream.names import PICTURE_SUFFIX
from camstream.spec import WorkerConfig
from camstream.spec.source import EpicsSource
from camstream_worker.counters import Counters

QUEUE = 4
"""Frames between Channel Access and this worker."""

SEARCH_AGAIN_S = 2.0
"""[s] A channel that was lost is made anew: libca searches for it ever more rarely, up to minutes, a new one at once."""

MAX_ARRAY_BYTES = 128 * 2**20


class EpicsCamera:
    """Monitors the image, width and height of a camera.

    A waveform that is longer than width times height is cut; a shorter one is dropped and counted.
    """

    def __init__(self, config: WorkerConfig, counters: Counters) -> None:
        assert config.camera is not None  # noqa: S101 - open_source chose this class by it
        spec = config.camera.source.epics
        assert spec is not None  # noqa: S101
        self._spec = spec
        self._counters = counters
        self._names = pv_names(spec)
        self.description = self._names["image"]
        self._arrived = threading.Condition()
        self._images: deque[tuple[Any, float]] = deque(maxlen=QUEUE)
        self._pulse_id = 0
        self._init = "INIT" if "init" not in self._names else ""
        """What the camera says of itself; empty until it has said something."""
        _set_environment(spec)
        # libca reads the environment when it is loaded, and a channel belongs to the thread that made it.
        import epics

        self._epics = epics
        self._channels = self._connect()
        self._searching_since = time.monotonic()

    def _connect(self) -> dict[str, Any]:
        callbacks = {"image": self._on_image, "init": self._on_init}
        channels = {
            role: self._epics.PV(name, auto_monitor=True, form="time", callback=callbacks.get(role)) for role, name in self._names.items()
        }
        self._searching_since = time.monotonic()
        return channels

    def _on_image(self, value: Any = None, timestamp: float | None = None, **_: object) -> None:
        """Run by Channel Access in a thread of its own."""
        if value is None:
            return
        with self._arrived:
            if len(self._images) == QUEUE:
                self._counters.source_drops["overrun"] += 1
            self._images.append((value, time.time() if timestamp is None else timestamp))
            self._arrived.notify()

    def _on_init(self, char_value: str = "", **_: object) -> None:
        self._init = char_value.strip()

    def receive(self, timeout_s: float) -> Frame | None:
        with self._arrived:
            if not self._images:
                self._arrived.wait(timeout_s)
            item = self._images.popleft() if self._images and self._init else None
        if self._init not in ("", "INIT"):
            raise SourceError(f"{self._names['init']} reads {self._init!r}, expected 'INIT': the camera is not initialised")
        if item is None:
            self._search_again()
            return None
        waveform, seconds = item
        width, height = self._size()
        pixels = np.atleast_1d(waveform)
        if pixels.size < width * height:
            self._counters.source_drops["short_waveform"] += 1
            raise FrameError(f"{self.description} has {pixels.size} values for {width}x{height} pixels")
        self._pulse_id += 1
        image = pixels[: width * height].reshape(height, width)
        return Frame(self._pulse_id, Timestamp.from_seconds(seconds), image)

    def _size(self) -> tuple[int, int]:
        size = []
        for role in ("width", "height"):
            value = self._channels[role].value
            if value is None or int(value) < 1:
                self._counters.source_drops["no_size"] += 1
                raise FrameError(f"{self._names[role]} reads {value!r}, expected the number of pixels")
            size.append(int(value))
        return size[0], size[1]

    def _search_again(self) -> None:
        if all(channel.connected for channel in self._channels.values()):
            self._searching_since = time.monotonic()
        elif time.monotonic() - self._searching_since > SEARCH_AGAIN_S:
            missing = [self._names[role] for role, channel in self._channels.items() if not channel.connected]
            raise SourceError(f"no IOC answers for {', '.join(missing)}; is it running, and is the address list right?")

    def apply(self, config: WorkerConfig) -> bool:
        return config.camera is not None and config.camera.source.epics == self._spec

    def close(self) -> None:
        for channel in self._channels.values():
            chid = channel.chid
            channel.disconnect()
            if chid is not None:
                # pyepics keeps the connection for later use, and with it libca's slow search for a lost IOC.
                self._epics.ca.clear_channel(chid)
        self._channels = {}


def pv_names(spec: EpicsSource) -> dict[str, str]:
    """Role to process variable: image, width, height and, where it is to be asked, init."""
    names = {
        "image": spec.image or f"{spec.prefix}{PICTURE_SUFFIX}",
        "width": spec.width or f"{spec.prefix}:WIDTH",
        "height": spec.height or f"{spec.prefix}:HEIGHT",
    }
    if spec.init or spec.prefix:
        names["init"] = spec.init or f"{spec.prefix}:INIT"
    return names


def _set_environment(spec: EpicsSource) -> None:
    os.environ.setdefault("EPICS_CA_MAX_ARRAY_BYTES", str(MAX_ARRAY_BYTES))
    if spec.address_list:
        os.environ["EPICS_CA_ADDR_LIST"] = " ".join(spec.address_list)
    if spec.auto_address_list is not None:
        os.environ["EPICS_CA_AUTO_ADDR_LIST"] = "YES" if spec.auto_address_list else "NO"
    if spec.name_servers:
        os.environ["EPICS_CA_NAME_SERVERS"] = " ".join(spec.name_servers)
