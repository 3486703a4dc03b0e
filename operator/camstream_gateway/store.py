"""The one interface to objects, wherever they are kept. Local mode's form is here; a cluster's stands beside it."""

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, Self, TypeVar, cast

import aiohttp
from aiohttp import hdrs

from camstream.errors import CamstreamError
from camstream.spec.control import SOCKET_FILE
from camstream.spec.key import Key
from camstream.spec.objects import AnyObject, Background, Camera, Pipeline, parse_object
from camstream.spec.status import BackgroundStatus

REQUEST_S: Final = 10.0
"""[s] Longest time for one request."""

LONGEST_LINE: Final = 16 << 20

Streaming = Camera | Pipeline

T = TypeVar("T", bound=Camera | Pipeline | Background)


class Refused(CamstreamError):  # noqa: N818
    """An object cannot be made, changed or deleted as asked."""


class NotFound(Refused):
    """There is no such object, or no such namespace."""


class AlreadyThere(Refused):
    """An object of this name is to be made, and there is one."""


class Changed(Refused):
    """An object is not any more as it was read."""


class Forbidden(Refused):
    """Whoever keeps the objects does not let this process do it."""


class Unavailable(CamstreamError):  # noqa: N818
    """Whoever keeps the objects cannot be reached."""


@dataclass(frozen=True, slots=True)
class Held:
    """One object as it is kept, with its status."""

    thing: Streaming
    http_address: str | None = None
    """Health, status and metrics of its worker."""

    @property
    def key(self) -> Key:
        return Key.of(self.thing)


@dataclass(frozen=True, slots=True)
class Seen:
    """Something new about one object."""

    key: Key
    held: Held | None
    """None: it is gone."""


class ObjectStore(Protocol):
    """Where objects are kept. Every request has a time bound; none waits for a worker."""

    home: str
    """Namespace of what clients make and see whose names know no namespaces."""
    sees_files: bool
    """Whether workers see the files of this machine; otherwise a script travels in its pipeline."""
    namespaces: tuple[str, ...]
    """Those that it looks at; none: all."""

    async def apply(self, thing: Streaming) -> Streaming:
        """Make an object or replace its metadata and spec.

        :returns: as it is kept
        :raises Refused: if it cannot be as asked; the message says why
        :raises Unavailable: if nobody answers
        """

    async def read(self, key: Key) -> AnyObject | None:
        """An object as it is kept now; None: there is none.

        :raises Unavailable: if nobody answers
        """

    async def create(self, thing: T) -> T:
        """Make an object that is not there yet.

        :returns: as it is kept
        :raises AlreadyThere: if it is there
        :raises Refused: if it cannot be as asked; the message says why
        :raises Unavailable: if nobody answers
        """

    async def replace(self, thing: Streaming, tag: str) -> Streaming:
        """Replace metadata and spec of an object, unless somebody changed it since it was read.

        :param tag: :func:`~camstream.spec.objects.etag` of the object as it was read
        :returns: as it is kept
        :raises Changed: if it is another one now, or gone
        :raises Refused: if it cannot be as asked; the message says why
        :raises Unavailable: if nobody answers
        """

    async def delete(self, key: Key) -> bool:
        """Delete an object. One that is not there is deleted already.

        :returns: whether it was there
        :raises Unavailable: if nobody answers
        """

    async def logs(self, key: Key) -> list[str]:
        """The last lines of its worker, oldest first; nothing where it has none."""

    def watch(self) -> AsyncIterator[Seen | None]:
        """Every camera and pipeline, then None, then every change.

        :raises Unavailable: when nobody tells any more
        """

    def watch_backgrounds(self) -> AsyncIterator[Background | Key | None]:
        """Every Background, then None, then each that changes; the key of one that is gone.

        :raises Unavailable: when nobody tells any more
        """

    async def tell_background(self, thing: Background, status: BackgroundStatus) -> bool:
        """Write the status of a Background; False: it is gone.

        :raises Refused: if it cannot be written
        :raises Unavailable: if nobody answers
        """


