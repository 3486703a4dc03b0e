"""Who may ask, and what a browser may do with the answer."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Protocol
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from camstream.errors import CamstreamError
from camstream_gateway.store import Unavailable

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


OPEN_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""What is answered without a token: that it lives and is ready, and numbers in which no name is."""

BACKGROUNDS: Final = "/api/v1/backgrounds/"
SHA256: Final = "sha256"
"""Who names the hash of a background in the query is given its file."""

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


class Right(NamedTuple):
    """What somebody would do, in the words of Kubernetes."""

    verb: str
    resource: str
    """Plural of a kind of the group ``camstream.dev``."""
    namespace: str
    """Empty for all."""
    name: str = ""
    """Empty for any."""

    def __str__(self) -> str:
        where = f"in the namespace {self.namespace!r}" if self.namespace else "in all namespaces"
        return f"{self.verb} {self.resource}{f' {self.name!r}' if self.name else ''} {where}"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, or a program."""

    name: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """What else Kubernetes knows of them, by name."""


class Gate(Protocol):
    """Who may do what."""

    async def person(self, token: bytes | None) -> Person | None:
        """Whose token it is; None: nobody's.

        :param token: None where none is given
        :raises Unavailable: if that cannot be known now
        """

    async def may(self, person: Person, right: Right) -> bool:
        """Whether somebody may do something.

        :raises Unavailable: if that cannot be known now
        """


class Everybody:
    """Everybody may do everything."""

    async def person(self, token: bytes | None) -> Person | None:  # noqa: ARG002 - whoever it is
        return Person()

    async def may(self, person: Person, right: Right) -> bool:  # noqa: ARG002 - whatever it is
        return True


class Holders:
    """Who holds one of some tokens may do everything."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def person(self, token: bytes | None) -> Person | None:
        digest = hashlib.sha256(token or b"").digest()
        return Person() if any(hmac.compare_digest(digest, known) for known in self._tokens) else None

    async def may(self, person: Person, right: Right) -> bool:  # noqa: ARG002 - whatever it is
        return True


Asked = Callable[[web.Request], Iterable[Right]]
"""Which rights a request takes."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody who was let in."""

    gate: Gate
    token: bytes | None
    person: Person
    rights: tuple[Right, ...]
    """What was asked of them at the door."""


class Withdrawn(NamedTuple):
    """Why somebody who was let in would not be let in now."""

    code: int
    """To close a WebSocket with."""
    reason: str
    """Fits into the 123 bytes that a WebSocket has for it."""


SIGN_IN: Final = 4401
NO_RIGHT: Final = 4403
"""Like the status of HTTP that would be the answer."""

_VISIT: Final = "camstream_visit"


def ask_for(gate: Gate, asked: Asked) -> Middleware:
    """A middleware that answers only who has a token, as bearer or, where a program knows nothing else, as a password, and the rights."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in OPEN_PATHS or asks_for_file(request):
            return await handler(request)
        token = token_of(request.headers.get(hdrs.AUTHORIZATION, ""))
        with _told():
            person = await gate.person(token)
        if person is None:
            headers = {hdrs.WWW_AUTHENTICATE: 'Basic realm="camstream"'}
            raise web.HTTPUnauthorized(headers=headers, text="a token is needed: as `Authorization: Bearer TOKEN`, or as password\n")
        visit = request[_VISIT] = Visit(gate, token, person, tuple(asked(request)))
        for right in visit.rights:
            await permit(request, right)
        return await handler(request)

    return middleware


def asks_for_file(request: web.Request) -> bool:
    """Whether a request is for the file of a background. Workers make these: they have no token, and know its hash."""
    return request.method == hdrs.METH_GET and request.path.startswith(BACKGROUNDS) and SHA256 in request.query


async def permit(request: web.Request, right: Right) -> None:
    """Return if who asks may do it.

    :raises web.HTTPForbidden: if not
    :raises web.HTTPServiceUnavailable: if that cannot be known now
    """
    visit = visit_of(request)
    with _told():
        allowed = await visit.gate.may(visit.person, right)
    if not allowed:
        raise web.HTTPForbidden(text=f"{visit.person.name or 'you'} may not {right}; ask who administers it for that right\n")


def visit_of(request: web.Request) -> Visit:
    """Who asks; of what is answered without a token there is nobody."""
    visit: Visit = request[_VISIT]
    return visit


async def withdrawn(visit: Visit) -> Withdrawn | None:
    """Ask once more what was asked at the door; None: they would be let in.

    :raises Unavailable: if that cannot be known now
    """
    person = await visit.gate.person(visit.token)
    if person is None:
        return Withdrawn(SIGN_IN, "the token is no longer valid")
    for right in visit.rights:
        if not await visit.gate.may(person, right):
            # Who looks at it knows its name, which may be longer than what there is room for.
            return Withdrawn(NO_RIGHT, f"you may no longer {right._replace(name='')}")
    return None


@contextmanager
def _told() -> Iterator[None]:
    """Nobody gets in because nobody could be asked."""
    try:
        yield
    except Unavailable as error:
        raise web.HTTPServiceUnavailable(text=f"it is not known who may do this: {error}\n") from error


def token_of(authorization: str) -> bytes | None:
    """The token of a header Authorization; None where there is none."""
    scheme, _, rest = authorization.partition(" ")
    given = rest.strip().encode(errors="surrogateescape")
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).partition(b":")[2]
        except binascii.Error:
            return None
    elif scheme.lower() != "bearer":
        return None
    return given or None


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
