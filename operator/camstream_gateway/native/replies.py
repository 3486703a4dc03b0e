"""Answers: objects as manifests have them, and every error as ``{"error": {"code", "message"}}``."""

import logging
from http import HTTPStatus
from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from camstream.errors import CamstreamError, SpecError
from camstream.spec.objects import AnyObject, Background, etag
from camstream_gateway.cam_server.replies import BadRequest, as_json, headers_of, words_of
from camstream_gateway.cam_server.service import NotNow
from camstream_gateway.cam_server.translation import is_read_only
from camstream_gateway.frames import NoFrames
from camstream_gateway.native.forms import ErrorDetail, ErrorReply
from camstream_gateway.native.requests import ReadOnly
from camstream_gateway.store import AlreadyThere, Changed, Forbidden, NotFound, Refused

log = logging.getLogger(__name__)

PREFIX: Final = "/api/v1/"
DOCUMENT: Final = "/api/openapi.json"

SHARED: Final = "Camstream-Read-Only"
"""Header of an object that those who read it share: its spec is not changed here."""

MANAGED_FIELDS: Final = "managedFields"
UNWRITTEN: Final = frozenset({MANAGED_FIELDS, "selfLink"})
"""Of metadata: long, and of no use to who reads or writes a manifest."""


class ReadOnlyServer(CamstreamError):  # noqa: N818
    """Something is to be changed by a server that was started to be read only."""


ERRORS: Final[tuple[tuple[type[CamstreamError], int, str], ...]] = (
    (NotFound, 404, "NotFound"),
    (AlreadyThere, 409, "Conflict"),
    (NotNow, 409, "Conflict"),
    (Changed, 412, "PreconditionFailed"),
    (Forbidden, 403, "Forbidden"),
    (ReadOnly, 403, "ReadOnly"),
    (ReadOnlyServer, 403, "ReadOnlyServer"),
    (Refused, 422, "Invalid"),
    (SpecError, 422, "Invalid"),
    (BadRequest, 400, "BadRequest"),
    (NoFrames, 504, "Timeout"),
    (CamstreamError, 503, "Unavailable"),
)
"""Status and code of each error; the first that fits counts."""


def document_of(thing: AnyObject, managed_fields: bool = False) -> dict[str, Any]:
    """An object as a manifest has it: what was set or differs from its default.

    :param managed_fields: also who wrote which field, where the store keeps that
    """
    left_out = set(UNWRITTEN - {MANAGED_FIELDS} if managed_fields else UNWRITTEN)
    metadata = thing.metadata.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=left_out)
    status = thing.status.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"apiVersion": thing.api_version, "kind": thing.kind, "metadata": metadata, "spec": thing.spec.to_dict(), "status": status}


def object_reply(thing: AnyObject, status: int = 200, managed_fields: bool = False) -> web.Response:
    """An object with its version, and whether it is shared."""
    found = json_reply(document_of(thing, managed_fields), status)
    found.headers[hdrs.ETAG] = f'"{etag(thing)}"'
    if not isinstance(thing, Background) and is_read_only(thing):
        found.headers[SHARED] = "true"
    return found


def json_reply(fields: dict[str, Any], status: int = 200) -> web.Response:
    found = as_json(fields)
    found.set_status(status)
    return found


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Around every request of this API: whatever goes wrong is told in one form."""
    if not request.path.startswith(PREFIX) and request.path != DOCUMENT:
        return await handler(request)
    try:
        return await handler(request)
    except CamstreamError as error:
        status, code = next((status, code) for kind, status, code in ERRORS if isinstance(error, kind))
        log.info("%s %s: %s", request.method, request.path, error)
        return failure(status, code, str(error))
    except web.HTTPException as error:
        found = failure(error.status, _code(error.status), _message(request, error))
        found.headers.update(headers_of(error))
        return found
    except Exception as error:
        log.exception("%s %s", request.method, request.path)
        return failure(500, _code(500), f"internal error: {type(error).__name__}: {error}; see the log of the gateway")


def failure(status: int, code: str, message: str) -> web.Response:
    return json_reply(ErrorReply(error=ErrorDetail(code=code, message=message)).to_full_dict(), status)


def _code(status: int) -> str:
    """One word for a status of HTTP: ``MethodNotAllowed``."""
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return "Unavailable"
    return HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")


def _message(request: web.Request, error: web.HTTPException) -> str:
    nothing = isinstance(error, web.HTTPNotFound) and request.match_info.http_exception is error
    return words_of(request, error) + (f"; {DOCUMENT} tells what there is" if nothing else "")