class LocalStore:
    """The objects of one ``camstream run``, by the socket in its folder."""

    home = "default"
    sees_files = True
    namespaces: tuple[str, ...] = ()

    def __init__(self, folder: Path) -> None:
        """:param folder: of the run"""
        # By its folder, which is open: the name of a socket has at most 107 characters.
        self._folder = os.open(folder, os.O_PATH)
        connector = aiohttp.UnixConnector(f"/proc/self/fd/{self._folder}/{SOCKET_FILE}")
        self._http = aiohttp.ClientSession("http://run", connector=connector, read_bufsize=LONGEST_LINE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        os.close(self._folder)

    async def apply(self, thing: Streaming) -> Streaming:
        return await self._put(thing, {})

    async def read(self, key: Key) -> AnyObject | None:
        try:
            return parse_object(await self._ask("GET", f"/objects/{'/'.join(key)}"))
        except NotFound:
            return None

    async def create(self, thing: T) -> T:
        try:
            return await self._put(thing, {hdrs.IF_NONE_MATCH: "*"})
        except Changed as error:
            raise AlreadyThere(str(error)) from error

    async def replace(self, thing: Streaming, tag: str) -> Streaming:
        return await self._put(thing, {hdrs.IF_MATCH: f'"{tag}"'})

    async def _put(self, thing: T, headers: dict[str, str]) -> T:
        document = thing.model_dump(mode="json", by_alias=True, exclude={"status"})
        # An object stays of its kind.
        return cast("T", parse_object(await self._ask("PUT", "/objects", json=document, headers=headers)))

    async def delete(self, key: Key) -> bool:
        try:
            await self._ask("DELETE", f"/objects/{'/'.join(key)}")
        except NotFound:
            return False
        return True

    async def logs(self, key: Key) -> list[str]:
        return list((await self._ask("GET", f"/logs/{'/'.join(key)}"))["lines"])

    async def watch(self) -> AsyncIterator[Seen | None]:
        async for told in self._events("/watch"):
            yield _seen(told)

    async def watch_backgrounds(self) -> AsyncIterator[Background | Key | None]:
        async for told in self._events("/watch/backgrounds"):
            yield _background(told)

    async def tell_background(self, thing: Background, status: BackgroundStatus) -> bool:
        told = {"uid": thing.metadata.uid, "status": status.model_dump(mode="json", by_alias=True, exclude_none=True)}
        try:
            await self._ask("PUT", f"/status/{thing.metadata.namespace}/{thing.name}", json=told)
        except NotFound:
            return False
        return True

    async def _events(self, path: str) -> AsyncIterator[dict[str, Any]]:
        try:
            async with self._http.get(path, timeout=aiohttp.ClientTimeout(total=None, connect=REQUEST_S)) as answer:
                async for line in answer.content:
                    yield json.loads(line)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unavailable(f"`camstream run` does not tell what it runs: {error}") from error
        raise Unavailable("`camstream run` does not tell what it runs any more")

    async def _ask(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=REQUEST_S)
        try:
            async with self._http.request(method, path, timeout=timeout, **body) as answer:
                told: dict[str, Any] = await answer.json()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unavailable(f"`camstream run` did not answer within {REQUEST_S:.0f} s: {error}") from error
        if answer.status >= 400:
            raise {404: NotFound, 412: Changed}.get(answer.status, Refused)(str(told["message"]))
        return told


def _seen(told: dict[str, Any]) -> Seen | None:
    if "deleted" in told:
        return Seen(Key(*told["deleted"]), None)
    if "object" not in told:
        return None
    thing = parse_object(told["object"])
    assert not isinstance(thing, Background)  # noqa: S101 - they are watched by themselves
    return Seen(Key.of(thing), Held(thing, told["http"]))


def _background(told: dict[str, Any]) -> Background | Key | None:
    if "deleted" in told:
        return Key(*told["deleted"])
    return Background.model_validate(told["object"]) if "object" in told else None
