"""Backgrounds as files: from a folder of this machine, or from the gateway's store by HTTP. Whoever gives it, its content is checked."""

import hashlib
import http.client
import io
import logging
import tempfile
import urllib.request
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from camstream.errors import BackgroundError, StoreUnavailable
from camstream.spec import StoredBackground

log = logging.getLogger(__name__)

FETCH_S: Final = 10.0
"""[s] How long the store may be silent."""
MOST_BYTES: Final = 512 * 2**20
CACHE: Final = "camstream-backgrounds"
"""Folder among the temporary files. It outlives the worker's process, so that one that is started again needs no store."""

# No proxy: the store is in the same cluster.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def load_background(stored: StoredBackground) -> npt.NDArray[Any]:
    """
    :returns: the pixels, shape (y, x)
    :raises StoreUnavailable: if it cannot be had now; it may be later
    :raises BackgroundError: if it is not the one that was meant, or holds no image
    """
    content = _read(stored, stored.path) if stored.path is not None else _get(stored, str(stored.url))
    try:
        pixels: npt.NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise BackgroundError(f"background {stored.name!r}: {stored.path or stored.url} is no .npy image: {error}") from error
    if pixels.ndim != 2 or pixels.dtype.kind not in "biuf":
        raise BackgroundError(f"background {stored.name!r} is {pixels.dtype} with shape {pixels.shape}, expected an image (y, x)")
    return pixels


def _read(stored: StoredBackground, path: str) -> bytes:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise BackgroundError(f"background {stored.name!r}: cannot read {path}: {error.strerror}; collect it again") from error
    return _checked(stored, content, path)


def _get(stored: StoredBackground, url: str) -> bytes:
    folder = Path(tempfile.gettempdir()) / CACHE
    kept = folder / f"{stored.sha256}.npy"
    try:
        return _checked(stored, kept.read_bytes(), str(kept))
    except (OSError, BackgroundError):
        pass  # it was never here, or is damaged
    content = _fetch(stored, url)
    try:
        _keep(kept, content)
    except OSError as error:
        log.warning("background %r is not kept for the next start: %s", stored.name, error)
    return content


def _fetch(stored: StoredBackground, url: str) -> bytes:
    try:
        with _opener.open(url, timeout=FETCH_S) as answer:
            content: bytes = answer.read(MOST_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        raise StoreUnavailable(f"background {stored.name!r} cannot be fetched from {url}: {error}; it is tried again") from error
    if len(content) > MOST_BYTES:
        raise BackgroundError(f"background {stored.name!r}: {url} has more than {MOST_BYTES} bytes; collect it again, binned")
    return _checked(stored, content, url)


def _checked(stored: StoredBackground, content: bytes, where: str) -> bytes:
    found = hashlib.sha256(content).hexdigest()
    if found != stored.sha256:
        raise BackgroundError(f"background {stored.name!r}: {where} has SHA-256 {found[:12]}..., expected {stored.sha256[:12]}...")
    return content


def _keep(file: Path, content: bytes) -> None:
    """Write it whole, and remove those that were used before: the room is small."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.replace(file)
    for other in file.parent.glob("*.npy"):
        if other != file:
            other.unlink(missing_ok=True)
