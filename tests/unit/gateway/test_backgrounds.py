"""Backgrounds as files: versioned, whole, never overwritten."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from camstream.errors import BackgroundError, StoreUnavailable
from camstream_gateway.backgrounds import Backgrounds, Library, Mean, ShapeChanged

PIXELS = np.arange(12, dtype=np.uint16).reshape(3, 4)
NOON = datetime(2026, 8, 21, 12, 0, 0, 5)
FUTURE = datetime(2100, 1, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "made" / "when" / "needed"


@pytest.fixture
def backgrounds(folder: Path) -> Backgrounds:
    return Backgrounds(folder)


def test_what_is_saved_is_loaded(backgrounds: Backgrounds) -> None:
    backgrounds.save("exp_20260821_120000_000005", PIXELS)
    assert np.array_equal(backgrounds.load("exp_20260821_120000_000005"), PIXELS)


def test_id_is_taken_for_good_but_the_same_pixels_may_come_again(backgrounds: Backgrounds) -> None:
    backgrounds.save("one", PIXELS)
    backgrounds.save("one", PIXELS)
    with pytest.raises(BackgroundError, match="'one' exists already and is never overwritten; choose another id"):
        backgrounds.save("one", PIXELS + 1)
    assert np.array_equal(backgrounds.load("one"), PIXELS)


def test_collected_ones_of_a_camera_are_listed_in_order_without_those_of_others(backgrounds: Backgrounds) -> None:
    names = ["exp_20260821_120000_000005", "exp_20250821_120000_000005"]
    for name in [*names, "exp_small_20260821_120000_000005", "exp_mine", "exp"]:
        backgrounds.save(name, PIXELS)
    assert backgrounds.of("exp") == sorted(names)
    assert backgrounds.latest("exp") == "exp_20260821_120000_000005"
    with pytest.raises(BackgroundError, match=r"No background matches for the specified prefix 'nobody'\."):
        backgrounds.latest("nobody")


def test_new_id_is_later_than_all_before_whatever_the_clock_says(backgrounds: Backgrounds) -> None:
    assert backgrounds.new_name("exp", NOON) == "exp_20260821_120000_000005"
    backgrounds.save("exp_20270101_000000_999999", PIXELS)
    assert backgrounds.new_name("exp", NOON) == "exp_20270101_000001_000000"


@pytest.mark.parametrize("stamp", ["20261399_999999_999999", "20260230_000000_000000", "00000101_000000_000000", "99991231_235959_999999"])
def test_id_that_ends_in_no_time_is_refused_and_a_file_of_that_name_does_not_count(
    backgrounds: Backgrounds, folder: Path, stamp: str
) -> None:
    with pytest.raises(BackgroundError, match=f"'exp_{stamp}' cannot be the id of a background: it ends like that of a collected one"):
        backgrounds.save(f"exp_{stamp}", PIXELS)
    backgrounds.save("exp_20260821_120000_000005", PIXELS)
    if stamp.startswith("9999"):
        return
    np.save(folder / f"exp_{stamp}.npy", PIXELS)
    assert backgrounds.of("exp") == ["exp_20260821_120000_000005"]
    assert backgrounds.new_name("exp", NOON) == "exp_20260821_120000_000006"


def test_file_of_the_last_moment_there_is_says_what_to_do(backgrounds: Backgrounds, folder: Path) -> None:
    folder.mkdir(parents=True)
    np.save(folder / "exp_99991231_235959_999999.npy", PIXELS)
    with pytest.raises(BackgroundError, match=r"'exp_99991231_235959_999999'; take its file out of the store to collect from this camera"):
        backgrounds.new_name("exp", NOON)
    assert backgrounds.new_name("other", NOON) == "other_20260821_120000_000005"


@pytest.mark.parametrize("name", ["", ".", "..", "../one", "a/b", "a\\b", ".one", "a\0b", "a\nb", "x" * 201])
def test_id_stays_in_the_folder(backgrounds: Backgrounds, folder: Path, name: str) -> None:
    (folder.parent).mkdir(parents=True)
    np.save(folder.parent / "one.npy", PIXELS)
    with pytest.raises(BackgroundError, match="cannot be the id"):
        backgrounds.save(name, PIXELS)
    with pytest.raises(BackgroundError, match="does not exist"):
        backgrounds.load(name)


@pytest.mark.parametrize("pixels", [np.zeros(4), np.zeros((0, 4)), np.zeros((2, 2, 3)), np.array([["a"]]), np.zeros((2, 2), complex)])
def test_only_images_are_kept(backgrounds: Backgrounds, pixels: np.ndarray) -> None:
    with pytest.raises(BackgroundError, match="expected rows and columns of numbers"):
        backgrounds.save("one", pixels)
    assert not backgrounds.exists("one")


@contextmanager
def files_end_at(most: int) -> Iterator[None]:
    """What this process writes to a file beyond so many bytes fails, as it does where there is no room."""
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))


def test_disk_without_room_leaves_nothing_half_written(backgrounds: Backgrounds, folder: Path) -> None:
    large = np.zeros((512, 512), np.uint16)
    with files_end_at(100_000), pytest.raises(BackgroundError, match="'one' cannot be written: File too large; nothing was kept"):
        backgrounds.save("one", large)
    assert list(folder.iterdir()) == []
    backgrounds.save("one", large)


def test_what_a_killed_process_left_half_written_goes_and_what_another_one_writes_stays(backgrounds: Backgrounds, folder: Path) -> None:
    folder.mkdir(parents=True)
    old, fresh = folder / ".new-old.npy~", folder / ".new-fresh.npy~"
    for file in (old, fresh):
        file.write_bytes(b"half")
    os.utime(old, (datetime(2000, 1, 1).timestamp(),) * 2)
    os.utime(fresh, (FUTURE.timestamp(),) * 2)
    assert backgrounds.all() == []
    backgrounds.save("one", PIXELS)
    assert sorted(path.name for path in folder.iterdir()) == [fresh.name, "one.npy"]


def test_every_attempt_to_store_is_counted_by_how_it_ended(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []

    def no_room(_: int) -> None:
        raise OSError(28, os.strerror(28))

    backgrounds = Backgrounds(folder, ended.append)
    backgrounds.save("one", PIXELS)
    for wrong in (lambda: backgrounds.save("one", PIXELS + 1), lambda: backgrounds.save("../one", PIXELS)):
        with pytest.raises(BackgroundError):
            wrong()
    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(BackgroundError):
        backgrounds.save("two", PIXELS)
    (tmp_path / "file").touch()
    with pytest.raises(BackgroundError):
        Backgrounds(tmp_path / "file" / "folder", ended.append).save("three", PIXELS)
    assert ended == ["stored", "refused", "refused", "full", "failed"]


def test_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(BackgroundError, match="cannot be written"):
            Backgrounds(folder).save("one", PIXELS)


def test_folder_that_cannot_be_looked_at_is_told_and_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    broken, library = Backgrounds(tmp_path / "file"), Library(tmp_path / "file", by_namespace=True)
    for look in (
        broken.all,
        library.namespaces,
        lambda: broken.of("exp"),
        lambda: broken.latest("exp"),
        lambda: broken.new_name("exp", NOON),
        lambda: broken.exists("one"),
        lambda: broken.load("one"),
    ):
        with pytest.raises(StoreUnavailable, match=r"cannot be looked (at|for): Not a directory; look at the store"):
            look()


def test_damaged_file_is_told(backgrounds: Backgrounds, folder: Path) -> None:
    backgrounds.save("one", PIXELS)
    (folder / "one.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(BackgroundError, match="'one' is damaged"):
        backgrounds.load("one")


def test_mean_is_cut_to_whole_numbers() -> None:
    mean = Mean()
    for value in (1, 2, 65535):
        mean.add(np.full((2, 3), value, np.uint16))
    assert np.array_equal(mean.result(), np.full((2, 3), 21846))
    floats = Mean()
    for value in (-5.0, 2.0):
        floats.add(np.full((2, 3), value))
    assert np.array_equal(floats.result(), np.zeros((2, 3)))


def test_mean_refuses_images_of_another_size() -> None:
    mean = Mean()
    mean.add(np.zeros((2, 3), np.uint8))
    with pytest.raises(ShapeChanged, match=r"from \(2, 3\) to \(3, 2\)"):
        mean.add(np.zeros((3, 2), np.uint8))
