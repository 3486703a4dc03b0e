"""Requests to the API server, with plain dicts: what kopf's handlers and the official client's models would only get in the way of."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from pydantic_core import from_json

from camstream.names import GROUP, MANAGED_BY, MERGE_PATCH, OPERATOR, VERSION

REQUEST_S: Final = 30.0
"""[s] Longest time for one request."""

CONNECTIONS: Final = 64
PAGE: Final = 100
"""Objects of one answer. All kinds are listed at the start: with 500 that was the most memory that the operator ever had."""

Body = dict[str, Any]

Observe = Callable[[str, str, int, float], None]


class ApiError(Exception):
    """The API server refused, or could not be reached (status 0)."""

    def __init__(self, status: int, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"{status} {reason}: {message}" if status else f"{reason}: {message}")
        self.status, self.reason, self.message, self.retry_after = status, reason, message, retry_after


class NotLeader(ApiError):  # noqa: N818
    """Our process does not lead any more, and must not write."""

    def __init__(self) -> None:
        super().__init__(0, "NotLeader", "the lease of this process is over; nothing is written")


@dataclass(frozen=True, slots=True)
class Resource:
    """Where objects of one kind are."""

    kind: str
    api_version: str
    plural: str
    ours: bool = False
    """One of camstream's own kinds; of all others only those with our label are looked at."""

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def selector(self) -> str | None:
        return None if self.ours else f"{MANAGED_BY}={OPERATOR}"

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        parts = ["/apis" if self.group else "/api", self.api_version]
        parts += ["namespaces", namespace] if namespace else []
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)


RESOURCES: Final = {
    resource.kind: resource
    for resource in (
        Resource("Camera", f"{GROUP}/{VERSION}", "cameras", ours=True),
        Resource("Pipeline", f"{GROUP}/{VERSION}", "pipelines", ours=True),
        Resource("Background", f"{GROUP}/{VERSION}", "backgrounds", ours=True),
        Resource("Deployment", "apps/v1", "deployments"),
        Resource("Service", "v1", "services"),
        Resource("ConfigMap", "v1", "configmaps"),
        Resource("Pod", "v1", "pods"),
    )
}
"""Every kind that the operator watches."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to reach the API server, for others who want to."""

    server: str
    ca_path: str | None
    insecure: bool
    token: str | None
    certificate_path: str | None
    private_key_path: str | None


class Api:
    """One connection pool, for one identity."""

    def __init__(self, client: ApiClient, observe: Observe, may_write: Callable[[], bool] = lambda: True) -> None:
        """
        :param observe: told the method, the path and the status of every request, and how long it took [s]
        :param may_write: asked before each write: a process that has lost its lease must not write
        """
        self._client, self._observe, self._may_write = client, observe, may_write

    @classmethod
    async def connect(cls, observe: Observe, kubeconfig: str | None = None) -> Self:
        """With the identity of this pod, or that of a kubeconfig file.

        :raises kubernetes.config.ConfigException: if there is neither
        """
        settings = Configuration()
        settings.connection_pool_maxsize = CONNECTIONS
        # With it aiohttp reads ~/.netrc and the environment anew for each request, in a thread. kopf does without, too.
        settings.client_session_kwargs = {"trust_env": False}
        if kubeconfig:
            await config.load_kube_config(config_file=kubeconfig, client_configuration=settings)
        else:
            config.load_incluster_config(client_configuration=settings)
        return cls(ApiClient(settings), observe)

    def fenced(self, may_write: Callable[[], bool]) -> "Api":
        """The same connections for a writer that may be told to stop."""
        return Api(self._client, self._observe, may_write)

    def credentials(self) -> Credentials:
        """As they are now: the token of a pod changes."""
        settings = self._client.configuration
        if settings.refresh_api_key_hook is not None:
            settings.refresh_api_key_hook(settings)
        token = str(settings.api_key.get("BearerToken", ""))
        return Credentials(
            server=settings.host,
            ca_path=settings.ssl_ca_cert,
            insecure=not settings.verify_ssl,
            token=token.partition(" ")[2] or token or None,
            certificate_path=settings.cert_file,
            private_key_path=settings.key_file,
        )

    async def close(self) -> None:
        await self._client.close()

    async def get(self, path: str) -> Body:
        return await self._request("GET", path)

    async def list(self, resource: Resource, namespace: str | None = None, fields: str | None = None) -> AsyncGenerator[list[Body], None]:
        """All objects of a kind that are ours, page by page. The next one is asked for before a page is given.

        :param fields: only those whose fields have these values: ``spec.externalName=GUN``
        """
        query = {"limit": str(PAGE)} | ({"labelSelector": resource.selector} if resource.selector else {})
        query |= {"fieldSelector": fields} if fields else {}
        coming: asyncio.Task[Body] | None = asyncio.create_task(self._request("GET", resource.path(namespace), query))
        try:
            while coming is not None:
                found = await coming
                more = found["metadata"].get("continue")
                coming = asyncio.create_task(self._request("GET", resource.path(namespace), query | {"continue": more})) if more else None
                # Who takes the page in may not wait for anything meanwhile.
                await asyncio.sleep(0)
                yield found.get("items") or []
        finally:
            if coming is not None:
                coming.cancel()

    async def create(self, path: str, body: Body) -> Body:
        return await self._request("POST", path, body=body)

    async def replace(self, path: str, body: Body) -> Body:
        return await self._request("PUT", path, body=body)

    async def merge(self, path: str, body: Body) -> Body:
        """Change some fields, whoever set them before."""
        return await self._request("PATCH", path, body=body, content_type=MERGE_PATCH)

    async def apply(self, path: str, body: Body) -> Body:
        """Server-side apply; takes fields over from others."""
        query = {"fieldManager": OPERATOR, "force": "true"}
        return await self._request("PATCH", path, query, body, "application/apply-patch+yaml")

    async def delete(self, path: str, uid: str, version: int) -> None:
        """Delete an object, unless it is another one by now, or was changed (409)."""
        body = {"preconditions": {"uid": uid, "resourceVersion": str(version)}, "propagationPolicy": "Background"}
        await self._request("DELETE", path, body=body)

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        content_type: str = "application/json",
    ) -> Body:
        if method != "GET" and not self._may_write():
            raise NotLeader
        headers = {"Accept": "application/json", "Content-Type": content_type}
        await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = self._client.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        started = time.monotonic()
        try:
            answer = await self._client.rest_client.request(method, url, headers=headers, body=body, _request_timeout=REQUEST_S)
            content = await answer.read()
        except (aiohttp.ClientError, ssl.SSLError, OSError, TimeoutError) as error:
            self._observe(method, path, 0, time.monotonic() - started)
            raise ApiError(0, "Unreachable", f"{method} {path}: {error or type(error).__name__}") from error
        self._observe(method, path, answer.status, time.monotonic() - started)
        if answer.status >= 300:
            raise _error(answer.status, content, answer.headers.get("Retry-After"))
        found: Body = from_json(content, cache_strings="keys")
        return found


def _error(status: int, content: bytes, retry_after: str | None) -> ApiError:
    try:
        told = json.loads(content)
        reason, message = str(told.get("reason") or ""), str(told.get("message") or "")
    except (ValueError, AttributeError):
        reason, message = "", content[:200].decode(errors="replace")
    seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
    return ApiError(status, reason or "Error", message or "no message", seconds)
