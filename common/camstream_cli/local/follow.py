"""The manifests of a run, and what becomes of them when they are edited."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from watchfiles import Change, awatch

from camstream.spec.objects import AnyObject
from camstream_cli.manifests import Manifests, Placed, load
from camstream_cli.manifests.documents import SUFFIXES

QUIET_MS = 100
"""An edit is over when nothing was written for this long: some editors move a file away before they write it anew."""
LONGEST_MS = 1600
"""Look at the latest after this time, however much is written."""


class Followed:
    """What some files and folders say, with what they said before where they are broken now."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._placed: list[Placed] = []
        self.config_maps: dict[tuple[str, str], dict[str, str]] = {}
        self.problems: list[str] = []
        self.notes: list[str] = []
        self._read(paths)

    @property
    def objects(self) -> list[AnyObject]:
        return [placed.object for placed in self._placed]

    def look(self) -> None:
        """Read everything again. A path that is gone says nothing any more."""
        self._read([path for path in self._paths if path.exists()])

    def _read(self, paths: Sequence[Path]) -> None:
        found = load(paths)
        self._placed = take_over(self._placed, found)
        self.config_maps |= found.config_maps
        self.problems = [str(problem) for problem in found.problems]
        self.notes = [str(note) for note in found.notes]

    async def follow(self, edited: Callable[[], None], stop: asyncio.Event) -> None:
        """Look whenever one of the files, or a manifest in one of the folders, is edited; then call ``edited``."""
        given = {path.absolute() for path in self._paths}
        folders = {path for path in given if path.is_dir()}
        # The folder of a file, not the file: editors replace it, and the watch would stay with the old one.
        around = {path.parent for path in given - folders}
        async with asyncio.TaskGroup() as tasks:
            for where, recursive in ((folders, True), (around, False)):
                if where:
                    tasks.create_task(self._watch(where, recursive, given, edited, stop))

    async def _watch(self, folders: set[Path], recursive: bool, given: set[Path], edited: Callable[[], None], stop: asyncio.Event) -> None:
        def concerns_us(_: Change, changed: str) -> bool:
            path = Path(changed)
            return path in given or (recursive and path.suffix in SUFFIXES) or path in folders

        changes = awatch(*folders, watch_filter=concerns_us, stop_event=stop, recursive=recursive, debounce=LONGEST_MS, step=QUIET_MS)
        try:
            async for _ in changes:
                await asyncio.to_thread(self.look)
                edited()
        except OSError as error:
            self.problems = [f"edits are not followed any more ({error}); start `camstream run` again to take them over"]


def take_over(before: Sequence[Placed], found: Manifests) -> list[Placed]:
    """The objects to run after an edit: what each file says, or, of a file with problems, what it said before."""
    broken = {problem.file for problem in found.problems}
    fine = [placed for placed in found.objects if placed.file not in broken]
    kept = [placed for placed in before if placed.file in broken]
    # An object may have moved from a file that is broken now to one that is not.
    return list({placed.key: placed for placed in [*kept, *fine]}.values())
