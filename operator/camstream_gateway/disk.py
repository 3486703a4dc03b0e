"""How full the disk of backgrounds is. A disk that hangs or fails must hold up nobody who asks for something else."""

import asyncio
import contextlib
import os
import stat
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SUFFIX: Final = ".npy"

STORED, REFUSED, FULL, FAILED = WRITES = ("stored", "refused", "full", "failed")
"""How the attempt to store a background ends. ``refused``: its id is taken or cannot be one, or these are no pixels."""

AGAIN_S: Final = 10.0
"""How old a look may be before it is done anew: a store of years has many files."""
WAIT_S: Final = 1.0
"""How long a look is waited for. It goes on, and no other one begins meanwhile."""


@dataclass(frozen=True, slots=True)
class Room:
    """What one look has found."""

    free_bytes: int
    size_bytes: int
    """Of the disk."""
    used_bytes: int
    """By backgrounds."""
    files: int
    """Backgrounds."""


def look(folder: Path) -> Room | None:
    """Count what is in a folder and those in it: on a cluster each namespace has its own. Blocks.

    :returns: None where there is no such folder: nothing has been stored yet
    :raises OSError: if it cannot be looked at
    """
    try:
        folder.stat()
    except FileNotFoundError:
        return None
    disk = os.statvfs(folder)
    sizes = []
    for path, _, names in os.walk(folder, onerror=_raised):
        for name in names:
            # It may have been taken away meanwhile.
            with contextlib.suppress(FileNotFoundError):
                found = (Path(path) / name).stat()
                if name.endswith(SUFFIX) and stat.S_ISREG(found.st_mode):
                    sizes.append(found.st_size)
    return Room(disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize, sum(sizes), len(sizes))


def _raised(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


class Disk:
    """The last look at a folder."""

    def __init__(self, folder: Path, look: Callable[[Path], Room | None] = look, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._look, self._clock = folder, look, clock
        self._looking: asyncio.Future[Room | None] | None = None
        self._began = 0.0
        self.room: Room | None = None
        """None before anything was stored, and while nobody knows."""
        self.answers = True
        """Whether the last look came to its end, and in time."""

    def take(self) -> None:
        """Look now. Blocks."""
        self.room = self._look(self._folder)

    async def refresh(self) -> None:
        """Look again, where the last look is not recent. Always returns, and soon."""
        if self._looking is None or (self._looking.done() and self._clock() - self._began >= AGAIN_S):
            self._began = self._clock()
            self._looking = asyncio.wrap_future(_in_a_thread(lambda: self._look(self._folder)))
        await asyncio.wait([self._looking], timeout=WAIT_S)
        # Old figures of a disk that does not answer would look as if all were well.
        self.answers = self._looking.done() and self._looking.exception() is None
        self.room = self._looking.result() if self.answers else None


def _in_a_thread(work: Callable[[], Room | None]) -> Future[Room | None]:
    """In one of its own: those of asyncio are few, others need them, and the process could not end while one hangs."""
    done: Future[Room | None] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except Exception as error:  # noqa: BLE001 - who waits gets it
            done.set_exception(error)

    threading.Thread(target=run, name="disk", daemon=True).start()
    return done
