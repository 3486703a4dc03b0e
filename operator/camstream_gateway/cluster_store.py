"""The objects of a cluster: read by list and watch, written with the version that was read, so that nobody's edit is lost."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final, NamedTuple, Self, TypeVar
from urllib.parse import urlencode, urlsplit

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from pydantic import ValidationError

from camstream.names import API_VERSION, HTTP_PORT
from camstream.spec.background import BackgroundSpec
from camstream.spec.key import Key
from camstream.spec.objects import KINDS, Background, Camera, Object, Pipeline
from camstream.spec.status import BackgroundStatus
from camstream_gateway.store import REQUEST_S, Held, Refused, Seen, Streaming, Unavailable

STREAMING: Final[tuple[type[Camera] | type[Pipeline], ...]] = (Camera, Pipeline)

JSON: Final = "application/json"
MERGE: Final = "application/merge-patch+json"

PAGE: Final = 500
WATCH_S: Final = 290
"""The API server ends a watch after this time; the next one goes on from there."""
SILENT_S: Final = 310.0
"""A watch that has not even ended by then is dead."""
LONGEST_LINE: Final = 4 << 20
CONFLICTS: Final = 5
"""How often an edit is tried again that somebody else was faster with."""
LOG_LINES: Final = 100
CLOSE_S: Final = 0.1

GONE, CONFLICT, NOT_FOUND = 410, 409, 404

Body = dict[str, Any]
T = TypeVar("T", bound=Object)


class Change(NamedTuple):
    """One object, as the API server tells of it."""

    document: Body
    deleted: bool = False

    @property
    def key(self) -> Key:
        return Key(self.document["kind"], self.document["metadata"]["namespace"], self.document["metadata"]["name"])


class ClusterStore:
    """Cameras and pipelines of some namespaces, with the rights of this pod or of a kubeconfig file."""

    def __init__(self, client: ApiClient, home: str, namespaces: tuple[str, ...] = ()) -> None:
        """Needs a running event loop.

        :param home: where clients of cam_server make objects
        :param namespaces: those to look at; none: all
        """
        self.home = home
        self._client, self._namespaces = client, namespaces
        # A session of our own: that of the client reads whole answers, and a watch has no end.
        connector = aiohttp.TCPConnector(ssl=client.rest_client.ssl_context)
        self._http = aiohttp.ClientSession(connector=connector, trust_env=False, read_bufsize=LONGEST_LINE)

    @classmethod
    async def connect(cls, home: str, namespaces: tuple[str, ...] = (), kubeconfig: str | None = None) -> Self:
        """:raises kubernetes.config.ConfigException: if there is no identity"""
        settings = Configuration()
        settings.client_session_kwargs = {"trust_env": False}
        if kubeconfig:
            await config.load_kube_config(config_file=kubeconfig, client_configuration=settings)
        else:
            config.load_incluster_config(client_configuration=settings)
        return cls(ApiClient(settings), home, namespaces)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        await self._client.close()
        # Connections with TLS are closed a little after that says so.
        await asyncio.sleep(CLOSE_S)

    async def apply(self, thing: Streaming) -> Streaming:
        for _ in range(CONFLICTS):
            where = _path(thing.kind, thing.metadata.namespace, thing.name)
            status, found = await self._ask("GET", where)
            if status == NOT_FOUND:
                status, told = await self._ask("POST", _path(thing.kind, thing.metadata.namespace), _fresh(thing))
            else:
                status, told = await self._ask("PUT", where, _edited(found, thing))
            if status < 300:
                return type(thing).model_validate(told)
            if status != CONFLICT:
                raise Refused(str(told.get("message") or told))
        raise Refused(f"{Key.of(thing)}: others changed it {CONFLICTS} times meanwhile; try again")

    async def delete(self, key: Key) -> None:
        status, told = await self._ask("DELETE", _path(key.kind, key.namespace, key.name))
        if status >= 300 and status != NOT_FOUND:
            raise Refused(str(told.get("message") or told))

    async def logs(self, key: Key) -> list[str]:
        _, found = await self._ask("GET", _path(key.kind, key.namespace, key.name))
        pod = found.get("status", {}).get("worker", {}).get("podName")
        if not pod:
            return []
        path = f"/api/v1/namespaces/{key.namespace}/pods/{pod}/log?{urlencode({'tailLines': LOG_LINES})}"
        async with await self._open("GET", path, REQUEST_S) as answer:
            return (await answer.text()).splitlines() if answer.status == 200 else []

    async def watch(self) -> AsyncIterator[Seen | None]:
        async for change in self._changes(STREAMING):
            if change is None:
                yield None
            elif seen := _seen(change):
                yield seen

    async def watch_backgrounds(self) -> AsyncIterator[Background | Key | None]:
        """Every Background, then None, then each that changes; the key of one that is gone.

        :raises Unavailable: when nobody tells any more
        """
        async for change in self._changes((Background,)):
            if change is None:
                yield None
            elif change.deleted:
                yield change.key
            elif thing := _valid(Background, change.document):
                yield thing

    async def create_background(self, namespace: str, name: str, spec: BackgroundSpec) -> Background:
        """Make a Background, or find the one of that name.

        :raises Refused: if it cannot be made
        :raises Unavailable: if the API server cannot be reached
        """
        body = {"apiVersion": API_VERSION, "kind": "Background", "metadata": {"name": name}, "spec": spec.to_dict()}
        status, told = await self._ask("POST", _path("Background", namespace), body)
        if status == CONFLICT:
            status, told = await self._ask("GET", _path("Background", namespace, name))
        if status >= 300:
            raise Refused(str(told.get("message") or told))
        return Background.model_validate(told)

    async def tell_background(self, thing: Background, status: BackgroundStatus) -> bool:
        """Write the status of a Background; False: it is gone.

        :raises Refused: if it cannot be written
        :raises Unavailable: if the API server cannot be reached
        """
        told = {"metadata": {"uid": thing.metadata.uid}, "status": status.model_dump(mode="json", by_alias=True, exclude_none=True)}
        code, found = await self._ask("PATCH", _path("Background", thing.metadata.namespace, thing.name) + "/status", told, MERGE)
        if code >= 300 and code not in (NOT_FOUND, CONFLICT):
            raise Refused(str(found.get("message") or found))
        return code < 300

    async def _changes(self, kinds: Iterable[type[Object]]) -> AsyncIterator[Change | None]:
        """Every object of some kinds, then None, then every change."""
        versions: dict[str, str] = {}
        places = [_path(kind.__name__, namespace) for kind in kinds for namespace in (self._namespaces or (None,))]
        for place in places:
            async for change in self._listed(place, versions):
                yield change
        yield None
        events: asyncio.Queue[Change | Unavailable] = asyncio.Queue()
        watches = [asyncio.create_task(self._watch(place, versions[place], events)) for place in places]
        try:
            while True:
                event = await events.get()
                if isinstance(event, Unavailable):
                    raise event
                yield event
        finally:
            for task in watches:
                task.cancel()
            await asyncio.gather(*watches, return_exceptions=True)

    async def _listed(self, place: str, versions: dict[str, str]) -> AsyncIterator[Change]:
        query = {"limit": str(PAGE)}
        while True:
            status, found = await self._ask("GET", f"{place}?{urlencode(query)}")
            if status >= 300:
                raise Unavailable(f"the API server does not list {place}: {found.get('message')}")
            for item in found.get("items") or []:
                # Items of a list do not say what they are.
                yield Change(item | {"apiVersion": API_VERSION, "kind": str(found["kind"]).removesuffix("List")})
            versions[place] = found["metadata"]["resourceVersion"]
            if not (more := found["metadata"].get("continue")):
                return
            query["continue"] = more

    async def _watch(self, place: str, version: str, events: "asyncio.Queue[Change | Unavailable]") -> None:
        """Hand on what changes, until the API server cannot go on from where we are: then everything is listed anew."""
        while True:
            query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": str(WATCH_S), "allowWatchBookmarks": "true"}
            try:
                async with await self._open("GET", f"{place}?{urlencode(query)}", SILENT_S) as answer:
                    while line := await answer.content.readline():
                        event = json.loads(line)
                        if event["type"] == "ERROR" or answer.status != 200:
                            await events.put(Unavailable(f"the watch of {place} has to begin anew: {event}"))
                            return
                        version = event["object"]["metadata"]["resourceVersion"]
                        if event["type"] != "BOOKMARK":
                            await events.put(Change(event["object"], event["type"] == "DELETED"))
            except (Unavailable, aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                await events.put(Unavailable(f"the watch of {place} broke: {error or type(error).__name__}"))
                return

    async def _ask(self, method: str, path: str, body: Body | None = None, content_type: str = JSON) -> tuple[int, Body]:
        async with await self._open(method, path, REQUEST_S, body, content_type) as answer:
            try:
                found: Body = json.loads(await answer.read())
            except (ValueError, aiohttp.ClientError, TimeoutError) as error:
                raise Unavailable(f"{method} {path}: the API server's answer cannot be read: {error}") from error
            return answer.status, found

    async def _open(
        self, method: str, path: str, timeout_s: float, body: Body | None = None, content_type: str = JSON
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": JSON, "Content-Type": content_type}
        await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = self._client.configuration.host + path
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            answer: aiohttp.ClientResponse = await self._http.request(method, url, headers=headers, json=body, timeout=timeout)
        except (aiohttp.ClientError, ssl.SSLError, OSError, TimeoutError) as error:
            raise Unavailable(f"{method} {path}: the API server did not answer: {error or type(error).__name__}") from error
        return answer


def _path(kind: str, namespace: str | None, name: str | None = None) -> str:
    plural = KINDS[kind].plural
    return "/".join(["/apis", API_VERSION, *(["namespaces", namespace] if namespace else []), plural, *([name] if name else [])])


def _fresh(thing: Streaming) -> Body:
    metadata = thing.metadata.model_dump(mode="json", by_alias=True, include={"name", "namespace", "annotations", "labels"})
    return {"apiVersion": API_VERSION, "kind": thing.kind, "metadata": metadata, "spec": thing.spec.to_dict()}


def _edited(found: Body, thing: Streaming) -> Body:
    """What is stored, with our spec and annotations; labels and whatever else it has stay."""
    return found | {"metadata": found["metadata"] | {"annotations": thing.metadata.annotations}, "spec": thing.spec.to_dict()}


def _seen(change: Change) -> Seen | None:
    """News of a camera or pipeline; None of one that this version cannot read."""
    if change.deleted:
        return Seen(change.key, None)
    kind = next(known for known in STREAMING if known.__name__ == change.key.kind)
    thing = _valid(kind, change.document)
    return Seen(change.key, Held(thing, _http(thing))) if thing else None


def _valid(kind: type[T], document: Body) -> T | None:
    try:
        return kind.model_validate(document)
    except ValidationError:
        return None


def _http(thing: Streaming) -> str | None:
    """Where its worker answers: the same Service as its stream."""
    address = thing.status.stream.address
    host = urlsplit(address).hostname if address else None
    return f"http://{host}:{HTTP_PORT}" if host else None
