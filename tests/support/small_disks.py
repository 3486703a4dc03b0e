"""A real file system that is soon full."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A folder of 2 MiB. Where none can be mounted, the test is skipped; with ``CI=true`` it fails."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, text=True, check=False)
    if mounted.returncode:
        missing = f"no small file system: a full disk is NOT tried; {mounted.stderr.strip()}"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    yield folder
    # Lazily: a file that a failed test left open must not keep it.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
