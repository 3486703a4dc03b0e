"""What shall run: the newest word of manifests and of clients."""

from pathlib import Path
from typing import Any

import pytest
from objects import make_background, make_camera, make_pipeline

from camstream.errors import CamstreamError, ImmutableField
from camstream.spec.key import Key
from camstream_cli.local.desired import Desired


def groups(desired: Desired) -> dict[str, list[str]]:
    return {thing.name: thing.spec.groups for thing in desired.objects}


def camera(name: str = "cam", *groups: str, **spec: Any) -> Any:
    return make_camera(name, groups=list(groups), **spec)


def test_client_wins_over_the_manifest_until_that_is_edited() -> None:
    desired = Desired()
    desired.use_files([camera("cam", "file"), camera("other", "file")])
    desired.apply(camera("cam", "client"))
    desired.use_files([camera("cam", "file"), camera("other", "edited")])
    assert groups(desired) == {"cam": ["client"], "other": ["edited"]}
    desired.use_files([camera("cam", "edited"), camera("other", "edited")])
    assert groups(desired) == {"cam": ["edited"], "other": ["edited"]}


def test_what_a_client_deletes_is_gone_until_its_manifest_is_edited() -> None:
    desired = Desired()
    desired.use_files([camera("cam", "file")])
    key = Key.of(camera())
    assert desired.delete(key) is True
    assert desired.delete(key) is False
    desired.use_files([camera("cam", "file")])
    assert desired.objects == []
    desired.use_files([camera("cam", "edited")])
    assert groups(desired) == {"cam": ["edited"]}


def test_what_a_client_made_stays_when_manifests_are_edited() -> None:
    desired = Desired()
    desired.apply(camera("mine"))
    desired.use_files([camera("cam")])
    desired.use_files([])
    assert groups(desired) == {"mine": []}


def test_immutable_fields_stay() -> None:
    desired = Desired()
    desired.apply(camera(externalName="A"))
    with pytest.raises(ImmutableField, match="externalName"):
        desired.apply(camera(externalName="B"))


def test_saved_objects_are_there_in_the_next_run_and_private_ones_are_not(tmp_path: Path) -> None:
    first = Desired(tmp_path / "kept")
    private = make_pipeline("private", lifecycle={"mode": "OnDemand", "deleteWhenIdle": True})
    for thing in (camera("cam", "client"), camera("gone"), private):
        first.apply(thing)
    first.delete(Key.of(camera("gone")))
    assert groups(Desired(tmp_path / "kept")) == {"cam": ["client"]}


def test_kept_file_that_is_no_object_is_told(tmp_path: Path) -> None:
    (tmp_path / "default.camera.cam.json").write_text("{}")
    with pytest.raises(CamstreamError, match=r"default\.camera\.cam\.json is no object that was kept"):
        Desired(tmp_path)


def test_objects_know_when_they_were_made() -> None:
    desired = Desired()
    desired.apply(camera())
    first = desired.objects[0].metadata.creation_timestamp
    desired.apply(camera("cam", "edited"))
    assert first
    assert desired.objects[0].metadata.creation_timestamp == first
    desired.delete(Key.of(camera()))
    desired.apply(camera())
    assert desired.objects[0].metadata.creation_timestamp != first


def test_specs_of_an_object_are_counted() -> None:
    desired = Desired()

    def generation() -> int | None:
        return desired.objects[0].metadata.generation

    assert desired.apply(camera()).metadata.generation == generation() == 1
    woken = camera()
    desired.apply(woken.model_copy(update={"metadata": woken.metadata.model_copy(update={"annotations": {"a": "b"}})}))
    assert generation() == 1
    assert desired.apply(camera("cam", "edited")).metadata.generation == generation() == 2
    desired.use_files([camera("cam", "file")])
    desired.use_files([camera("cam", "file-again")])
    assert generation() == 3
    desired.delete(Key.of(camera()))
    desired.apply(camera())
    assert generation() == 1


def test_background_cannot_change_and_is_another_one_when_it_is_made_anew(tmp_path: Path) -> None:
    desired = Desired(tmp_path)
    desired.use_files([camera("cam", "file")])
    made = desired.apply(make_background())
    with pytest.raises(ImmutableField, match="frames"):
        desired.apply(make_background(frames=99))
    assert [thing.metadata.uid for thing in desired.backgrounds] == [made.metadata.uid]
    assert list(groups(desired)) == ["cam"]
    assert [thing.name for thing in Desired(tmp_path).backgrounds] == ["dark"]
    assert desired.delete(Key.of(made))
    assert desired.apply(make_background()).metadata.uid != made.metadata.uid
