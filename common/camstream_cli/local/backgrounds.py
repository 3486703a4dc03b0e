"""Backgrounds as files of this machine: ``<id>.npy`` in one folder."""

import hashlib
from pathlib import Path

from camstream.names import is_background_of
from camstream.spec.worker import StoredBackground

SUFFIX = ".npy"


class BackgroundFolder:
    """Finds backgrounds. Never writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._digests: dict[tuple[Path, int, int], str] = {}

    def find(self, name: str | None, camera: str | None) -> StoredBackground | None:
        """A background by its id or, without one, the latest of a camera.

        :param camera: external name, as in ``<camera>_YYYYMMDD_HHMMSS_ffffff``
        :returns: None where there is no such file
        """
        found = self._latest(camera) if name is None and camera else name
        return self._stored(found) if found else None

    def _latest(self, camera: str) -> str | None:
        names = (path.stem for path in self.folder.glob(f"*{SUFFIX}"))
        return max((name for name in names if is_background_of(camera, name)), default=None)

    def _stored(self, name: str) -> StoredBackground | None:
        path = self.folder / f"{name}{SUFFIX}"
        # A name is one file of this folder, whatever it says.
        if path.parent != self.folder or name.startswith(".") or "\0" in name or not path.is_file():
            return None
        return StoredBackground(name=name, path=str(path.resolve()), sha256=self._digest(path))

    def _digest(self, path: Path) -> str:
        stat = path.stat()
        version = (path, stat.st_mtime_ns, stat.st_size)
        if version not in self._digests:
            with path.open("rb") as file:
                self._digests[version] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._digests[version]
