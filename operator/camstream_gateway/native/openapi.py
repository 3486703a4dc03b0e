"""Every operation of the API once, and the OpenAPI document that is made of them. Pure."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from camstream import __version__
from camstream.names import MERGE_PATCH
from camstream.spec.objects import Background, Camera, Pipeline
from camstream.spec.schema import plain
from camstream_gateway.native.forms import BackgroundIds, BackgroundList, CameraList, Collected, Collection, ErrorReply, PipelineList
from camstream_gateway.native.replies import DOCUMENT, MANAGED_FIELDS, SHARED
from camstream_gateway.native.requests import JSON, Kind
from camstream_gateway.security import SHA256

LISTS: Final[dict[Kind, type[BaseModel]]] = {Camera: CameraList, Pipeline: PipelineList, Background: BackgroundList}

ALWAYS: Final = (401, 403, 503)
"""What any request may be answered with."""
EDIT: Final = (400, 404, 409, 412, 415, 422)

TEXTS: Final = {
    400: "The body is no JSON object, or too large.",
    401: "A token is needed.",
    403: "Not allowed: by the rights of who asks, for a page of another site, for a read-only object or a read-only server.",
    404: "There is no such object or namespace.",
    409: "There is such an object already, or it is stopped on request.",
    412: "Somebody changed it meanwhile.",
    415: "Another Content-Type is expected.",
    422: "It cannot be as asked; the message names every field.",
    503: "Who keeps the objects does not answer, or the camera is offline.",
    504: "Too few images came in time.",
}


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    name: str
    """What it does: ``replace``."""
    method: str
    path: str
    summary: str
    kind: Kind | None = None
    """Of the objects that it is about."""
    body: type[BaseModel] | None = None
    """Of what is sent; a :class:`BaseModel` without fields for free JSON."""
    form: str = JSON
    """Media type of what is sent."""
    status: int = 200
    answer: type[BaseModel] | None = None
    errors: tuple[int, ...] = ()
    in_one_namespace: bool = False
    """Whether it may be narrowed down to a namespace."""
    conditional: bool = False
    """Whether it heeds the header If-Match."""

    @property
    def id(self) -> str:
        if self.kind is None:
            return self.name
        return self.name + (self.kind.plural.title() if self.in_one_namespace else self.kind.__name__)

    @property
    def changes(self) -> bool:
        """Whether it changes what people write. To ask for a stream is part of looking at it."""
        return self.method != "GET" and self.name != "wake"


@functools.cache
def operations() -> tuple[Operation, ...]:
    """Everything that is offered."""
    return (
        Operation("describe", "GET", DOCUMENT, "This document."),
        *(operation for kind in LISTS for operation in _of_objects(kind)),
        *_of_backgrounds_of_cameras(),
    )


def _of_objects(kind: Kind) -> Iterator[Operation]:
    word, every = kind.__name__.lower(), f"/api/v1/{kind.plural}"
    one = f"{every}/{{namespace}}/{{name}}"
    yield Operation("list", "GET", every, f"All {kind.plural}, with their status.", kind, answer=LISTS[kind], in_one_namespace=True)
    yield Operation("create", "POST", every, f"Make a {word}.", kind, body=kind, status=201, answer=kind, errors=(400, 404, 409, 415, 422))
    yield Operation(
        "read", "GET", one, f"One {word}, with its status; its version is in the header ETag.", kind, answer=kind, errors=(404,)
    )
    if kind is Background:
        text = "Delete a background: what asks for it, or its record. A file that is stored stays."
        yield Operation("delete", "DELETE", one, text, kind, status=204, errors=(404,))
        return
    text = f"Replace the spec of a {word} and, where they are given, its labels and annotations."
    yield Operation("replace", "PUT", one, text, kind, body=kind, answer=kind, errors=EDIT, conditional=True)
    text = f"Change a part of a {word}'s spec, labels or annotations, by a merge patch (RFC 7386)."
    yield Operation("patch", "PATCH", one, text, kind, BaseModel, MERGE_PATCH, answer=kind, errors=EDIT, conditional=True)
    yield Operation("delete", "DELETE", one, f"Delete a {word}. Its stream ends.", kind, status=204, errors=(404,))
    text = f"Ask for the stream of a {word} that runs on demand, and do not wait for it."
    yield Operation("wake", "POST", f"{one}/wake", text, kind, BaseModel, status=202, answer=kind, errors=(400, 404, 409, 415))


def _of_backgrounds_of_cameras() -> Iterator[Operation]:
    path = "/api/v1/cameras/{namespace}/{name}/backgrounds"
    yield Operation("listBackgroundsOf", "GET", path, "Ids of the backgrounds of a camera.", Camera, answer=BackgroundIds, errors=(404,))
    text = "Keep the mean of a camera's next images as a background. Answers when that is done."
    errors = (400, 404, 409, 415, 422, 504)
    yield Operation("collectBackgroundOf", "POST", path, text, Camera, Collection, status=201, answer=Collected, errors=errors)


@functools.cache
def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    paths: dict[str, Any] = {}
    for operation in operations():
        paths.setdefault(operation.path, {})[operation.method.lower()] = _told(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "camstream gateway",
            "version": __version__,
            "description": "Cameras, pipelines and backgrounds as the manifests have them. Every error is told as code and message.",
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "paths": paths,
        "security": [{}, {"token": []}, {"password": []}],
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "Where the gateway asks for tokens."},
                "password": {"type": "http", "scheme": "basic", "description": "The token as password; the name does not count."},
            },
        },
    }


def _told(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": operation.id, "summary": operation.summary}
    if operation.kind:
        found["tags"] = [operation.kind.plural]
    if parameters := list(_parameters(operation)):
        found["parameters"] = parameters
    if operation.body is not None:
        found["requestBody"] = {
            "required": operation.body is not BaseModel,
            "content": {operation.form: {"schema": _schema(operation.body)}},
        }
    answer: dict[str, Any] = {"description": "Done."}
    if operation.status != 204:
        answer["content"] = {JSON: {"schema": _schema(operation.answer or BaseModel)}}
    if operation.kind and operation.answer is operation.kind:
        headers = {
            "ETag": "Version of the object, without its status.",
            SHARED: "`true` where its spec is shared and not changed here.",
        }
        if operation.method == "GET":
            headers["Allow"] = "Sent by a server that only reads: what it allows."
        answer["headers"] = {name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()}
    found["responses"] = {str(operation.status): answer} | {
        str(status): {"description": TEXTS[status], "content": {JSON: {"schema": _schema(ErrorReply)}}}
        for status in sorted({*ALWAYS, *operation.errors})
    }
    return found


def _parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for name in ("namespace", "name"):
        if f"{{{name}}}" in operation.path:
            yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    if operation.in_one_namespace:
        text = "Only those of this namespace."
        yield {"name": "namespace", "in": "query", "description": text, "schema": {"type": "string"}}
    if operation.name == "read":
        text = "With metadata.managedFields: who wrote which field, where the objects are those of a cluster."
        yield {"name": MANAGED_FIELDS, "in": "query", "description": text, "schema": {"type": "boolean", "default": False}}
    if operation.name == "read" and operation.kind is Background:
        text = "SHA-256 of a file that is stored: the answer is that file, in the format of numpy, and the name in the path is its id."
        yield {"name": SHA256, "in": "query", "description": text, "schema": {"type": "string"}}
    if operation.conditional:
        text = "ETag of the object as it was read: it is edited only if nobody changed it meanwhile."
        yield {"name": "If-Match", "in": "header", "description": text, "schema": {"type": "string"}}


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return {"type": "object"} if model is BaseModel else {"$ref": f"#/components/schemas/{model.__name__}"}


def _schemas() -> dict[str, Any]:
    models: tuple[type[BaseModel], ...] = (*LISTS, *LISTS.values(), Collection, Collected, BackgroundIds, ErrorReply)
    _, found = models_json_schema([(model, "validation") for model in models], ref_template="#/components/schemas/{model}")
    schemas: dict[str, Any] = _plain(found["$defs"])
    return schemas


def _plain(value: Any) -> Any:
    """With docstrings as text."""
    if isinstance(value, dict):
        return {key: plain(part) if key == "description" and isinstance(part, str) else _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value
