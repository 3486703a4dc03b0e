"""What all benchmarks share: frames, rounds and the form of a result.

A benchmark is a module ``bench_<subject>.py`` with ``run(short: bool) -> list[Measurement]``. It checks that all variants give equal
results before it takes any time, runs them in turn within one round, and judges the ratio of their medians over the rounds: the machine
may be slow or shared, but it is so for all of them. Every ratio stands beside what it is measured against.
"""

import ctypes
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from camstream_worker.service.memory import LARGEST_FROM_HEAP, M_TRIM_THRESHOLD, keep_buffers

Image = npt.NDArray[Any]

HELD_BLOCKS = 24
"""Some 750 MB: all frames, backgrounds and results of one benchmark."""

APART = 3
"""Numbers between the frames of two variants in one round."""

SIZES: dict[str, tuple[int, int]] = {"640x480": (480, 640), "1280x1024": (1024, 1280), "2560x2160": (2160, 2560)}
"""Common cameras: width x height, and the shape (y, x) of their images."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One ratio, its goal, and the numbers behind it."""

    name: str
    """What was measured."""
    size: str
    """Of the images: a key of :data:`SIZES`, or another size in words."""
    ratio: float
    """Median of ours against the median of the baseline; which way round says ``higher_is_better``."""
    goal: float
    """What the ratio should be."""
    higher_is_better: bool = True
    """How many times better than the baseline; otherwise how many times its cost."""
    baseline: str = ""
    """What ours was measured against, in words."""
    raw: Mapping[str, Any] = field(default_factory=dict)
    """The medians, by a name that ends in the unit."""
    bar: float = 0.7
    """Share of the goal below which it fails. Lower only where the baseline is known to be unsteady."""

    @property
    def failed(self) -> bool:
        return self.score < self.bar

    @property
    def score(self) -> float:
        """Share of the goal that was reached: 1 or more when it was met."""
        return self.ratio / self.goal if self.higher_is_better else self.goal / self.ratio


def hold_memory() -> None:
    """Take memory once, and let this process keep what it frees, for all variants alike.

    On a virtual machine that gives free pages back to its host, the first touch of one has been seen to take 13 us instead of 0.6, and
    reading it to stay slow for a while: then a benchmark measures the host, and the default analysis is 1.1 times numpy instead of 3.7.
    """
    keep_buffers()
    ctypes.CDLL(None).mallopt(M_TRIM_THRESHOLD, 2**30)
    # Blocks that come from the heap, and go back to it.
    blocks = [np.ones(LARGEST_FROM_HEAP - 2**20, np.uint8) for _ in range(HELD_BLOCKS)]
    del blocks


def beam(shape: tuple[int, int], seed: int = 0, noise: float = 3.0, peak: float = 12000.0) -> npt.NDArray[np.uint16]:
    """A round spot on a pedestal with read noise: what a screen camera sends. Without a peak it is a background."""
    height, width = shape
    noise_source = np.random.default_rng(seed)
    y, x = np.ogrid[:height, :width]
    spot = np.exp(-((x - 0.47 * width) ** 2) / (2 * (0.05 * width) ** 2)) * np.exp(-((y - 0.55 * height) ** 2) / (2 * (0.06 * height) ** 2))
    pixels = 100 + peak * spot + noise_source.normal(0, noise, shape)
    return np.clip(pixels, 0, 65535).astype(np.uint16)


def cold_frames(shape: tuple[int, int], mebibytes: int = 160) -> list[Image]:
    """Read-only frames that together are larger than the caches, so that each is read from memory."""
    different = [beam(shape, seed) for seed in range(4)]
    count = max(4, (mebibytes << 20) // different[0].nbytes)
    frames = [different[i % len(different)].copy() for i in range(count)]
    for frame in frames:
        frame.flags.writeable = False
    return frames


def interleaved(variants: Mapping[str, Callable[[int], object]], rounds: int, calls: int = 1) -> dict[str, float]:
    """Run every variant once in each round; the median time of one call [s] of each.

    :param variants: take a number, to choose another frame with each call. It is not the same for all variants in a round, or the first
        one would warm the cache for the others.
    :param calls: of each variant in one round, for what is too short to be timed alone
    """
    times: dict[str, list[float]] = {name: [] for name in variants}
    for call in variants.values():
        call(0)
    for i in range(rounds):
        for variant, (name, call) in enumerate(variants.items()):
            first = i * calls + APART * variant
            start = time.perf_counter()
            for k in range(first, first + calls):
                call(k)
            times[name].append((time.perf_counter() - start) / calls)
    return {name: statistics.median(values) for name, values in times.items()}


def microseconds(medians: Mapping[str, float]) -> dict[str, float]:
    """Times as they are shown in a measurement."""
    return {f"{name} [us]": round(value * 1e6, 2) for name, value in medians.items()}


def require_equal(names: Sequence[str], expected: Mapping[str, Any], found: Mapping[str, Any], tolerance: float = 0.0) -> None:
    """Refuse to time something that gives another result.

    :param tolerance: relative to the largest value of each
    :raises RuntimeError: if a result differs
    """
    for name in names:
        a, b = np.asarray(expected[name], float), np.asarray(found[name], float)
        worst = float(np.abs(a - b).max()) if a.shape == b.shape else np.inf
        if not worst <= tolerance * float(np.abs(a).max()):
            raise RuntimeError(f"{name} differs: expected {a}, found {b}")
