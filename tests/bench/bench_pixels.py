"""The pass over all pixels (background, threshold, image out, profiles, extremes), against what memory allows."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from harness import SIZES, Image, Measurement, beam, cold_frames, interleaved, microseconds, require_equal

from camstream_worker.image.geometry import whole
from camstream_worker.image.kernels import pixels as kernel
from camstream_worker.image.pixels import correct, correct_plain
from camstream_worker.image.profile import profiles

THRESHOLD = 5
TWO_THREADS = "2560x2160"
IN_A_ROW = 4
"""Frames before two threads meet again: the second one may start late, and it is their rate that counts."""


class Part:
    """Some rows of the images of one camera, and where their sums go."""

    def __init__(self, dark: np.ndarray, start: int, stop: int) -> None:
        self.start, self.stop, self.dark = start, stop, dark[start:stop]
        self.columns, self.rows = np.zeros(dark.shape[1], np.uint32), np.empty(stop - start, np.int64)
        self.extremes, self.limit = np.array([65535, 0], np.uint16), np.array([THRESHOLD], np.uint16)
        self.dark.flags.writeable = False

    def work(self, image: np.ndarray, out: np.ndarray) -> None:
        self.columns[:] = 0
        kernel.correct(image, 0, self.start, self.dark, self.limit, out[self.start : self.stop], self.columns, self.rows, self.extremes)


def compare(size: str, rounds: int) -> list[Measurement]:
    shape = SIZES[size]
    frames, dark = cold_frames(shape), beam(shape, 99, peak=0)
    # As in a stream: every result is an array of its own, until its message is sent.
    results = [np.zeros_like(dark) for _ in range(max(2, (16 << 20) // dark.nbytes))]
    one, halves = Part(dark, 0, shape[0]), (Part(dark, 0, shape[0] // 2), Part(dark, shape[0] // 2, shape[0]))

    expected = correct_plain(frames[0], whole(shape), dark, THRESHOLD)
    want = profiles(expected)
    one.work(frames[0], results[0])
    image, found = correct(frames[0], whole(shape), dark, THRESHOLD)
    require_equal(("image", "x", "y"), {"image": expected, **want._asdict()}, {"image": image, **found._asdict()})
    require_equal(("image", "x", "y"), {"image": expected, **want._asdict()}, {"image": results[0], "x": one.columns, "y": one.rows})

    with ThreadPoolExecutor(1) as pool:

        def both(do: Callable[[Part, Image], object], first: int) -> None:
            """Each thread takes its half of some frames; with the other core busy, this is slow for whatever is done."""
            images = [frames[i % len(frames)] for i in range(first, first + IN_A_ROW)]
            other = pool.submit(lambda: [do(halves[1], image) for image in images])
            for image in images:
                do(halves[0], image)
            other.result()

        medians = interleaved(
            {
                "one read": lambda i: frames[i % len(frames)].max(),
                "three streams": lambda i: np.maximum(frames[i % len(frames)], dark, out=results[i % len(results)]),
                "numpy": lambda i: profiles(correct_plain(frames[i % len(frames)], whole(shape), dark, THRESHOLD)),
                "one thread": lambda i: one.work(frames[i % len(frames)], results[i % len(results)]),
                # Into one array, as in the goal: it is the reading that two threads share.
                "two threads": lambda i: both(lambda part, image: part.work(image, results[0]), i),
            },
            rounds,
            # In a row, as in a stream: the background stays in the cache, the images do not.
            calls=max(1, (8 << 20) // frames[0].nbytes),
        )
    medians["two threads"] /= IN_A_ROW
    raw = microseconds(medians)
    measurements = [
        Measurement(
            "pixel pass, cost over the memory limit",
            size,
            medians["one thread"] / medians["three streams"],
            goal=1.7,
            higher_is_better=False,
            baseline="np.maximum(image, background, out=...): two reads and one write",
            raw=raw,
        ),
    ]
    if size == TWO_THREADS:
        share = medians["one read"] / medians["two threads"]
        measurements.append(
            Measurement("pixel pass on two threads, share of the one-read rate", size, share, goal=0.5, baseline="image.max()", raw=raw)
        )
    return measurements


def run(short: bool) -> list[Measurement]:
    return [measurement for size in SIZES for measurement in compare(size, 15 if short else 101)]
