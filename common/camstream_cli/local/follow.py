"""Notice when manifests are edited."""

import asyncio
from collections.abc import AsyncIterator, Collection
from pathlib import Path

from watchfiles import Change, awatch

SUFFIXES = (".yaml", ".yml", ".json")


async def edits(paths: Collection[Path], stop: asyncio.Event) -> AsyncIterator[None]:
    """Yield whenever one of the files, or a manifest in one of the folders, may have changed. Ends with ``stop``."""
    given = [path.resolve() for path in paths]

    def concerns_us(_: Change, changed: str) -> bool:
        path = Path(changed)
        return path in given or (path.suffix in SUFFIXES and any(path.is_relative_to(folder) for folder in given))

    # The folder of a file, not the file: editors replace it, and the watch would stay with the old one.
    folders = {path if path.is_dir() else path.parent for path in given}
    async for _ in awatch(*folders, watch_filter=concerns_us, stop_event=stop, debounce=400):
        yield
