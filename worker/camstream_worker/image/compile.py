"""Compile every kernel for every type it is used with, into numba's cache::

    NUMBA_CACHE_DIR=/opt/camstream/kernels python -m camstream_worker.image.compile

Compiling takes some ten seconds, loading what was compiled some tenths: a worker must never compile on a frame. A plan loads what it
needs with ``prepare``; what was not found in the cache is compiled then, and told by :func:`misses`.

An image of a container carries the cache like this:

- The cache is found again when numba, Python, the path and the content of the kernels' files, and the processor are the same. For nodes
  that differ, set ``NUMBA_CPU_NAME`` (such as ``x86-64-v3``) and ``NUMBA_CPU_FEATURES`` (empty: what that name implies) for this command
  and for the worker.
- numba wants to write to ``NUMBA_CACHE_DIR``. One that is read-only it passes over without a word, looks beside the source and in
  ``~/.cache``, and compiles anew. So a worker on a read-only file system copies the compiled files to a temporary folder first
  (:mod:`camstream_worker.app`); what is not found there is compiled and kept there.
"""

import sys
from collections.abc import Callable

import numpy as np
from numba.core.dispatcher import Dispatcher

from camstream.spec.processing import Rotation
from camstream_worker.image import compression as packing
from camstream_worker.image.gaussian import curve, fit_gaussian
from camstream_worker.image.geometry import UNSIGNED, bin_image, whole
from camstream_worker.image.kernels import binning, compression, fit, pixels, rotation
from camstream_worker.image.moments import moments
from camstream_worker.image.pixels import correct, measure
from camstream_worker.image.rotation import rotate
from camstream_worker.image.width import full_width

HALF = 0.5


def compile_all(tell: Callable[[str], object]) -> None:
    """Call every kernel with every type.

    :param tell: is told what comes next, one line each
    """
    for dtype in UNSIGNED:
        image = np.zeros((8, 8), dtype)
        part = whole(image.shape)
        tell(f"profiles of {dtype}")
        measure(image, part)
        tell(f"background and threshold of {dtype}")
        correct(image, part, image, 1)
        tell(f"binning of {dtype}")
        bin_image(image, 2, 2, mean=False)
        tell(f"rotation of {dtype}")
        rotate(image, Rotation(angle=1), part)
    tell("compression")
    packing.load()
    axis = np.arange(9.0)
    profile = np.exp(-((axis - 4) ** 2))
    tell("fit")
    gaussian = fit_gaussian(axis, profile)
    tell("curve")
    curve(axis, gaussian)
    tell("moments")
    moments(axis, profile, gaussian.offset, gaussian.mean, gaussian.sigma)
    tell("width")
    full_width(axis, profile, HALF)


def misses() -> dict[str, int]:
    """How often each kernel was not found in the cache by this process, those left out that always were."""
    counts: dict[str, int] = {}
    for module in (binning, compression, fit, pixels, rotation):
        for name, kernel in vars(module).items():
            if isinstance(kernel, Dispatcher) and not name.startswith("_"):
                missed = sum(kernel.stats.cache_misses.values())
                counts |= {f"{module.__name__}.{name}": missed} if missed else {}
    return counts


if __name__ == "__main__":
    compile_all(lambda line: sys.stdout.write(f"compile {line}\n") and sys.stdout.flush())
    sys.stdout.write(f"{sum(misses().values())} compiled, all others were there\n")
