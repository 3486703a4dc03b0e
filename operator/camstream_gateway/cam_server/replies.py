"""How this interface answers: ``{"state", "status", ...}``, also for errors, as the clients of cam_server expect it.

What goes wrong with a request has status 200, as in cam_server; who is not let in has 401, 403 or 503, which proxies and logs understand.
"""

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from camstream.errors import CamstreamError
from camstream_gateway.memory import UPLOAD, Memory

log = logging.getLogger(__name__)

MOST_JSON: Final = 1 << 20
"""[bytes] Of a configuration."""
MOST_IMAGE: Final = 256 << 20
"""[bytes] Of a background, as JSON or as a pickle: both take several bytes per pixel."""
MOST_FILE: Final = 16 << 20
"""[bytes] Of a script or a library."""

JSON_TIMES, ARRAY_TIMES, FILE_TIMES = 18, 8, 3
"""Memory for each byte of an upload, at its most: every number of JSON becomes an object; an array is there as body, array and file."""
CHUNK: Final = 1 << 16

LONGEST_S: Final = 3700.0
"""No request takes longer, whatever it waits for. Each has a much shorter bound of its own."""

Fields = dict[str, Any]
Ask = Callable[[web.Request], Awaitable[Fields | web.StreamResponse]]


class BadRequest(CamstreamError):  # noqa: N818
    """A request that cannot be understood, or is too large."""


def answer(ask: Ask, status: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A handler that answers as cam_server does.

    :param ask: gives the fields of the answer beside state and status, or a whole answer
    :param status: what has been done, in words
    """

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            async with asyncio.timeout(LONGEST_S):
                found = await ask(request)
        except CamstreamError as error:
            log.info("%s %s: %s", request.method, request.path, error)
            return as_json({"state": "error", "status": str(error)})
        except web.HTTPException:
            raise
        except TimeoutError:
            return as_json({"state": "error", "status": f"no answer within {LONGEST_S:.0f} s"})
        except Exception as error:
            # Our mistake. Clients of cam_server could not read another form of answer.
            log.exception("%s %s", request.method, request.path)
            return as_json({"state": "error", "status": f"internal error: {type(error).__name__}: {error}"})
        return found if isinstance(found, web.StreamResponse) else as_json({"state": "ok", "status": status, **found})

    return handler


@web.middleware
async def refusals_in_form(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Around every request: what is refused before anybody looks at it is told in the same form, which is all that clients can read."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        words = words_of(request, error)
        log.info("%s %s: %s", request.method, request.path, words)
        found = as_json({"state": "error", "status": words})
        found.set_status(error.status)
        found.headers.update(headers_of(error))
        return found


def words_of(request: web.Request, error: web.HTTPException) -> str:
    """What an error of HTTP says, in one line."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return f"{request.path}: {request.method} is not offered here; expected one of {allowed}"
    if isinstance(error, web.HTTPNotFound) and request.match_info.http_exception is error:
        return f"there is nothing at {request.path}"
    return (error.text or "").strip()


def headers_of(error: web.HTTPException) -> dict[str, str]:
    """Those that do not belong to the form of its text, such as how to sign in."""
    return {name: value for name, value in error.headers.items() if name not in (hdrs.CONTENT_TYPE, hdrs.CONTENT_LENGTH)}


def as_json(fields: Fields) -> web.Response:
    return web.Response(text=json.dumps(finite(fields)), content_type="application/json", headers={hdrs.CACHE_CONTROL: "no-store"})


def finite(value: Any) -> Any:
    """The value as JSON has it: null for numbers that are none."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: finite(member) for key, member in value.items()}
    return [finite(member) for member in value] if isinstance(value, list | tuple) else value


@asynccontextmanager
async def upload(request: web.Request, memory: Memory, most: int, times: int) -> AsyncIterator[bytes]:
    """The whole body, and memory for it and what is made of it.

    :param times: how much memory that takes, for each byte
    :raises BadRequest: if it has more bytes than that
    :raises NoRoom: if there is no memory for it
    """
    with memory.lent(UPLOAD, "to read what is uploaded") as loan:
        announced = times * min(request.content_length or 0, most)
        if announced > memory.most:
            loan.more(announced)  # refused before anything is read
        yield await body(request, most, lambda nbytes: loan.more(times * nbytes))


async def body(request: web.Request, most: int, came: Callable[[int], None] = lambda _: None) -> bytes:
    """The whole body.

    :param came: told how many bytes there are more, and may refuse them
    :raises BadRequest: if it has more bytes than that
    """
    too_large = BadRequest(f"the request has more than {most} bytes, which is the most that is taken here")
    if (request.content_length or 0) > most:
        raise too_large
    found = bytearray()
    async for chunk in request.content.iter_chunked(CHUNK):
        came(len(chunk))
        found += chunk
        if len(found) > most:
            raise too_large
    return bytes(found)


async def json_object(request: web.Request) -> Fields:
    """The body as a JSON object; empty where there is none.

    :raises BadRequest: if it is something else
    """
    return await asyncio.to_thread(parsed, await body(request, MOST_JSON))


def json_text(text: str, what: str) -> Fields:
    """A JSON object in a parameter; empty where there is none.

    :raises BadRequest: if it is something else
    """
    try:
        return parsed(text.encode())
    except BadRequest as error:
        raise BadRequest(f"{what}: {error}") from error


def number(request: web.Request, name: str) -> float | None:
    """A number among the parameters of a request; None where it is missing.

    :raises BadRequest: if it is none
    """
    text = request.query.get(name)
    if text in (None, "", "None"):
        return None
    try:
        found = float(str(text))
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise BadRequest(f"{name} must be a number, found {text!r}.")
    return found


def parsed(data: bytes) -> Fields:
    """Text as a JSON object; empty where there is none.

    :raises BadRequest: if it is something else
    """
    try:
        found = json.loads(data) if data.strip() else {}
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"expected JSON, found something else: {error}") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadRequest(f"expected a JSON object, found {type(found).__name__}")
    return found
