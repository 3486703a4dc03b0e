"""The objects of a cluster: read by list and watch, written with the version that was read, so that nobody's edit is lost."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final, Literal, NamedTuple, Self, TypeVar
from urllib.parse import urlencode, urlsplit

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from pydantic import ValidationError

from camstream.names import API_VERSION, HTTP_PORT, MERGE_PATCH
from camstream.spec.base import problems
from camstream.spec.key import Key
from camstream.spec.objects import KINDS, AnyObject, Background, Camera, Metadata, Object, Pipeline, etag
from camstream.spec.status import BackgroundStatus
from camstream_gateway.store import (
    REQUEST_S,
    AlreadyThere,
    Changed,
    Forbidden,
    Held,
    NotFound,
    Refused,
    Seen,
    Streaming,
    Unavailable,
)

STREAMING: Final[dict[str, type[Camera] | type[Pipeline]]] = {"Camera": Camera, "Pipeline": Pipeline}

JSON: Final = "application/json"

WRITER: Final = "?fieldManager=camstream-gateway"
"""What Kubernetes keeps of who wrote a field (``metadata.managedFields``)."""

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

CONFLICT, NOT_FOUND, FORBIDDEN, TOO_MANY = 409, 404, 403, 429
SERVER_ERRORS: Final = range(500, 600)

Body = dict[str, Any]
T = TypeVar("T", bound=Object)
Stored = TypeVar("Stored", bound=Camera | Pipeline | Background)


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
        self.home, self.sees_files = home, False
        self.namespaces = namespaces
        self._client = client
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
            found = await self._find(Key.of(thing))
            if stored := await (self._post(thing) if found is None else self._put(thing, found, thing.metadata.annotations)):
                return stored
        raise _busy(thing)

    async def read(self, key: Key) -> AnyObject | None:
        found = await self._find(key)
        return None if found is None else _valid(found, "ignore")

    async def create(self, thing: Stored) -> Stored:
        stored = await self._post(thing)
        if stored is None:
            raise AlreadyThere(f"{Key.of(thing)} is there already; replace it, or choose another name")
        return stored

    async def replace(self, thing: Streaming, tag: str) -> Streaming:
        for _ in range(CONFLICTS):
            found = await self._find(Key.of(thing))
            if found is None or etag(_valid(found)) != tag:
                raise Changed(f"{Key.of(thing)} is not as it was read; read it again")
            # What else may have changed since, and made the version another one, is the status.
            if stored := await self._put(thing, found, thing.metadata.annotations, thing.metadata.labels):
                return stored
        raise _busy(thing)

    async def delete(self, key: Key) -> bool:
        self._check(key.namespace)
        status, told = await self._ask("DELETE", _path(key.kind, key.namespace, key.name))
        if status >= 300 and status != NOT_FOUND:
            raise _refusal(status, told)
        return status != NOT_FOUND

    async def post(self, path: str, document: Body) -> tuple[int, Body]:
        """Send something to a path of the API server; status and body of its answer.

        :raises Unavailable: if it does not answer
        """
        return await self._ask("POST", path, document)

    async def _find(self, key: Key) -> Body | None:
        """What is stored; None: nothing."""
        self._check(key.namespace)
        status, found = await self._ask("GET", _path(key.kind, key.namespace, key.name))
        if status >= 300 and status != NOT_FOUND:
            raise _refusal(status, found)
        return None if status == NOT_FOUND else found

    async def _post(self, thing: Stored) -> Stored | None:
        """Make an object; None: it is there already."""
        self._check(thing.metadata.namespace)
        status, told = await self._ask("POST", _path(thing.kind, thing.metadata.namespace) + WRITER, _fresh(thing))
        return _stored(thing, status, told, CONFLICT)

    async def _put(self, thing: Streaming, found: Body, annotations: Body, labels: Body | None = None) -> Streaming | None:
        """What is stored, with our spec and annotations, and whatever else it has; None: it is another one meanwhile.

        :param labels: that it shall have; None: those that it has
        """
        metadata = found["metadata"] | {"annotations": annotations} | ({} if labels is None else {"labels": labels})
        document = found | {"metadata": metadata, "spec": thing.spec.to_dict()}
        status, told = await self._ask("PUT", _path(thing.kind, thing.metadata.namespace, thing.name) + WRITER, document)
        return _stored(thing, status, told, CONFLICT, NOT_FOUND)

    def _check(self, namespace: str) -> None:
        """:raises Forbidden: if this gateway does not look at a namespace: what it wrote there nobody would see here"""
        if self.namespaces and namespace not in self.namespaces:
            raise Forbidden(
                f"this gateway looks at the namespaces {', '.join(self.namespaces)} only, not at {namespace!r}; choose one of them"
            )

    async def logs(self, key: Key) -> list[str]:
        _, found = await self._ask("GET", _path(key.kind, key.namespace, key.name))
        pod = found.get("status", {}).get("worker", {}).get("podName")
        if not pod:
            return []
        path = f"/api/v1/namespaces/{key.namespace}/pods/{pod}/log?{urlencode({'tailLines': LOG_LINES})}"
        async with await self._open("GET", path, REQUEST_S) as answer:
            return (await answer.text()).splitlines() if answer.status == 200 else []

    async def watch(self) -> AsyncIterator[Seen | None]:
        async for change in self._changes(STREAMING.values()):
            if change is None:
                yield None
            elif seen := _seen(change):
                yield seen

    async def watch_backgrounds(self) -> AsyncIterator[Background | Key | None]:
        async for change in self._changes((Background,)):
            if change is None:
                yield None
            elif change.deleted:
                yield change.key
            elif thing := _readable(Background, change.document):
                yield thing

    async def tell_background(self, thing: Background, status: BackgroundStatus) -> bool:
        told = {"metadata": {"uid": thing.metadata.uid}, "status": status.model_dump(mode="json", by_alias=True, exclude_none=True)}
        path = _path("Background", thing.metadata.namespace, thing.name) + "/status" + WRITER
        code, found = await self._ask("PATCH", path, told, MERGE_PATCH)
        if code >= 300 and code not in (NOT_FOUND, CONFLICT):
            raise _refusal(code, found)
        return code < 300

    async def _changes(self, kinds: Iterable[type[Object]]) -> AsyncIterator[Change | None]:
        """Every object of some kinds, then None, then every change."""
        versions: dict[str, str] = {}
        places = [_path(kind.__name__, namespace) for kind in kinds for namespace in (self.namespaces or (None,))]
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
                    if answer.status != 200:
                        # A kind that is new to the API server is listed already while its watches are still refused (429).
                        await events.put(Unavailable(f"the API server does not watch {place}: {answer.status} {await answer.text()}"))
                        return
                    while line := await answer.content.readline():
                        event = json.loads(line)
                        if event["type"] == "ERROR":
                            await events.put(Unavailable(f"the watch of {place} has to begin anew: {event}"))
                            return
                        version = event["object"]["metadata"]["resourceVersion"]
                        if event["type"] != "BOOKMARK":
                            await events.put(Change(event["object"], event["type"] == "DELETED"))
            except Exception as error:  # noqa: BLE001 - a watch that ended without a word would leave everybody here deaf for ever
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


def _fresh(thing: AnyObject) -> Body:
    metadata = thing.metadata.model_dump(mode="json", by_alias=True, include={"name", "namespace", "annotations", "labels"})
    return {"apiVersion": API_VERSION, "kind": thing.kind, "metadata": metadata, "spec": thing.spec.to_dict()}


def _stored(thing: Stored, status: int, told: Body, *others: int) -> Stored | None:
    """What the API server has stored; None: somebody else was faster.

    :param others: status codes that say so
    :raises Refused: if it refuses
    """
    if status in others:
        return None
    if status >= 300:
        raise _refusal(status, told)
    return _read(type(thing), told)


def _read(kind: type[T], document: Body, extra: Literal["ignore"] | None = "ignore") -> T:
    """An object, with all that there is of its metadata.

    :param extra: None to refuse fields that only a newer version knows: who replaces an object would lose them. (Not "forbid": that would
        refuse what Kubernetes adds to the metadata, too.)
    :raises pydantic.ValidationError: if this version cannot read it
    """
    thing = kind.model_validate(document, extra=extra)
    return thing.model_copy(update={"metadata": Metadata.model_validate(document["metadata"])})


def _valid(found: Body, extra: Literal["ignore"] | None = None) -> AnyObject:
    """:raises Refused: if this version cannot read what is stored"""
    try:
        return _read(KINDS[found["kind"]], found, extra)
    except ValidationError as error:
        name = f"{found['kind'].lower()}/{found['metadata']['name']}"
        raise Refused(f"{name} is stored in a form that is not valid here: {'; '.join(problems(error))}; correct it by kubectl") from error


def _refusal(status: int, told: Body) -> Refused | Unavailable:
    """What the API server says, in its words."""
    message = str(told.get("message") or told)
    if status in (TOO_MANY, *SERVER_ERRORS):
        return Unavailable(f"the API server is not ready to answer: {message}; try again")
    return {FORBIDDEN: Forbidden, NOT_FOUND: NotFound}.get(status, Refused)(message)


def _busy(thing: Streaming) -> Changed:
    return Changed(f"{Key.of(thing)}: others changed it {CONFLICTS} times meanwhile; try again")


def _seen(change: Change) -> Seen | None:
    """News of a camera or pipeline; None of one that this version cannot read."""
    if change.deleted:
        return Seen(change.key, None)
    thing = _readable(STREAMING[change.key.kind], change.document)
    return Seen(change.key, Held(thing, _http(thing))) if thing else None


def _readable(kind: type[T], document: Body) -> T | None:
    """An object; None where this version cannot read it."""
    try:
        return _read(kind, document)
    except ValidationError:
        return None


def _http(thing: Streaming) -> str | None:
    """Where its worker answers: the same Service as its stream."""
    address = thing.status.stream.address
    host = urlsplit(address).hostname if address else None
    return f"http://{host}:{HTTP_PORT}" if host else None
