"""Log files of workers: their end, and their size."""

import contextlib
import os
from pathlib import Path

LIMIT_BYTES = 8 * 2**20
"""Longer log files are cut, for a worker may run for months and the file may be in memory."""

TAIL_BYTES = 16384


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines that hold anything, oldest first. Nothing where there is no such file."""
    try:
        with path.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - TAIL_BYTES, 0))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-count:]


def keep_short(path: Path, limit: int = LIMIT_BYTES) -> None:
    """Once a log is too long, start it anew with its last lines. The writer must append. A log that cannot be cut is left alone."""
    with contextlib.suppress(OSError):
        if path.stat().st_size <= limit:
            return
        kept = last_lines(path, 100)
        os.truncate(path, 0)
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in ["(older lines were removed)", *kept]))
