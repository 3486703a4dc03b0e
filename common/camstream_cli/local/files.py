"""Files that others read while they are written."""

import contextlib
import os
from pathlib import Path


def replace_file(path: Path, text: str) -> None:
    """Write a whole file, readable by this user only, so that a reader sees the old content or the new one and nothing between."""
    fresh = path.with_name(f".{path.name}.new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 - by descriptor
        file.write(text)
    fresh.replace(path)


def remove_file(path: Path) -> None:
    """Remove a file where it is and may be removed."""
    with contextlib.suppress(OSError):
        path.unlink()
