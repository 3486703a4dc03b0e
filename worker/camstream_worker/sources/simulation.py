"""A camera that needs no hardware: a Gaussian spot on a slow orbit, with noise and dead pixels, seeded."""

import math
import time

import numpy as np

from camstream.frame import Frame, Image, Timestamp
from camstream.spec import WorkerConfig
from camstream.spec.source import Pattern, SimulationSource
from camstream_worker.counters import Counters
from camstream_worker.sources.pacing import Pacer

NOISE_IMAGES = 4
"""Noise is drawn once and reused in turn: drawing it for every frame would be most of the work at 5 megapixels."""

ORBIT_FRAMES = 200
"""Frames for one turn of the beam."""


class BeamSimulation:
    """Images of the simulated camera. The same settings and index always give the same image."""

    def __init__(self, spec: SimulationSource) -> None:
        self.spec = spec
        dtype = np.dtype(spec.pixel_type.value)
        self._top = float(np.iinfo(dtype).max) if dtype.kind in "iu" else 65535.0
        self._peak = 0.75 * self._top
        self._sigma_x, self._sigma_y = max(spec.width / 20, 0.5), max(spec.height / 20, 0.5)
        rng = np.random.default_rng(spec.seed)
        shape = (spec.height, spec.width)
        still = spec.pattern in (Pattern.STATIC_BEAM, Pattern.STATIC_NOISE)
        self._noise = [self._noise_image(rng, shape, dtype) for _ in range(1 if still else NOISE_IMAGES)]
        self._still = self._draw(0) if still else None

    def _noise_image(self, rng: np.random.Generator, shape: tuple[int, int], dtype: np.dtype[np.generic]) -> Image:
        noise = rng.standard_normal(shape, dtype=np.float32)
        noise *= self.spec.noise * self._peak
        noise += 3 * self.spec.noise * self._peak
        np.clip(noise, 0, 0.2 * self._top, out=noise)
        image = noise.astype(dtype)
        if self.spec.dead_pixels:
            image.ravel()[rng.integers(0, image.size, self.spec.dead_pixels)] = self._top
        return image

    def centre(self, index: int) -> tuple[float, float]:
        """Where the beam is in the image with this index, (x, y) [pixel]."""
        turn = 2 * math.pi * (index % ORBIT_FRAMES) / ORBIT_FRAMES
        w, h = self.spec.width, self.spec.height
        return 0.47 * w + 0.08 * w * math.cos(turn), 0.55 * h + 0.08 * h * math.sin(turn)

    def image(self, index: int) -> Image:
        """The image with this index, shape (height, width). Not to be written to."""
        return self._draw(index) if self._still is None else self._still

    def _draw(self, index: int) -> Image:
        noise = self._noise[index % len(self._noise)]
        if self.spec.pattern in (Pattern.NOISE, Pattern.STATIC_NOISE):
            return noise
        image = noise.copy()
        cx, cy = self.centre(index)
        x0, x1 = max(int(cx - 5 * self._sigma_x), 0), min(int(cx + 5 * self._sigma_x) + 1, self.spec.width)
        y0, y1 = max(int(cy - 5 * self._sigma_y), 0), min(int(cy + 5 * self._sigma_y) + 1, self.spec.height)
        x = np.exp(-(((np.arange(x0, x1, dtype=np.float32) - cx) / self._sigma_x) ** 2) / 2)
        y = np.exp(-(((np.arange(y0, y1, dtype=np.float32) - cy) / self._sigma_y) ** 2) / 2)
        box = image[y0:y1, x0:x1]
        spot = np.outer(y, x * np.float32(self._peak))
        # A dead pixel is at the limit already: adding to it would wrap.
        np.minimum(spot, self._top - box.astype(np.float32), out=spot)
        box += spot.astype(image.dtype)
        return image


class SimulatedCamera:
    """Images of :class:`BeamSimulation` at a steady rate.

    Pulse ids count the frames since 1970 at this rate, so that they rise across restarts and a lost frame is a gap; the last
    six digits of the nanoseconds are those of the pulse id, as at SwissFEL.
    """

    def __init__(self, config: WorkerConfig, counters: Counters) -> None:
        self._counters = counters
        self._spec = _simulation(config)
        self._simulation = BeamSimulation(self._spec)
        self._pacer = Pacer(self._spec.frame_rate)
        self._first_pulse = int(time.time() * self._spec.frame_rate)
        self._index = 0
        self.description = f"simulation {self._spec.width}x{self._spec.height}"

    def receive(self, timeout_s: float) -> Frame | None:
        if not self._pacer.wait(timeout_s):
            return None
        skipped = self._pacer.late()
        if skipped:
            self._counters.source_drops["late"] += skipped
        self._index += 1 + skipped
        pulse_id = self._first_pulse + self._index
        now = time.time_ns()
        timestamp = Timestamp.from_ns(now - now % 1_000_000 + pulse_id % 1_000_000)
        return Frame(pulse_id, timestamp, self._simulation.image(self._index))

    def apply(self, config: WorkerConfig) -> bool:
        spec = _simulation(config)
        if spec != self._spec:
            if spec.model_copy(update={"frame_rate": self._spec.frame_rate}) != self._spec:
                self._simulation = BeamSimulation(spec)
            self._pacer.set_rate(spec.frame_rate)
            self._spec = spec
            self.description = f"simulation {spec.width}x{spec.height}"
        return True

    def close(self) -> None:
        pass


def _simulation(config: WorkerConfig) -> SimulationSource:
    assert config.camera is not None  # noqa: S101 - open_source chose this class by it
    spec = config.camera.source.simulation
    assert spec is not None  # noqa: S101
    return spec
