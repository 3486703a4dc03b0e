"""Users' scripts and libraries as files: one folder, and ``lib`` in it."""

import contextlib
import re
import uuid
from pathlib import Path
from typing import Final

from camstream.errors import CamstreamError

PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}")
"""Names that stay in the folder."""

SUFFIXES: Final = (".py", ".c")
"""Of scripts that are listed."""
LIBRARIES: Final = "lib"


class ScriptFolder:
    """The folder. All methods block; call them in a thread."""

    def __init__(self, folder: Path) -> None:
        # Workers are told where their scripts are: from wherever they look.
        self.folder = folder.absolute()

    def libraries(self) -> "ScriptFolder":
        return ScriptFolder(self.folder / LIBRARIES)

    def names(self, suffixes: tuple[str, ...] | None = None) -> list[str]:
        if not self.folder.is_dir():
            return []
        return sorted(
            p.name for p in self.folder.iterdir() if p.is_file() and PLAIN.fullmatch(p.name) and (not suffixes or p.suffix in suffixes)
        )

    def read(self, name: str) -> bytes:
        """:raises CamstreamError: if there is no such file"""
        path = self._path(name)
        if not path.is_file():
            raise CamstreamError(f"'{name}' does not exist; there are: {', '.join(self.names()) or 'none'}")
        return path.read_bytes()

    def write(self, name: str, content: bytes) -> Path:
        """Write a whole file; who reads sees the old one or the new one. Of several at once one wins.

        :raises CamstreamError: if it cannot be written
        """
        path = self._path(name)
        # A name of its own: two uploads must not write to one file.
        fresh = self.folder / f".{uuid.uuid4()}.new"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(content)
            fresh.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise CamstreamError(f"'{name}' cannot be written: {error.strerror}") from error
        return path

    def delete(self, name: str) -> None:
        """:raises CamstreamError: if there is no such file, or it cannot be deleted"""
        path = self._path(name)
        if not path.is_file():
            raise CamstreamError(f"'{name}' does not exist; there are: {', '.join(self.names()) or 'none'}")
        try:
            path.unlink()
        except OSError as error:
            raise CamstreamError(f"'{name}' cannot be deleted: {error.strerror}") from error

    def path(self, function: str) -> Path | None:
        """The script of a function, with or without its extension; None where there is none."""
        names = [function] if "." in function else [f"{function}{suffix}" for suffix in SUFFIXES]
        return next((self.folder / name for name in names if PLAIN.fullmatch(name) and (self.folder / name).is_file()), None)

    def _path(self, name: str) -> Path:
        if PLAIN.fullmatch(name) is None:
            raise CamstreamError(f"{name!r} cannot be the name of a script: use letters, digits and _ . + -, at most 200")
        return self.folder / name
