"""The gateway's own API: its document, merge patches, versions."""

import re
from pathlib import Path
from typing import Any

import pytest
from objects import make_camera, make_pipeline
from open_api import check, matches

from camstream.errors import SpecError
from camstream.names import READ_ONLY
from camstream.spec.base import Spec
from camstream.spec.key import Key
from camstream.spec.objects import Camera, Metadata, etag
from camstream.spec.status import CameraStatus, Phase
from camstream_gateway.native.openapi import document, operations
from camstream_gateway.native.replies import ERRORS, document_of
from camstream_gateway.native.requests import ReadOnly, merge, patch, replacement

PAGE = (Path(__file__).parents[3] / "docs/reference/native_api.md").read_text(encoding="utf-8")


def test_document_is_valid_and_has_every_operation() -> None:
    check(document())
    found = [(path, method.upper()) for path, methods in document()["paths"].items() for method in methods]
    assert sorted(found) == sorted((operation.path, operation.method) for operation in operations())


def test_reference_page_has_every_operation_and_every_error_and_no_other() -> None:
    calls = set(re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/api/\S+)`", PAGE))
    assert calls == {(operation.method, operation.path) for operation in operations()}
    rows = {(int(status), code) for status, code in re.findall(r"^\| (\d{3}) \| `(\w+)` \|", PAGE, re.M)}
    assert rows >= {(status, code) for _, status, code in ERRORS}
    told = {
        int(status) for methods in document()["paths"].values() for one in methods.values() for status in one["responses"] if status > "4"
    }
    assert {status for status, _ in rows} == told | {405, 500}, "any path may be asked wrongly, or answered so by a mistake of ours"


def test_schemas_of_the_document_tell_objects_from_what_is_none() -> None:
    camera, pipeline = document_of(make_camera()), document_of(make_pipeline())
    matches(camera, {"$ref": "#/components/schemas/Camera"}, document())
    matches(pipeline, {"$ref": "#/components/schemas/Pipeline"}, document())
    for wrong in (pipeline, camera | {"more": 1}, camera | {"spec": {}}, camera | {"spec": {"source": {"simulation": {"width": "wide"}}}}):
        with pytest.raises(AssertionError):
            matches(wrong, {"$ref": "#/components/schemas/Camera"}, document())


@pytest.mark.parametrize(
    ("value", "change", "wanted"),
    [
        # The examples of RFC 7386, appendix A.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_is_as_in_its_rfc(value: Any, change: Any, wanted: Any) -> None:
    assert merge(value, change) == wanted


def edited(thing: Camera, **changes: Any) -> Camera:
    return thing.model_copy(update=changes)


def test_version_is_that_of_what_people_write() -> None:
    camera = make_camera(groups=["one"])
    metadata = camera.metadata
    same = Metadata.model_validate(metadata.model_dump() | {"generation": 7, "resourceVersion": "12", "creationTimestamp": "now"})
    assert etag(edited(camera, metadata=same, status=CameraStatus(phase=Phase.RUNNING))) == etag(camera)
    # A default that is written out is the same spec.
    assert etag(make_camera(groups=["one"], output={"mode": "Pub"})) == etag(camera)
    others = [
        make_camera(groups=["two"]),
        edited(camera, metadata=metadata.model_copy(update={"uid": "of-a-new-one"})),
        edited(camera, metadata=metadata.model_copy(update={"annotations": {"a": "b"}})),
        edited(camera, metadata=metadata.model_copy(update={"labels": {"a": "b"}})),
    ]
    assert len({etag(one) for one in [camera, *others]}) == 5


def test_read_only_object_may_be_written_as_it_is() -> None:
    metadata = Metadata(name="gun", annotations={READ_ONLY: "true"})
    camera = edited(make_camera(), metadata=metadata)
    key = Key.of(camera)
    assert replacement(key, document_of(camera))(camera).spec == camera.spec
    with pytest.raises(ReadOnly, match="camera/gun is shared and read-only"):
        patch(key, {"spec": {"groups": ["x"]}})(camera)


def test_edit_of_another_version_of_the_kind_is_refused() -> None:
    camera = make_camera()
    with pytest.raises(SpecError, match="apiVersion"):
        replacement(Key.of(camera), document_of(camera) | {"apiVersion": "camstream.dev/v9"})(camera)


def test_what_the_store_writes_is_kept_and_long_records_of_it_are_not_told() -> None:
    fields = {"name": "gun", "creationTimestamp": "2026-11-21T12:00:00Z", "managedFields": [{"manager": "kubectl"}]}
    camera = edited(make_camera(), metadata=Metadata.model_validate(fields))
    found = patch(Key.of(camera), {"metadata": {"labels": {"a": "b"}}})(camera)
    assert isinstance(found.spec, Spec)
    told = document_of(found)["metadata"]
    assert told == {
        "name": "gun",
        "namespace": "default",
        "labels": {"a": "b"},
        "annotations": {},
        "creationTimestamp": "2026-11-21T12:00:00Z",
    }
    # Who asks for them has them.
    assert document_of(found, managed_fields=True)["metadata"] == told | {"managedFields": fields["managedFields"]}
