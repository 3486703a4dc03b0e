"""Who may do what, as the API server says: TokenReview and SubjectAccessReview, remembered for a short while."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final, Generic, TypeVar

from camstream.names import GROUP
from camstream_gateway.security import Person, Right
from camstream_gateway.store import Unavailable

TOKEN_REVIEWS: Final = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
ACCESS_REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

PERSON_S: Final = 60.0
"""For so long a token is taken to be whose it was: one that is revoked works no longer than this."""
RIGHT_S: Final = 10.0
"""For so long a right that was given or refused, and a token that is nobody's, is taken to be so."""
MOST: Final = 1024
"""Answers that are remembered, of each kind. Who sends many tokens makes others be asked about again, and no more."""
AT_ONCE: Final = 8
"""Most questions to the API server at one time, however many ask us."""

Body = dict[str, Any]
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """The newest answers, each until its time is over."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = MOST) -> None:
        """:param clock: [s]"""
        self._clock, self._most = clock, most
        self._answers: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: K) -> tuple[V] | None:
        """The answer as the one of a tuple; None: it is not known."""
        found = self._answers.get(key)
        if found is None or found[0] <= self._clock():
            return None
        return (found[1],)

    def put(self, key: K, value: V, for_s: float) -> None:
        self._answers.pop(key, None)
        self._answers[key] = (self._clock() + for_s, value)
        while len(self._answers) > self._most:
            self._answers.popitem(last=False)


class Reviews:
    """A gate that asks the API server."""

    def __init__(self, post: Callable[[str, Body], Awaitable[tuple[int, Body]]], clock: Callable[[], float] = time.monotonic) -> None:
        """
        :param post: sends something to a path of the API server; gives status and body of the answer
        :param clock: [s]
        """
        self._post = post
        self._persons: Remembered[bytes, Person | None] = Remembered(clock)
        self._rights: Remembered[tuple[Person, Right], bool] = Remembered(clock)
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def person(self, token: bytes | None) -> Person | None:
        try:
            text = (token or b"").decode("ascii")
        except UnicodeDecodeError:
            return None
        if not text:
            return None
        digest = hashlib.sha256(text.encode()).digest()
        if known := self._persons.get(digest):
            return known[0]
        found = _person(await self._ask(TOKEN_REVIEWS, "authentication.k8s.io/v1", "TokenReview", {"token": text}))
        self._persons.put(digest, found, PERSON_S if found else RIGHT_S)
        return found

    async def may(self, person: Person, right: Right) -> bool:
        if known := self._rights.get((person, right)):
            return known[0]
        spec = {
            "user": person.name,
            "uid": person.uid,
            "groups": list(person.groups),
            "extra": {name: list(values) for name, values in person.extra},
            "resourceAttributes": {"group": GROUP, **right._asdict()},
        }
        status = await self._ask(ACCESS_REVIEWS, "authorization.k8s.io/v1", "SubjectAccessReview", spec)
        allowed = status.get("allowed") is True
        self._rights.put((person, right), allowed, RIGHT_S)
        return allowed

    async def _ask(self, path: str, version: str, kind: str, spec: Body) -> Body:
        """:raises Unavailable: if the API server does not say"""
        async with self._turn:
            status, told = await self._post(path, {"apiVersion": version, "kind": kind, "spec": spec})
        if status != 201:
            advice = "; let its account create them" if status == 403 else "; try again"
            raise Unavailable(f"the API server does not answer the {kind} of this gateway: {told.get('message') or status}{advice}")
        found: Body = told.get("status") or {}
        return found


def _person(status: Body) -> Person | None:
    if status.get("authenticated") is not True:
        return None
    user = status.get("user") or {}
    extra = tuple((name, tuple(values)) for name, values in sorted((user.get("extra") or {}).items()))
    return Person(user.get("username") or "", user.get("uid") or "", tuple(user.get("groups") or ()), extra)
