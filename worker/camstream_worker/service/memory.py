"""How this process uses memory. Linux and glibc only; elsewhere nothing happens, and nothing is lost but memory."""

import ctypes
import gc
import re
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8

LARGEST_FROM_HEAP = 32 * 2**20
"""[bytes] The most that glibc allows. Buffers of frames up to this size are used again instead of given back and faulted in anew."""

KEPT_FREE = 16 * 2**20
"""[bytes] Freed memory that is kept for the next frames."""

MADV_DONTNEED = 4

_MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+ *(.*)$")


def keep_buffers() -> None:
    """Let frames use the memory of earlier frames: at 5 megapixels page faults are a fifth of a worker's time."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    for option, value in ((M_ARENA_MAX, 1), (M_MMAP_THRESHOLD, LARGEST_FROM_HEAP), (M_TRIM_THRESHOLD, KEPT_FREE)):
        mallopt(option, value)


def begin_to_collect() -> None:
    """Collect garbage from now on, and not among what has been loaded: to look through that stops all threads for several frames.

    The garbage that is there already stays: of all objects it is one in a hundred.
    """
    gc.freeze()
    gc.enable()


def release_compiler() -> int:
    """Give back the pages of LLVM, which numba needs to load kernels and never again: some 70 MB.

    Only pages that are the same as in the file; should they be needed after all, the kernel reads them again.

    :returns: size of the mappings that were released [bytes]
    """
    released = 0
    try:
        libc = ctypes.CDLL(None)
        for start, end in clean_mappings(Path("/proc/self/smaps").read_text(), "libllvmlite"):
            released += (end - start) * (libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_DONTNEED) == 0)
    except (OSError, AttributeError):
        return released
    return released


def clean_mappings(smaps: str, library: str) -> list[tuple[int, int]]:
    """Address ranges of a library that are read-only and as in its file.

    :param smaps: text of ``/proc/<pid>/smaps``
    """
    found: list[tuple[int, int]] = []
    current: tuple[int, int] | None = None
    for line in smaps.splitlines():
        if mapping := _MAPPING.match(line):
            start, end, rights, path = mapping.groups()
            current = (int(start, 16), int(end, 16)) if library in path and "w" not in rights else None
        elif current and line.startswith("Anonymous:") and line.split()[1] == "0":
            # A mapping with pages of its own holds relocated addresses: without them the library would crash.
            found.append(current)
    return found
