"""The objects of a cluster: read by list and watch, written with the version that was read, so that nobody's edit is lost."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from typing import Any, Final, Self
from urllib.parse import urlencode, urlsplit

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from pydantic import ValidationError

from camstream.names import API_VERSION, HTTP_PORT
from camstream.spec.key import Key
from camstream.spec.objects import Camera, Pipeline
from camstream_gateway.store import REQUEST_S, Held, Refused, Seen, Streaming, Unavailable

KINDS: Final[tuple[type[Camera] | type[Pipeline], ...]] = (Camera, Pipeline)

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
        versions: dict[str, str] = {}
        places = [_path(kind.__name__, namespace) for kind in KINDS for namespace in (self._namespaces or (None,))]
        for place in places:
            async for seen in self._listed(place, versions):
                yield seen
        yield None
        events: asyncio.Queue[Seen | Unavailable] = asyncio.Queue()
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

    async def _listed(self, place: str, versions: dict[str, str]) -> AsyncIterator[Seen]:
        query = {"limit": str(PAGE)}
        while True:
            status, found = await self._ask("GET", f"{place}?{urlencode(query)}")
            if status >= 300:
                raise Unavailable(f"the API server does not list {place}: {found.get('message')}")
            for item in found.get("items") or []:
                # Items of a list do not say what they are.
                if seen := _seen(item | {"apiVersion": API_VERSION, "kind": str(found["kind"]).removesuffix("List")}):
                    yield seen
            versions[place] = found["metadata"]["resourceVersion"]
            if not (more := found["metadata"].get("continue")):
                return
            query["continue"] = more

    async def _watch(self, place: str, version: str, events: "asyncio.Queue[Seen | Unavailable]") -> None:
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
                        if event["type"] != "BOOKMARK" and (seen := _seen(event["object"], deleted=event["type"] == "DELETED")):
                            await events.put(seen)
            except (Unavailable, aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                await events.put(Unavailable(f"the watch of {place} broke: {error or type(error).__name__}"))
                return

    async def _ask(self, method: str, path: str, body: Body | None = None) -> tuple[int, Body]:
        async with await self._open(method, path, REQUEST_S, body) as answer:
            try:
                found: Body = json.loads(await answer.read())
            except (ValueError, aiohttp.ClientError, TimeoutError) as error:
                raise Unavailable(f"{method} {path}: the API server's answer cannot be read: {error}") from error
            return answer.status, found

    async def _open(self, method: str, path: str, timeout_s: float, body: Body | None = None) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = self._client.configuration.host + path
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            answer: aiohttp.ClientResponse = await self._http.request(method, url, headers=headers, json=body, timeout=timeout)
        except (aiohttp.ClientError, ssl.SSLError, OSError, TimeoutError) as error:
            raise Unavailable(f"{method} {path}: the API server did not answer: {error or type(error).__name__}") from error
        return answer


def _path(kind: str, namespace: str | None, name: str | None = None) -> str:
    plural = next(known.plural for known in KINDS if known.__name__ == kind)
    return "/".join(["/apis", API_VERSION, *(["namespaces", namespace] if namespace else []), plural, *([name] if name else [])])


def _fresh(thing: Streaming) -> Body:
    metadata = thing.metadata.model_dump(mode="json", by_alias=True, include={"name", "namespace", "annotations", "labels"})
    return {"apiVersion": API_VERSION, "kind": thing.kind, "metadata": metadata, "spec": thing.spec.to_dict()}


def _edited(found: Body, thing: Streaming) -> Body:
    """What is stored, with our spec and annotations; labels and whatever else it has stay."""
    return found | {"metadata": found["metadata"] | {"annotations": thing.metadata.annotations}, "spec": thing.spec.to_dict()}


def _seen(document: Body, deleted: bool = False) -> Seen | None:
    """One object as it was told; None for one that this version cannot read."""
    kind = next(known for known in KINDS if known.__name__ == document["kind"])
    metadata = document["metadata"]
    key = Key(document["kind"], metadata["namespace"], metadata["name"])
    if deleted:
        return Seen(key, None)
    try:
        thing = kind.model_validate(document)
    except ValidationError:
        return None
    return Seen(key, Held(thing, _http(thing)))


def _http(thing: Streaming) -> str | None:
    """Where its worker answers: the same Service as its stream."""
    address = thing.status.stream.address
    host = urlsplit(address).hostname if address else None
    return f"http://{host}:{HTTP_PORT}" if host else None
