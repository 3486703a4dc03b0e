"""What the gateway of this machine asks of the supervisor: what the API server is on a cluster, as small as it can be.

HTTP on a socket in the folder of the run, which only this user can reach:

.. code-block:: text

    PUT    /objects                           body: a manifest; answers with the object as it is now. With `If-Match: "ETAG"` only if it
                                              is still that one, with `If-None-Match: *` only if there is none; 412 otherwise
    GET    /objects/{kind}/{namespace}/{name} the object as it is wanted, without its status
    DELETE /objects/{kind}/{namespace}/{name}
    PUT    /status/{namespace}/{name}         body: {"uid", "status"} of a Background
    GET    /logs/{kind}/{namespace}/{name}    the last lines of its worker
    GET    /watch                             cameras and pipelines. JSON, one per line: {"object", "http"}, {"deleted"} or {"synced": true}
    GET    /watch/backgrounds                 the same of Backgrounds, without "http"
"""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web
from pydantic import ValidationError

from camstream.errors import ImmutableField, SpecError
from camstream.spec.base import problems
from camstream.spec.control import SOCKET_FILE
from camstream.spec.key import Key
from camstream.spec.objects import AnyObject, Background, etag, parse_object
from camstream.spec.status import BackgroundStatus
from camstream_cli.local.backgrounds import BackgroundObjects
from camstream_cli.local.desired import Desired
from camstream_cli.local.logs import last_lines
from camstream_cli.local.supervisor import Supervisor

LOOK_S: Final = 0.1
SHARE: Final = 0.1
"""Of one core that watching may take, however many objects there are."""

LOG_LINES: Final = 100
SHUTDOWN_S: Final = 0.2


class Control:
    """Serves the objects of one run."""

    def __init__(
        self, folder: Path, desired: Desired, supervisor: Supervisor, backgrounds: BackgroundObjects, changed: Callable[[], None]
    ) -> None:
        """:param changed: called when something else is wanted"""
        self._folder, self._desired, self._supervisor, self._changed = folder, desired, supervisor, changed
        self._backgrounds = backgrounds

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until told to stop."""
        app = web.Application()
        app.add_routes(
            [
                web.put("/objects", self._apply),
                web.get("/objects/{kind}/{namespace}/{name}", self._read),
                web.delete("/objects/{kind}/{namespace}/{name}", self._delete),
                web.get("/logs/{kind}/{namespace}/{name}", self._logs),
                web.put("/status/{namespace}/{name}", self._status),
                web.get("/watch", partial(self._watch, self._supervisor.told)),
                web.get("/watch/backgrounds", partial(self._watch, self._backgrounds.told)),
            ]
        )
        # By its folder, which is open: the name of a socket has at most 107 characters.
        folder = os.open(self._folder, os.O_PATH)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        try:
            await runner.setup()
            await web.UnixSite(runner, f"/proc/self/fd/{folder}/{SOCKET_FILE}").start()
            await stop.wait()
        finally:
            await runner.cleanup()
            os.close(folder)

    async def _apply(self, request: web.Request) -> web.Response:
        try:
            thing = parse_object(await request.json())
        except ValidationError as error:
            return _refused(422, "InvalidSpec", "; ".join(problems(error)))
        except ValueError as error:
            return _refused(400, "NoJson", str(error))
        if why := _unmet(request, Key.of(thing), self._desired.get(Key.of(thing))):
            return _refused(412, "PreconditionFailed", why)
        try:
            stored = self._desired.apply(thing)
        except ImmutableField as error:
            return _refused(409, type(error).__name__, str(error))
        except SpecError as error:
            return _refused(422, type(error).__name__, str(error))
        self._changed()
        return web.json_response(stored.model_dump(mode="json", by_alias=True))

    async def _read(self, request: web.Request) -> web.Response:
        key = _key(request)
        found = self._desired.get(key)
        if found is None:
            return _refused(404, "NotFound", f"there is no {key}")
        return web.json_response(found.model_dump(mode="json", by_alias=True, exclude={"status"}))

    async def _delete(self, request: web.Request) -> web.Response:
        key = _key(request)
        if not self._desired.delete(key):
            return _refused(404, "NotFound", f"there is no {key}")
        self._changed()
        return web.json_response({})

    async def _logs(self, request: web.Request) -> web.Response:
        file = self._supervisor.log_file(_key(request))
        return web.json_response({"lines": last_lines(file, LOG_LINES) if file else []})

    async def _status(self, request: web.Request) -> web.Response:
        told, found = await request.json(), request.match_info
        key = Key(Background.__name__, found["namespace"], found["name"])
        if not self._backgrounds.tell(key, told["uid"], BackgroundStatus.model_validate(told["status"])):
            return _refused(404, "NotFound", f"there is no {key} any more")
        return web.json_response({})

    async def _watch(self, look: Callable[[], dict[Key, str]], request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):  # the gateway is gone
            await self._tell(response, look)
        return response

    async def _tell(self, response: web.StreamResponse, look: Callable[[], dict[Key, str]]) -> None:
        told: dict[Key, str] = {}
        first = True
        while True:
            began = time.thread_time()
            now = look()
            lines = [line for key, line in now.items() if told.get(key) != line]
            lines += [json.dumps({"deleted": list(key)}) for key in told.keys() - now.keys()]
            lines += [json.dumps({"synced": True})] if first else []
            told, first = now, False
            if lines:
                await response.write("".join(f"{line}\n" for line in lines).encode())
            await asyncio.sleep(max(LOOK_S, (time.thread_time() - began) / SHARE))


def _key(request: web.Request) -> Key:
    found = request.match_info
    return Key(found["kind"], found["namespace"], found["name"])


def _unmet(request: web.Request, key: Key, found: AnyObject | None) -> str:
    """Which condition of a request an object does not meet, in words; nothing where it meets them."""
    if request.headers.get(hdrs.IF_NONE_MATCH) == "*" and found is not None:
        return f"{key} is there already; replace it, or choose another name"
    wanted = request.headers.get(hdrs.IF_MATCH)
    if wanted is not None and (found is None or wanted != f'"{etag(found)}"'):
        return f"{key} is not as it was read; read it again"
    return ""


def _refused(status: int, reason: str, message: str) -> web.Response:
    return web.json_response({"reason": reason, "message": message}, status=status)
