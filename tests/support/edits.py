"""Every field of a camera's and of a pipeline's spec, each edited once."""

import copy
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from camstream.spec import Camera, Pipeline
from camstream.spec.base import ROLLOUT, Change, Spec, change_of

Document = dict[str, Any]

CANDIDATES: list[Any] = [True, False, 2, 3, 0.5, 30000, "other", "tcp://other:5555", "500m", "300Mi", ["other"], {"other": 2}]
"""Some value in here is right for every field, and another one than before."""

SPECS: list[tuple[type[Camera] | type[Pipeline], Document]] = [
    (Camera, {"source": {"simulation": {}}}),
    (Camera, {"source": {"bsread": {"address": "tcp://sender:9999"}}}),
    (Camera, {"source": {"epics": {"prefix": "GUN"}}}),
    (Camera, {"source": {"hdf5": {"path": "/images.h5", "dataset": "images"}}}),
    (Pipeline, {"input": {"camera": {"name": "gun"}}}),
    (Pipeline, {"input": {"pipeline": {"name": "first"}}}),
    (Pipeline, {"input": {"address": "tcp://sender:9999"}}),
    (Pipeline, {"input": {"address": "tcp://sender:9999"}, "merge": {"camera": {"name": "second"}}}),
    (Pipeline, {"input": {"address": "tcp://sender:9999"}, "merge": {"pipeline": {"name": "second"}}}),
    (Pipeline, {"input": {"address": "tcp://sender:9999"}, "merge": {"address": "tcp://second:9999"}}),
    (Pipeline, {"input": {"address": "tcp://sender:9999"}, "script": {"source": "pass"}}),
    (Pipeline, {"input": {"address": "tcp://sender:9999"}, "script": {"configMap": {"name": "scripts"}}}),
    (Pipeline, {"input": {"address": "tcp://sender:9999"}, "script": {"file": "/script.py"}}),
    (Pipeline, {"input": {"address": "tcp://sender:9999"}, "script": {"module": "installed"}}),
]
"""One spec for each member of the unions."""

MEMBERS = {(part, member) for _, spec in SPECS for part, members in spec.items() for member in members}
"""Of the unions: only one can be there."""

REGION = {"offsetX": 0, "sizeX": 8, "offsetY": 0, "sizeY": 8}
BEFORE: dict[str, Any] = {
    "geometry.regionOfInterest": REGION,
    "processing.regionOfInterest": REGION,
    "selection.pulseIds": {"first": 1},
    "merge": {"address": "tcp://second:9999"},
    "script": {"source": "pass"},
    "output.pipeline": {"name": "gathered"},
    "output.file": {"path": "run"},
}
"""What must be there so that a part can be."""


@dataclass(frozen=True)
class Edit:
    """One field of an object, edited."""

    path: str
    change: Change
    before: Camera | Pipeline
    after: Camera | Pipeline

    def __str__(self) -> str:
        return f"{self.before.kind}.{self.path}"


def every_edit() -> list[Edit]:
    """
    :raises AssertionError: if no candidate is right for a field
    """
    found: dict[str, Edit] = {}
    for kind, spec in SPECS:
        for edit in _edits(kind, spec, typing.cast(type[Spec], kind.model_fields["spec"].annotation)):
            found.setdefault(str(edit), edit)
    return list(found.values())


def fields(
    model: type[BaseModel], around: Change = ROLLOUT, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Change, FieldInfo]]:
    """All fields of a model and of the models in it: path, mark, and what is known of it."""
    for name, info in model.model_fields.items():
        change, place = change_of(model, name, around), (*path, info.alias or name)
        yield place, change, info
        for inner in models_of(info.annotation):
            yield from fields(inner, change, place)


def _edits(kind: type[Camera] | type[Pipeline], spec: Document, model: type[Spec]) -> Iterator[Edit]:
    for path, change, info in fields(model):
        if list(models_of(info.annotation)):
            continue
        if path[:2] in MEMBERS and _get(spec, path[:2]) is None:
            continue
        before = _with_parents(spec, path)
        edited = _edited(kind, before, path, info)
        assert edited is not None, f"no candidate is right for {kind.__name__}.{'.'.join(path)}; add one to CANDIDATES"
        yield Edit(".".join(path), change, _made(kind, before), edited)


def _edited(kind: type[Camera] | type[Pipeline], before: Document, path: tuple[str, ...], info: FieldInfo) -> Camera | Pipeline | None:
    old = _made(kind, before)
    for candidate in [*_members(info.annotation), *CANDIDATES]:
        document = copy.deepcopy(before)
        set_at(document, path, candidate)
        try:
            new = _made(kind, document)
        except ValidationError:
            continue
        if new != old:
            return new
    return None


def _with_parents(spec: Document, path: tuple[str, ...]) -> Document:
    document = copy.deepcopy(spec)
    if path == ("output", "service", "nodePort"):
        set_at(document, ("output", "service", "type"), "NodePort")
    if path == ("lifecycle", "deleteWhenIdle"):
        set_at(document, ("lifecycle", "mode"), "OnDemand")
    if path[:2] == ("output", "pipeline"):
        set_at(document, ("output", "mode"), "Push")
    for length in range(1, len(path)):
        parent = path[:length]
        if parent == ("processing", "slices"):
            set_at(document, ("processing", "goodRegion"), {})
        if _get(document, parent) is None:
            set_at(document, parent, copy.deepcopy(BEFORE.get(".".join(parent), {})))
    return document


def _made(kind: type[Camera] | type[Pipeline], spec: Document) -> Camera | Pipeline:
    return kind.model_validate({"metadata": {"name": "thing", "uid": "uid-of-thing"}, "spec": spec})


def _get(document: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def set_at(document: Document, path: tuple[str, ...], value: Any) -> None:
    """Write one field, and what must be around it."""
    for name in path[:-1]:
        document = document.setdefault(name, {})
    document[path[-1]] = value


def models_of(annotation: object) -> Iterator[type[BaseModel]]:
    """Every model that a field of this type may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from models_of(inner)


def _members(annotation: object) -> list[str]:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [member.value for member in annotation]
    return [member for inner in typing.get_args(annotation) for member in _members(inner)]
