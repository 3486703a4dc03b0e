import hashlib
from pathlib import Path

import pytest

from camstream_cli.local.backgrounds import BackgroundFolder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "backgrounds"
    found.mkdir()
    return found


def test_named_background_is_found_with_its_digest(folder: Path) -> None:
    (folder / "dark.npy").write_bytes(b"pixels")
    found = BackgroundFolder(folder).find("dark", None)
    assert found is not None
    assert (found.name, found.path) == ("dark", str(folder / "dark.npy"))
    assert found.sha256 == hashlib.sha256(b"pixels").hexdigest()


def test_latest_background_of_a_camera_is_the_one_with_the_last_time_in_its_name(folder: Path) -> None:
    for name in ("CAM_20260101_000000_000000", "CAM_20260821_120000_000001", "CAM_20260821_120000_000000"):
        (folder / f"{name}.npy").write_bytes(name.encode())
    found = BackgroundFolder(folder).find(None, "CAM")
    assert found is not None
    assert found.name == "CAM_20260821_120000_000001"


@pytest.mark.parametrize("other", ["CAM2", "CAM_sp1", "XCAM", "CAM*"])
def test_background_of_a_camera_with_a_similar_name_is_not_taken(folder: Path, other: str) -> None:
    (folder / f"{other}_20260821_120000_000000.npy").write_bytes(b"")
    assert BackgroundFolder(folder).find(None, "CAM") is None


def test_characters_of_a_pattern_in_a_camera_name_mean_themselves(folder: Path) -> None:
    (folder / "CAM.X_20260821_120000_000000.npy").write_bytes(b"")
    (folder / "CAMYX_20260822_120000_000000.npy").write_bytes(b"")
    found = BackgroundFolder(folder).find(None, "CAM.X")
    assert found is not None
    assert found.name.startswith("CAM.X")


@pytest.mark.parametrize("name", ["../secret", "/etc/secret", "sub/dark", ".hidden", "dark\0", ".."])
def test_name_cannot_leave_the_folder(folder: Path, name: str) -> None:
    (folder.parent / "secret.npy").write_bytes(b"secret")
    (folder / "sub").mkdir()
    (folder / "sub" / "dark.npy").write_bytes(b"")
    (folder / ".hidden.npy").write_bytes(b"")
    assert BackgroundFolder(folder).find(name, None) is None


def test_nothing_is_found_where_there_is_no_folder(tmp_path: Path) -> None:
    store = BackgroundFolder(tmp_path / "missing")
    assert store.find("dark", None) is None
    assert store.find(None, "CAM") is None


def test_replaced_file_has_a_new_digest(folder: Path) -> None:
    store = BackgroundFolder(folder)
    (folder / "dark.npy").write_bytes(b"one")
    first = store.find("dark", None)
    (folder / "dark.npy").write_bytes(b"another")
    second = store.find("dark", None)
    assert first is not None
    assert second is not None
    assert first.sha256 != second.sha256


def test_without_a_name_and_a_camera_there_is_nothing_to_find(folder: Path) -> None:
    assert BackgroundFolder(folder).find(None, None) is None
