"""Backgrounds as files, ``<id>.npy`` in one folder: written whole, and never overwritten or deleted. The gateway is their one writer."""

import contextlib
import errno
import hashlib
import io
import os
import re
import stat
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from camstream.errors import BackgroundError, StoreUnavailable
from camstream.names import BACKGROUND_ID, COLLECTED, COLLECTED_FORMAT, DNS_LABEL, collected_at, is_background_of
from camstream_gateway.disk import FAILED, FULL, REFUSED, STORED, SUFFIX

NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)

PLAIN: Final = re.compile(BACKGROUND_ID)
NAMESPACE: Final = re.compile(DNS_LABEL)

STAMP: Final = re.compile(COLLECTED.pattern + r"\Z")
LAST_YEAR: Final = 9000
"""Ids of later years are refused: there must be later ones."""

NEW: Final = ".new-"
"""Begins the names of files that are being written."""
LEFT_OVER_S: Final = 3600.0
"""Age of a file from which nobody is writing it any more: who did was killed."""

Image = npt.NDArray[Any]


Announce = Callable[[str, str], Awaitable[None]]
"""Tell others of a new background: its namespace and id. Returns when they know."""

Wrote = Callable[[str], None]
"""Told how each attempt to store something has ended, from any thread: one of :data:`camstream_gateway.disk.WRITES`."""


async def _silently(_namespace: str, _name: str) -> None:
    return


class ShapeChanged(BackgroundError):  # noqa: N818
    """The images of which a background is to be made are not all of one size."""


