"""How full the disk of backgrounds is, also where it does not answer."""

import asyncio
import threading
from pathlib import Path

import pytest
from clocks import Clock

from camstream_gateway.disk import AGAIN_S, Disk, Room, look

ROOM = Room(1, 2, 3, 4)


def test_files_of_all_folders_are_counted_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "gun").mkdir()
    (tmp_path / "gun" / "a.npy").write_bytes(bytes(50))
    (tmp_path / "b.npy").write_bytes(bytes(100))
    (tmp_path / ".new-x.npy~").write_bytes(bytes(1000))
    (tmp_path / "folder.npy").mkdir()
    found = look(tmp_path)
    assert found is not None
    assert (found.files, found.used_bytes) == (2, 150)
    assert look(tmp_path / "none") is None


def test_disk_that_hangs_is_told_holds_up_nobody_and_is_asked_once() -> None:
    goes_on, asked = threading.Event(), []

    def hangs(folder: Path) -> Room:
        asked.append(folder)
        assert goes_on.wait(30)
        return ROOM

    async def test() -> None:
        disk = Disk(Path("x"), hangs)
        for _ in range(2):
            await disk.refresh()
            assert (disk.room, disk.answers) == (None, False)
        goes_on.set()
        await disk.refresh()
        assert (disk.room, disk.answers) == (ROOM, True)

    asyncio.run(test())
    assert len(asked) == 1


def test_error_of_the_disk_is_told_until_it_is_over_and_a_look_is_remembered_for_a_while() -> None:
    clock = Clock()
    answers: list[Room | OSError] = [OSError("stale file handle"), ROOM]

    def next_answer(_: Path) -> Room:
        found = answers.pop(0)
        if isinstance(found, OSError):
            raise found
        return found

    async def test() -> None:
        disk = Disk(Path("x"), next_answer, clock)
        for _ in range(2):
            await disk.refresh()
            assert (disk.room, disk.answers) == (None, False)
        clock.now += AGAIN_S
        await disk.refresh()
        assert (disk.room, disk.answers) == (ROOM, True)

    asyncio.run(test())


def test_folder_that_cannot_be_looked_at_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        look(tmp_path / "file" / "backgrounds")
