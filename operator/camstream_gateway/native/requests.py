"""What a request asks for: objects, edits and conditions from paths, headers and bodies. Pure but for reading the body."""

import json
from collections.abc import Callable
from typing import Any, Final, TypeVar

from aiohttp import hdrs, web
from pydantic import BaseModel, TypeAdapter, ValidationError

from camstream.errors import CamstreamError, SpecError
from camstream.names import READ_ONLY
from camstream.spec.base import problems
from camstream.spec.fields import Namespace, ObjectName
from camstream.spec.key import Key
from camstream.spec.objects import AnyObject, Background, Camera, Pipeline, etag
from camstream_gateway.cam_server.replies import json_object
from camstream_gateway.cam_server.translation import is_read_only
from camstream_gateway.store import Changed, NotFound, Streaming

JSON: Final = "application/json"

METADATA: Final[tuple[str, ...]] = ("labels", "annotations")
"""What may be edited of an object's metadata."""

Body = dict[str, Any]
Kind = type[Camera] | type[Pipeline] | type[Background]
Edit = Callable[[Streaming], Streaming]
M = TypeVar("M", bound=BaseModel)

_namespace: TypeAdapter[str] = TypeAdapter(Namespace)
_name: TypeAdapter[str] = TypeAdapter(ObjectName)


class ReadOnly(CamstreamError):  # noqa: N818
    """The spec of an object that clients share is to be changed."""


def key_of(request: web.Request, kind: Kind) -> Key:
    """Which object is meant.

    :raises NotFound: if there can be none of that name: names become parts of paths
    """
    namespace, name = request.match_info["namespace"], request.match_info["name"]
    try:
        return Key(kind.__name__, _namespace.validate_python(namespace), _name.validate_python(name))
    except ValidationError as error:
        raise NotFound(
            f"there is no {kind.__name__.lower()} {name!r} in the namespace {namespace!r}: expected names of lower-case letters, digits "
            "and, between them, dashes"
        ) from error


async def content(request: web.Request, form: str) -> Body:
    """The body as a JSON object.

    :param form: media type that it must have. No form of another site can send it without asking first
    :raises web.HTTPUnsupportedMediaType: if it has another one
    :raises BadRequest: if it is no JSON object, or too large
    """
    if request.content_type != form:
        found = request.headers.get(hdrs.CONTENT_TYPE, "none")
        raise web.HTTPUnsupportedMediaType(text=f"{request.method} {request.path}: expected Content-Type: {form}, found {found}; set it")
    return await json_object(request)


def parsed(model: type[M], document: Body, who: str) -> M:
    """:raises SpecError: with everything that is wrong"""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise SpecError(f"{who}: {'; '.join(problems(error))}") from error


def new_object(kind: Kind, document: Body, home: str) -> AnyObject:
    """The object of a manifest. Its status, and what the store writes of its metadata, does not count.

    :param home: namespace of one that names none
    :raises SpecError: if it is none
    """
    metadata = _part(document, "metadata", "the manifest")
    kept = {name: metadata[name] for name in ("name", "namespace", *METADATA) if metadata.get(name) is not None}
    what = {"apiVersion": document.get("apiVersion"), "kind": document.get("kind"), "spec": document.get("spec")}
    who = f"{kind.__name__.lower()}/{metadata.get('name', '')}"
    _known(document, {*what, "metadata", "status"}, who)
    return parsed(kind, what | {"metadata": {"namespace": home} | kept}, who)


def replacement(key: Key, document: Body) -> Edit:
    """The edit of a PUT: another spec and, where they are given, other labels and annotations.

    :raises SpecError: if the body speaks of another object
    """
    metadata = _part(document, "metadata", str(key))
    _known(document, {"apiVersion", "kind", "metadata", "spec", "status"}, str(key))
    found = {"kind": document.get("kind"), "namespace": metadata.get("namespace"), "name": metadata.get("name")}
    for word, value in found.items():
        if value is not None and value != getattr(key, word):
            raise SpecError(f"{key}: expected the {word} {getattr(key, word)!r} as in the path, found {value!r}; correct one of them")
    if not isinstance(document.get("spec"), dict):
        raise SpecError(f"{key}: expected the whole object with its spec, found {_words(document)}; use PATCH to change a part")
    given = {name: metadata[name] for name in METADATA if metadata.get(name) is not None}
    version = {"apiVersion": document["apiVersion"]} if document.get("apiVersion") is not None else {}
    return lambda thing: _edited(thing, version, given, document["spec"])


def patch(key: Key, document: Body) -> Edit:
    """The edit of a PATCH: RFC 7386 on spec, labels and annotations.

    :raises SpecError: if it would change something else
    """
    metadata = _part(document, "metadata", str(key))
    _known(document, {"metadata", "spec"}, str(key))
    _known(metadata, set(METADATA), f"{key}: metadata")
    if not isinstance(spec := document.get("spec", {}), dict):
        raise SpecError(f"{key}: spec: expected an object, found {json.dumps(spec)}; a spec cannot be taken away")

    def edit(thing: Streaming) -> Streaming:
        old = thing.metadata.model_dump(include=set(METADATA))
        merged = {name: {} if metadata[name] is None else merge(old[name], metadata[name]) for name in METADATA if name in metadata}
        return _edited(thing, {}, merged, merge(thing.spec.to_dict(), spec))

    return edit


def unless_changed(request: web.Request, edit: Edit) -> Edit:
    """The edit, for an object only that is still the one that the header If-Match names."""
    wanted = request.if_match

    def checked(thing: Streaming) -> Streaming:
        tag = etag(thing)
        if wanted is not None and not any(one.value == "*" or (one.value == tag and not one.is_weak) for one in wanted):
            found = request.headers.get(hdrs.IF_MATCH)
            raise Changed(f'{Key.of(thing)}: expected the version {found}, found "{tag}"; read it again')
        return edit(thing)

    return checked


def merge(value: Any, change: Any) -> Any:
    """A JSON value after a merge patch, as RFC 7386 says."""
    if not isinstance(change, dict):
        return change
    found = dict(value) if isinstance(value, dict) else {}
    for name, part in change.items():
        if part is None:
            found.pop(name, None)
        else:
            found[name] = merge(found.get(name), part)
    return found


def _edited(thing: Streaming, version: Body, metadata: Body, spec: Body) -> Streaming:
    """
    :raises SpecError: if that is no such object
    :raises ReadOnly: if its spec may not be changed
    """
    document = {"kind": thing.kind, **version, "metadata": thing.metadata.model_dump(by_alias=True) | metadata, "spec": spec}
    found = parsed(type(thing), document, str(Key.of(thing)))
    if is_read_only(thing) and found.spec != thing.spec:
        raise ReadOnly(
            f"{Key.of(thing)} is shared and read-only: its spec cannot be changed; make an object of your own, or first let all who may "
            f'change it, by the annotation {READ_ONLY}: "false"'
        )
    return found


def _part(document: Body, name: str, who: str) -> Body:
    found = document.get(name)
    if found is not None and not isinstance(found, dict):
        raise SpecError(f"{who}: {name}: expected an object, found {type(found).__name__}")
    return found or {}


def _known(document: Body, names: set[str], who: str) -> None:
    if others := document.keys() - names:
        raise SpecError(f"{who}: expected {', '.join(sorted(names))} and nothing else, found {', '.join(sorted(others))}; leave it out")


def _words(document: Body) -> str:
    return ", ".join(sorted(document)) or "nothing"