class Backgrounds:
    """One folder. All methods block; call them in a thread."""

    def __init__(self, folder: Path, wrote: Wrote = lambda _: None) -> None:
        self._folder, self._wrote = folder, wrote

    def of(self, camera: str) -> list[str]:
        """Ids of everything that was collected from a camera, the oldest first.

        :param camera: external name
        :raises StoreUnavailable: if the folder cannot be looked at
        """
        return [name for name in self.all() if is_background_of(camera, name)]

    def all(self) -> list[str]:
        """Ids of everything that is kept, in order.

        :raises StoreUnavailable: if the folder cannot be looked at
        """
        names = (found.name.removesuffix(SUFFIX) for found in _listed(self._folder) if found.name.endswith(SUFFIX))
        return sorted(filter(PLAIN.fullmatch, names))

    def latest(self, camera: str) -> str:
        """:raises BackgroundError: if there is none, or the folder cannot be looked at"""
        found = self.of(camera)
        if not found:
            raise BackgroundError(f"No background matches for the specified prefix '{camera}'.")
        return found[-1]

    def exists(self, name: str) -> bool:
        """:raises StoreUnavailable: if it cannot be told"""
        if PLAIN.fullmatch(name) is None:
            return False
        try:
            return stat.S_ISREG(self._path(name).stat().st_mode)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreUnavailable(f"background '{name}' cannot be looked for: {error.strerror}; look at the store") from error

    def content(self, name: str) -> bytes:
        """The file, in the format of numpy.

        :raises BackgroundError: if there is no such background
        """
        if not self.exists(name):
            raise BackgroundError(f"Requested background '{name}' does not exist.")
        try:
            return self._path(name).read_bytes()
        except OSError as error:
            raise StoreUnavailable(f"background '{name}' cannot be read: {error.strerror}; look at the store") from error

    def checked(self, name: str) -> tuple[bytes, str]:
        """The file and its SHA-256.

        :raises BackgroundError: if there is no such background
        """
        content = self.content(name)
        return content, hashlib.sha256(content).hexdigest()

    def load(self, name: str) -> Image:
        """Pixels, shape (y, x).

        :raises BackgroundError: if there is no such background, or it is damaged
        """
        return pixels_of(name, self.content(name))

    def written_at(self, name: str) -> float:
        """[s since 1970]"""
        return self._path(name).stat().st_mtime

    def save(self, name: str, pixels: Image) -> None:
        """Keep a background under an id of its own. To save the same pixels again changes nothing.

        :param pixels: shape (y, x), numbers
        :raises BackgroundError: if the id is taken by other pixels or cannot be a file, or the disk has no room
        """
        try:
            self._save(name, pixels)
        except BackgroundError as error:
            cause = error.__cause__
            self._wrote(REFUSED if not isinstance(cause, OSError) else FULL if cause.errno in NO_ROOM else FAILED)
            raise
        self._wrote(STORED)

    def _save(self, name: str, pixels: Image) -> None:
        if PLAIN.fullmatch(name) is None:
            raise BackgroundError(f"{name!r} cannot be the id of a background: use letters, digits and _ . : + -, at most 200")
        if stamp := STAMP.search(name):
            collected = collected_at(stamp[0])
            if collected is None or collected.year > LAST_YEAR:
                raise BackgroundError(
                    f"{name!r} cannot be the id of a background: it ends like that of a collected one, but in no time "
                    f"up to the year {LAST_YEAR}; choose another id"
                )
        check(pixels, name)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._clean()
            is_new = self._write(name, pixels)
        except OSError as error:
            raise BackgroundError(f"background '{name}' cannot be written: {error.strerror}; nothing was kept") from error
        if not is_new and not np.array_equal(self.load(name), pixels):
            raise BackgroundError(f"background '{name}' exists already and is never overwritten; choose another id")

    def new_name(self, camera: str, now: datetime) -> str:
        """Id for what is collected now: later than all before, whatever the clock does.

        :param now: local time, as in the ids of cam_server
        :raises BackgroundError: if there is no later one, or the folder cannot be looked at
        """
        time_of_new = now.replace(tzinfo=None)
        if before := self.of(camera):
            last = collected_at(before[-1][len(camera) :])
            assert last is not None  # noqa: S101 - it is listed
            if last == datetime.max:
                raise BackgroundError(
                    f"no id can be later than that of background '{before[-1]}'; take its file out of the store to collect from this camera"
                )
            time_of_new = max(time_of_new, last + timedelta(microseconds=1))
        return f"{camera}{time_of_new.strftime(COLLECTED_FORMAT)}"

    def _clean(self) -> None:
        """Delete what a process that was killed has left half-written."""
        for file in self._folder.glob(f"{NEW}*"):
            with contextlib.suppress(OSError):  # what cannot be deleted keeps nobody from writing
                if file.stat().st_mtime < time.time() - LEFT_OVER_S:
                    file.unlink()

    def _write(self, name: str, pixels: Image) -> bool:
        """Whether there was no file of that name; one that is there stays as it is."""
        content = io.BytesIO()
        np.save(content, pixels, allow_pickle=False)
        descriptor, fresh = tempfile.mkstemp(prefix=NEW, suffix=SUFFIX + "~", dir=self._folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                # Not by numpy: it does not tell that there is no room, only that too little was written.
                file.write(content.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            # Fails where there is a file of that name, which a rename would replace.
            os.link(fresh, self._path(name))
        except FileExistsError:
            return False
        finally:
            Path(fresh).unlink(missing_ok=True)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return True

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{SUFFIX}"


def _listed(folder: Path) -> list["os.DirEntry[str]"]:
    """What is in a folder; nothing in one that is not there yet.

    :raises StoreUnavailable: if it cannot be looked at
    """
    try:
        return list(os.scandir(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreUnavailable(f"the folder of the backgrounds cannot be looked at: {error.strerror}; look at the store") from error


def pixels_of(name: str, content: bytes) -> Image:
    """Pixels of a file, shape (y, x).

    :raises BackgroundError: if there are none in it
    """
    try:
        pixels = np.load(io.BytesIO(content), allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise BackgroundError(f"background '{name}' is damaged: {error}; collect a new one") from error
    return check(pixels, name)


def check(pixels: Image, name: str) -> Image:
    """:raises BackgroundError: unless these are the pixels of an image"""
    if pixels.ndim != 2 or pixels.dtype.kind not in "buif" or not pixels.size:
        raise BackgroundError(f"background '{name}' has shape {pixels.shape} and type {pixels.dtype}: expected rows and columns of numbers")
    return pixels


class Library:
    """All backgrounds of one gateway."""

    def __init__(self, folder: Path, by_namespace: bool) -> None:
        """
        :param folder: of all files
        :param by_namespace: each has a folder of its own, as on a cluster, where people of one must not see the images of another
        """
        self.folder, self._by_namespace = folder, by_namespace
        self.wrote: Wrote = lambda _: None
        self.announce: Announce = _silently

    def namespaces(self) -> list[str]:
        """Those that have a folder. Blocks.

        :raises StoreUnavailable: if it cannot be told
        """
        return sorted(found.name for found in _listed(self.folder) if found.is_dir() and NAMESPACE.fullmatch(found.name))

    def of(self, namespace: str) -> Backgrounds:
        """:raises BackgroundError: if there cannot be such a namespace"""
        if NAMESPACE.fullmatch(namespace) is None:
            raise BackgroundError(f"{namespace!r} is no namespace")
        return Backgrounds(self.folder / namespace if self._by_namespace else self.folder, self.wrote)


class Mean:
    """The mean of some images, as a background keeps it."""

    def __init__(self) -> None:
        self._total: Image | None = None
        self._count = 0

    def add(self, image: Image) -> None:
        """
        :param image: shape (y, x), numbers
        :raises ShapeChanged: if its shape is not that of the others
        """
        if self._total is None:
            self._total = np.zeros(image.shape, np.uint64 if image.dtype.kind in "bu" else np.float64)
        if image.shape != self._total.shape:
            raise ShapeChanged(f"the size of the images changed meanwhile, from {self._total.shape} to {image.shape}; collect again")
        self._total += image
        self._count += 1

    def result(self) -> npt.NDArray[np.uint16]:
        """Cut to whole numbers from 0 to 65535, shape (y, x). At least one image must have been added."""
        assert self._total is not None  # noqa: S101 - as said
        average = self._total // self._count if self._total.dtype.kind == "u" else self._total / self._count
        cut: npt.NDArray[np.uint16] = np.clip(average, 0, np.iinfo(np.uint16).max).astype(np.uint16)
        return cut
