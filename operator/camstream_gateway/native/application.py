"""The API: its paths, and what they do. Everything is asked of the mirror, the collector and of what is behind cam_server's interface."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Final

from aiohttp import hdrs, web

from camstream.errors import BackgroundError, StoreUnavailable
from camstream.names import MERGE_PATCH
from camstream.spec.base import Spec
from camstream.spec.key import Key
from camstream.spec.objects import AnyObject, Background, Camera
from camstream_gateway.cam_server.service import Service, check_may_run
from camstream_gateway.collector import Collector
from camstream_gateway.mirror import READY_S
from camstream_gateway.native.forms import BackgroundIds, Collected, Collection
from camstream_gateway.native.openapi import Operation, document, operations
from camstream_gateway.native.replies import MANAGED_FIELDS, ReadOnlyServer, document_of, json_reply, object_reply
from camstream_gateway.native.requests import (
    JSON,
    Kind,
    content,
    key_of,
    new_object,
    parsed,
    patch,
    replacement,
    unless_changed,
)
from camstream_gateway.rights import to_list
from camstream_gateway.security import SHA256, Right, asks_for_file, permit
from camstream_gateway.store import NotFound, Unavailable

READING: Final = "GET, HEAD"
"""What a server that only reads allows."""

# Who may look at a stream may ask for it: a stream on demand runs because somebody reads it.
OF_OBJECTS: Final = {"read": "get", "replace": "update", "patch": "patch", "delete": "delete", "wake": "get"}
OF_BACKGROUNDS: Final = {"listBackgroundsOf": "list", "collectBackgroundOf": "create"}
"""Verbs of Kubernetes, by what an operation does."""

Answer = Callable[[web.Request, Kind], Awaitable[web.Response]]


class Native:
    """Cameras and pipelines, to read and to change; Backgrounds, to make and to read."""

    def __init__(self, service: Service, collector: Collector, read_only: bool = False) -> None:
        """:param read_only: nobody may change anything here"""
        self._service, self._mirror, self._collector, self._read_only = service, service.mirror, collector, read_only

    def routes(self) -> list[web.RouteDef]:
        answers: dict[str, Answer] = {
            "list": self._list,
            "create": self._create,
            "read": self._read,
            "replace": self._replace,
            "patch": self._patch,
            "delete": self._delete,
            "wake": self._wake,
            "listBackgroundsOf": self._backgrounds,
            "collectBackgroundOf": self._collect,
        }
        found = []
        for operation in operations():
            handler = self._describe if operation.kind is None else partial(self._answer, operation, answers[operation.name])
            found.append(web.route(operation.method, operation.path, handler))
        return found

    async def is_ready(self, _: web.Request) -> web.Response:
        """``/readyz``"""
        ready = self._mirror.is_ready
        return web.Response(status=200 if ready else 503, text="ok\n" if ready else "the objects are not known yet\n")

    async def _describe(self, _: web.Request) -> web.Response:
        return json_reply(document())

    async def _answer(self, operation: Operation, answer: Answer, request: web.Request) -> web.Response:
        if operation.changes and self._read_only:
            raise ReadOnlyServer(f"{request.method} {request.path}: this server was started to be read only; ask one that is not")
        if asks_for_file(request):
            return await self._file(request)
        try:
            await self._mirror.ready(READY_S)
            await self._collector.ready(READY_S)
        except TimeoutError as error:
            raise Unavailable("the objects are not known yet: who keeps them has not answered; ask again") from error
        assert operation.kind is not None  # noqa: S101 - the document is answered without
        for right in self._rights(operation, request):
            await permit(request, right)
        return await answer(request, operation.kind)

    def _rights(self, operation: Operation, request: web.Request) -> Iterator[Right]:
        """What an operation takes. To make something is asked about when its namespace has been read."""
        assert operation.kind is not None  # noqa: S101 - as above
        plural, found = operation.kind.plural, request.match_info
        if operation.in_one_namespace:
            yield from to_list(plural, request.query.get("namespace"), self._mirror.store.namespaces)
        elif verb := OF_BACKGROUNDS.get(operation.name):
            yield Right(verb, Background.plural, found["namespace"])
        elif verb := OF_OBJECTS.get(operation.name):
            yield Right(verb, plural, found["namespace"], found["name"])

    # ------------------------------------------------------------------ objects

    def _all(self) -> list[AnyObject]:
        return [*(held.thing for held in self._mirror.all()), *self._collector.all()]

    def _found(self, key: Key) -> AnyObject:
        """:raises NotFound: if it is not there"""
        held = self._mirror.get(key)
        found = held.thing if held else self._collector.get(key)
        if found is None:
            raise NotFound(f"there is no {key}")
        return found

    async def _list(self, request: web.Request, kind: Kind) -> web.Response:
        namespace = request.query.get("namespace")
        found = {Key.of(thing): thing for thing in self._all() if isinstance(thing, kind)}
        items = [document_of(found[key]) for key in sorted(found) if namespace in (None, key.namespace)]
        return json_reply({"items": items})

    async def _read(self, request: web.Request, kind: Kind) -> web.Response:
        found = object_reply(self._found(key_of(request, kind)), managed_fields=request.query.get(MANAGED_FIELDS) == "true")
        if self._read_only:
            found.headers[hdrs.ALLOW] = READING
        return found

    async def _create(self, request: web.Request, kind: Kind) -> web.Response:
        wanted = new_object(kind, await content(request, JSON), self._mirror.store.home)
        await permit(request, Right("create", kind.plural, wanted.metadata.namespace))
        thing = await (self._collector.create(wanted) if isinstance(wanted, Background) else self._mirror.create(wanted))
        found = object_reply(thing, 201)
        found.headers[hdrs.LOCATION] = f"/api/v1/{kind.plural}/{thing.metadata.namespace}/{thing.name}"
        return found

    async def _replace(self, request: web.Request, kind: Kind) -> web.Response:
        key = key_of(request, kind)
        edit = replacement(key, await content(request, JSON))
        return object_reply(await self._mirror.edit(key, unless_changed(request, edit)))

    async def _patch(self, request: web.Request, kind: Kind) -> web.Response:
        key = key_of(request, kind)
        edit = patch(key, await content(request, MERGE_PATCH))
        return object_reply(await self._mirror.edit(key, unless_changed(request, edit)))

    async def _delete(self, request: web.Request, kind: Kind) -> web.Response:
        key = key_of(request, kind)
        if not await (self._collector if kind is Background else self._mirror).delete(key):
            raise NotFound(f"there is no {key}")
        return web.Response(status=204)

    async def _wake(self, request: web.Request, kind: Kind) -> web.Response:
        key = key_of(request, kind)
        await content(request, JSON)
        await self._service.wake(key)
        return object_reply(self._found(key), 202)

    # ------------------------------------------------------------------ backgrounds

    async def _file(self, request: web.Request) -> web.Response:
        """The file of a background, by its id."""
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        try:
            content, found = await asyncio.to_thread(self._service.library.of(namespace).checked, name)
        except StoreUnavailable as error:
            raise web.HTTPServiceUnavailable(text=f"{error}\n") from error
        except BackgroundError as error:
            raise web.HTTPNotFound(text=f"{error}\n") from error
        if not hmac.compare_digest(found.encode(), request.query[SHA256].encode(errors="replace")):
            raise web.HTTPNotFound(text=f"background {name!r} has another sha256 than the one that is asked for\n")
        return web.Response(body=content, content_type="application/octet-stream", headers={"Cache-Control": "no-store"})

    def _camera(self, request: web.Request) -> Camera:
        found = self._found(key_of(request, Camera))
        assert isinstance(found, Camera)  # noqa: S101 - its key says so
        return found

    async def _backgrounds(self, request: web.Request, _: Kind) -> web.Response:
        camera = self._camera(request)
        return _reply(
            BackgroundIds(items=await asyncio.to_thread(self._service.library.of(camera.metadata.namespace).of, camera.external_name))
        )

    async def _collect(self, request: web.Request, _: Kind) -> web.Response:
        camera = self._camera(request)
        wanted = parsed(Collection, await content(request, JSON), str(Key.of(camera)))
        check_may_run(camera)
        return _reply(Collected(name=await self._service.collect(camera, wanted.frames, wanted.timeout_seconds)), 201)


def _reply(model: Spec, status: int = 200) -> web.Response:
    return json_reply(model.to_full_dict(), status)
