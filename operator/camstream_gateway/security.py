"""Who may ask, and what a browser may do with the answer."""

from typing import Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

HEADERS: Final = {
    # Nothing but our own files, nothing inline, no other host; worker-src for the decoder, blob: for files that are saved.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types camstream"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def guard(host: str) -> Middleware:
    """A middleware that refuses other sites.

    :param host: where the page is served. On loopback only its names are answered: another site's name that is made to lead here
        would be its own origin
    """
    names = LOOPBACK if host in LOOPBACK else None

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = refuse(request.headers.get(hdrs.ORIGIN), request.headers.get(hdrs.HOST, ""), names)
        if refusal:
            return web.Response(status=403, text=f"{refusal}\n")
        return await handler(request)

    return middleware


async def set_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Before a response leaves."""
    response.headers.update(HEADERS)


def refuse(origin: str | None, host: str, names: frozenset[str] | None) -> str:
    """Why a request is not answered, or nothing.

    :param origin: header Origin; a browser sends it with every WebSocket, other programs need not
    :param host: header Host
    :param names: that Host may have; None for any
    """
    name = urlsplit(f"//{host}").hostname or ""
    if names is not None and name not in names:
        return f"this page is served as {', '.join(sorted(names))} only, not as {name!r}"
    if origin is not None and urlsplit(origin).netloc != host:
        return f"pages of {origin!r} may not read streams of {host!r}"
    return ""
