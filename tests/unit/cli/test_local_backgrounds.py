"""Backgrounds of a run: files that are found, and objects with what the gateway tells of them."""

import hashlib
import json
from pathlib import Path

import pytest
from objects import make_background

from camstream.spec.key import Key
from camstream.spec.status import BackgroundStatus, Phase
from camstream_cli.local.backgrounds import RECORDS, BackgroundFolder, BackgroundObjects

KEY = Key.of(make_background())
ID = "gun_20260821_120000_000005"
STORED = BackgroundStatus(phase=Phase.COMPLETED, name=ID)


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


# ---------------------------------------------------------------------------- objects


def names(objects: BackgroundObjects) -> dict[str, str | None]:
    return {view.name: view.stored for view in objects.views()}


def collected(folder: Path) -> BackgroundObjects:
    """A run in which ``dark`` was collected."""
    objects = BackgroundObjects(BackgroundFolder(folder))
    objects.apply([make_background()])
    (folder / f"{ID}.npy").write_bytes(b"pixels")
    assert objects.tell(KEY, None, STORED)
    return objects


def test_what_is_told_of_an_object_stays_with_it(folder: Path) -> None:
    objects = collected(folder)
    objects.apply([make_background(), make_background("other")])
    assert names(objects) == {"dark": ID, "other": None}
    assert json.loads(objects.told()[KEY])["object"]["status"]["phase"] == "Completed"


def test_what_is_told_of_one_that_was_made_anew_meanwhile_does_not_count(folder: Path) -> None:
    objects = BackgroundObjects(BackgroundFolder(folder))
    assert not objects.tell(KEY, "1", STORED)
    objects.apply([make_background(uid="2")])
    assert not objects.tell(KEY, "1", STORED)
    assert objects.tell(KEY, "2", STORED)


def test_object_that_is_edited_stays_as_it_was_and_says_so(folder: Path) -> None:
    objects = collected(folder)
    objects.apply([make_background(frames=99)])
    [view] = objects.views()
    assert view.stored == ID
    assert "background/dark: spec.frames cannot change" in view.message
    objects.apply([make_background()])
    assert objects.views()[0].message == ""


def test_next_run_has_the_id_and_leaves_the_rest_to_the_gateway(folder: Path) -> None:
    collected(folder)
    objects = BackgroundObjects(BackgroundFolder(folder))
    objects.apply([make_background()])
    [view] = objects.views()
    assert (view.stored, view.phase) == (ID, Phase.PENDING)


def test_record_counts_for_the_same_request_only_and_while_its_file_is_there(folder: Path) -> None:
    collected(folder)
    for thing in (make_background(frames=99), make_background("other")):
        objects = BackgroundObjects(BackgroundFolder(folder))
        objects.apply([thing])
        assert names(objects) == {thing.name: None}
    (folder / f"{ID}.npy").unlink()
    objects = BackgroundObjects(BackgroundFolder(folder))
    objects.apply([make_background()])
    assert names(objects) == {"dark": None}


@pytest.mark.parametrize("ends", ["deleted", "failed"])
def test_record_of_one_that_is_deleted_or_fails_is_forgotten(folder: Path, ends: str) -> None:
    objects = collected(folder)
    if ends == "deleted":
        objects.apply([])
    else:
        objects.tell(KEY, None, BackgroundStatus(phase=Phase.FAILED))
    objects = BackgroundObjects(BackgroundFolder(folder))
    objects.apply([make_background()])
    assert names(objects) == {"dark": None}
    assert (folder / f"{ID}.npy").exists()


def test_record_that_is_damaged_is_none(folder: Path) -> None:
    collected(folder)
    for file in (folder / RECORDS).iterdir():
        file.write_text("{")
    objects = BackgroundObjects(BackgroundFolder(folder))
    objects.apply([make_background()])
    assert names(objects) == {"dark": None}


def test_record_that_cannot_be_written_is_told_and_the_background_is_there(folder: Path) -> None:
    (folder / RECORDS).write_text("no folder")
    [view] = collected(folder).views()
    assert (view.stored, view.phase) == (ID, Phase.COMPLETED)
    assert "cannot write" in view.message
    assert "the next `camstream run` will collect another one" in view.message
