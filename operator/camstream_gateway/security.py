"""Who may ask, and what a browser may do with the answer."""

import base64
import binascii
import hashlib
import hmac
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from camstream.errors import CamstreamError

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


OPEN_PATHS: Final = frozenset({"/healthz", "/metrics"})
"""What is answered without a token: that it lives, and numbers in which no name is."""

LEAST_TOKEN: Final = 16
"""Characters of a token: a shorter one can be guessed."""

Tokens = frozenset[bytes]
"""SHA-256 of each token."""


def read_tokens(file: Path) -> Tokens:
    """Tokens from a file: one per line; empty lines and those that begin with # do not count.

    :raises CamstreamError: if there is none, one is too short, or others may read the file
    """
    try:
        if file.stat().st_mode & 0o027:
            raise CamstreamError(f"tokens {file}: others may read it, or its group may write it; `chmod 600 {file}`")
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise CamstreamError(f"tokens {file} cannot be read: {error}") from error
    found = [line for line in lines if line and not line.startswith("#")]
    if not found or min(map(len, found)) < LEAST_TOKEN:
        raise CamstreamError(f"tokens {file}: expected at least one token of {LEAST_TOKEN} characters or more, one per line")
    return frozenset(hashlib.sha256(token.encode()).digest() for token in found)


def ask_for(tokens: Tokens | None) -> Middleware:
    """A middleware that answers only who has a token: as bearer or, where a program knows nothing else, as a password."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if tokens is None or request.path in OPEN_PATHS or has_token(request.headers.get(hdrs.AUTHORIZATION, ""), tokens):
            return await handler(request)
        headers = {hdrs.WWW_AUTHENTICATE: 'Basic realm="camstream"'}
        raise web.HTTPUnauthorized(headers=headers, text="a token is needed: as `Authorization: Bearer TOKEN`, or as password\n")

    return middleware


def has_token(authorization: str, tokens: Tokens) -> bool:
    """Whether a header Authorization holds one of some tokens."""
    scheme, _, rest = authorization.partition(" ")
    given = rest.strip().encode()
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).partition(b":")[2]
        except binascii.Error:
            return False
    elif scheme.lower() != "bearer":
        return False
    digest = hashlib.sha256(given).digest()
    return any(hmac.compare_digest(digest, token) for token in tokens)


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
            raise web.HTTPForbidden(text=f"{refusal}\n")
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
