"""Replay of recorded images from an HDF5 file, in the layouts that cam_server writes or any other dataset (n, y, x)."""

import time
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from camstream.errors import SourceError
from camstream.frame import Frame, Timestamp
from camstream.spec import WorkerConfig
from camstream.spec.source import Hdf5Source
from camstream_worker.counters import Counters
from camstream_worker.sources.base import EndOfSource
from camstream_worker.sources.pacing import Pacer

DEFAULT_RATE = 10.0
"""[Hz], for a file that has no times."""


class RecordedCamera:
    """Frames of one dataset, at their recorded rate or faster.

    The recorded pulse ids are kept. From the second round on they are shifted, so that they go on rising; times are shifted to now.
    """

    def __init__(self, config: WorkerConfig, counters: Counters) -> None:
        self._counters = counters
        self._spec = _recording(config)
        self._file, self._images = _open(self._spec)
        self._count = len(self._images)
        pulses = _sibling(self._file, self._spec.dataset, "pulse_id", self._count)
        self._pulses = np.arange(1, self._count + 1) if pulses is None or np.any(np.diff(pulses.astype(np.int64)) <= 0) else pulses
        self._rate = _recorded_rate(_sibling(self._file, self._spec.dataset, "global_timestamp", self._count))
        self._pacer = Pacer(self._wanted_rate(self._spec))
        self._index = 0
        self._shift = 0
        self.description = f"{self._spec.dataset} of {self._spec.path} ({self._count} images)"

    def _wanted_rate(self, spec: Hdf5Source) -> float | None:
        return (spec.frame_rate or self._rate) * spec.speed if spec.speed else None

    def receive(self, timeout_s: float) -> Frame | None:
        if self._index == self._count:
            if not self._spec.loop:
                raise EndOfSource(f"{self.description} has been replayed")
            self._index = 0
            self._shift += int(self._pulses[-1]) - int(self._pulses[0]) + 1
        if not self._pacer.wait(timeout_s):
            return None
        try:
            image = self._images[self._index]
        except OSError as error:
            raise SourceError(f"cannot read image {self._index} of {self.description}: {error}") from error
        pulse_id = int(self._pulses[self._index]) + self._shift
        self._index += 1
        return Frame(pulse_id, Timestamp.from_ns(time.time_ns()), image)

    def apply(self, config: WorkerConfig) -> bool:
        spec = _recording(config)
        live = {"frame_rate": self._spec.frame_rate, "speed": self._spec.speed}
        if spec.model_copy(update=live) != self._spec:
            return False
        self._pacer.set_rate(self._wanted_rate(spec))
        self._spec = spec
        return True

    def close(self) -> None:
        self._file.close()


def _recording(config: WorkerConfig) -> Hdf5Source:
    assert config.camera is not None  # noqa: S101 - open_source chose this class by it
    spec = config.camera.source.hdf5
    assert spec is not None  # noqa: S101
    return spec


def _open(spec: Hdf5Source) -> tuple[Any, Any]:
    try:
        file = h5py.File(spec.path, "r")
    except OSError as error:
        raise SourceError(f"cannot open {spec.path}: {error}; is it an HDF5 file that this worker can read?") from error
    images = file.get(spec.dataset)
    if not isinstance(images, h5py.Dataset):
        names = ", ".join(sorted(_datasets(file))) or "none"
        file.close()
        raise SourceError(f"{spec.path} has no dataset {spec.dataset!r}; there are: {names}")
    if images.ndim != 3 or images.dtype.kind not in "biuf" or 0 in images.shape:
        found = f"{images.dtype} with shape {images.shape}"
        file.close()
        raise SourceError(f"{spec.dataset} of {spec.path} is {found}; expected numbers with shape (n, y, x) and at least one image")
    return file, images


def _datasets(file: Any) -> list[str]:
    found: list[str] = []
    file.visititems(lambda name, item: found.append("/" + name) if isinstance(item, h5py.Dataset) and item.ndim == 3 else None)
    return found


def _sibling(file: Any, dataset: str, name: str, count: int) -> Any:
    """Pulse ids or times that belong to a dataset, wherever cam_server's layouts put them; None where there are none."""
    for path in _places(dataset.strip("/"), name):
        found = file.get(path)
        if isinstance(found, h5py.Dataset) and len(found) == count:
            return found[()]
    return None


def _places(dataset: str, name: str) -> Iterator[str]:
    group = dataset.split("/", 1)[0]
    if group.startswith("data"):
        yield f"header{group[4:]}/{name}"
    yield f"{dataset.rpartition('/')[0]}/{name}"
    yield name


def _recorded_rate(times: Any) -> float:
    if times is None or times.ndim != 2 or times.shape[1] != 2 or len(times) < 2:
        return DEFAULT_RATE
    seconds = times[:, 0].astype(np.float64) + times[:, 1] * 1e-9
    period = float(np.median(np.diff(seconds)))
    return 1 / period if period > 0 else DEFAULT_RATE
