"""What is told about the server: instances with their statistics, versions, logs, and what managers and proxies of cam_server tell."""

import json
from collections.abc import Awaitable, Callable, Iterable
from importlib.metadata import version
from typing import Any, Final

from aiohttp import web

from camstream.spec.key import Key
from camstream.spec.legacy.objects import Config, Streaming
from camstream_gateway.cam_server.instances import Instances
from camstream_gateway.cam_server.replies import BadRequest, Fields, answer, json_object
from camstream_gateway.cam_server.service import Service
from camstream_gateway.cam_server.translation import flat_info, instance_info, is_running
from camstream_gateway.records import as_text, from_line

PROXY: Final = "/api/v1/proxy"
LOGS: Final = "/api/v1/logs"

Handler = Callable[[web.Request], Awaitable[Fields]]

LOAD: Final = ("load", "version", "cpu", "memory", "tx", "rx")


class Info:
    """One server, which is all that its clients see."""

    def __init__(self, service: Service, instances: Instances, things: Callable[[], Iterable[Streaming]]) -> None:
        """:param things: all cameras, or all pipelines"""
        self._service, self._instances, self._things = service, instances, things

    def routes(self, prefix: str) -> list[web.RouteDef]:
        return [
            web.get(f"{prefix}/info", answer(self._info, "Information about instances.")),
            web.get(f"{prefix}/heartbeat", answer(self._heartbeat, "Instances.")),
            web.get(f"{prefix}/version", answer(self._version, "Version.")),
        ]

    def server_routes(self) -> list[web.RouteDef]:
        """What has a path of its own, beside that of cameras or pipelines."""
        found = [
            web.get("/healthz", self._health),
            web.get("/api/v1/base", answer(self._base, "Base.")),
            web.get("/api/v1/reset", answer(self._reset, "")),
            *self.routes(PROXY),
            web.get(f"{PROXY}/servers", answer(self._servers, "Servers.")),
            web.get(f"{PROXY}/status", answer(self._status, "Instances by server.")),
            web.get(f"{PROXY}/config", answer(self._pool, "Servers.")),
            web.post(f"{PROXY}/config", answer(self._set_pool, "Servers.")),
            web.get(f"{PROXY}/permanent", answer(self._permanent, "Permanent instances.")),
            web.post(f"{PROXY}/permanent", answer(self._set_permanent, "Permanent instances.")),
        ]
        for suffix, text in (("", False), ("/txt", True)):
            found += [
                web.get(f"{LOGS}{suffix}", answer(self._logs(text), "Logs.")),
                web.get(f"{LOGS}/instance/{{name}}{suffix}", answer(self._instance_logs(text), "Logs of instance.")),
            ]
            # The first is cam_server's; the client asks for the second, which cam_server has never had.
            for server in (f"{PROXY}/server", "/api/v1/server"):
                found += [
                    web.get(f"{server}/logs/{{server}}{suffix}", answer(self._logs(text), "Logs.")),
                    web.get(f"{server}/instance/logs/{{server}}/{{name}}{suffix}", answer(self._instance_logs(text), "Logs of instance.")),
                ]
        return found

    def proxy_routes(self, names: Handler, config: Handler, save: Handler, delete: Handler, stop: Handler) -> list[web.RouteDef]:
        """What cam_server's managers have besides, and its management program asks for: configurations, and instances to stop.

        :param names: answers with ``config_names``; the others are about the name in the path
        """

        async def as_text(request: web.Request) -> Fields:
            return {"config": json.dumps((await config(request))["config"], indent=4)}

        one = f"{PROXY}/{{name}}"
        return [
            web.get(f"{PROXY}/config_names", answer(names, "List of available configurations.")),
            web.delete(f"{PROXY}/server/{{server}}", answer(self._stop_server, "All instances of server stopped.")),
            web.get(f"{one}/config", answer(as_text, "Configuration.")),
            web.post(f"{one}/config", answer(save, "Configuration saved.")),
            web.delete(f"{one}/config", answer(delete, "Configuration deleted.")),
            web.delete(one, answer(stop, "Instance stopped.")),
            web.delete(f"{one}/del", answer(stop, "Instance stopped and deleted.")),
        ]

    # ------------------------------------------------------------------ instances

    async def _told(self, form: Callable[..., Config]) -> dict[str, Config]:
        running = [thing for thing in self._things() if is_running(thing)]
        return {thing.external_name: told for thing, told in zip(running, await self._service.infos(running, form), strict=True)}

    async def _info(self, request: web.Request) -> Fields:
        instances = await self._told(instance_info)
        server = _url(request)
        if request.path.startswith(PROXY):
            told = {name: {"host": server, **info} for name, info in instances.items()}
            return {"info": {"active_instances": told, "servers": {server: {"instances": list(told), **_load(len(told))}}}}
        return {"info": {"active_instances": instances, **{key: value for key, value in _load(len(instances)).items() if key != "load"}}}

    async def _heartbeat(self, _: web.Request) -> Fields:
        return {"version": _own_version(), "instances": await self._told(flat_info)}

    async def _version(self, _: web.Request) -> Fields:
        return {"version": _own_version()}

    # ------------------------------------------------------------------ servers

    async def _servers(self, request: web.Request) -> Fields:
        running = sorted(thing.external_name for thing in self._things() if is_running(thing))
        return {"servers": [_url(request)], "instances": [running], **{key: [value] for key, value in _load(len(running)).items()}}

    async def _status(self, request: web.Request) -> Fields:
        return {"servers": {_url(request): await self._told(instance_info)}}

    async def _pool(self, request: web.Request) -> Fields:
        return {"config": _servers_of(request)}

    async def _set_pool(self, request: web.Request) -> Fields:
        wanted = await json_object(request)
        if wanted.keys() != _servers_of(request).keys():
            raise BadRequest(
                f"there is one server, {_url(request)}, and it decides where workers run; found {', '.join(wanted) or 'none'}. "
                "Place workers by worker.className of each object"
            )
        return {"config": _servers_of(request)}

    async def _permanent(self, _: web.Request) -> Fields:
        return {"permanent_instances": self._instances.permanent(self._things())}

    async def _set_permanent(self, request: web.Request) -> Fields:
        wanted = await json_object(request)
        await self._instances.set_permanent({str(name): str(saved) for name, saved in wanted.items()}, self._things())
        return await self._permanent(request)

    async def _stop_server(self, request: web.Request) -> Fields:
        url, wanted = _url(request), request.match_info["server"]
        if wanted not in ("0", _compact(url)):
            raise BadRequest(f"there is no server '{wanted}'; there is one, {_compact(url)}, which is number 0")
        await self._service.stop_all(self._things())
        return {}

    # ------------------------------------------------------------------ logs and the rest

    def _logs(self, text: bool) -> Callable[[web.Request], Any]:
        async def ask(_: web.Request) -> Fields:
            records = self._service.records.newest()
            return {"logs": as_text(records) if text else [list(record) for record in records]}

        return ask

    def _instance_logs(self, text: bool) -> Callable[[web.Request], Any]:
        async def ask(request: web.Request) -> Fields:
            name = request.match_info["name"]
            thing = next((thing for thing in self._things() if thing.external_name == name), None)
            records = [from_line(line) for line in await self._service.mirror.store.logs(Key.of(thing))] if thing else []
            return {"logs": as_text(records) if text else [list(record) for record in records]}

        return ask

    async def _base(self, request: web.Request) -> Fields:
        return {"base": _url(request)}

    async def _reset(self, _: web.Request) -> Fields:
        raise BadRequest("reset is not offered: nothing is kept here that could get stuck; stop instances one by one, or all of them")

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")


def _url(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}"


def _compact(url: str) -> str:
    """A server's address as cam_server's paths have it."""
    return url.replace("http", "").replace("/", "").replace(":", "")


def _servers_of(request: web.Request) -> Fields:
    return {_url(request): {"expanding": True, "enabled": True, "instances": [], "cameras": []}}


def _load(instances: int) -> Fields:
    """What cam_server tells about a machine. Its processors and network are not ours to tell: workers may run anywhere."""
    return dict(zip(LOAD, (instances, _own_version(), None, None, None, None), strict=True))


def _own_version() -> str:
    return version("camstream")
