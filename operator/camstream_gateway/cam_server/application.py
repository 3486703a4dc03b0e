"""The two APIs as applications, each for a port of its own."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from camstream_gateway.cam_server.cameras import Cameras
from camstream_gateway.cam_server.info import Info
from camstream_gateway.cam_server.instances import Instances
from camstream_gateway.cam_server.pipelines import Pipelines
from camstream_gateway.cam_server.replies import refusals_in_form
from camstream_gateway.cam_server.service import Service
from camstream_gateway.metrics import CAMERAS, PIPELINES, Metrics
from camstream_gateway.mirror import READY_S, Mirror
from camstream_gateway.security import OPEN_PATHS, guard


def camera_api(service: Service, host: str, access: Middleware, metrics: Metrics) -> web.Application:
    """
    :param host: where it is served
    :param access: lets in who may ask
    :param metrics: where requests are counted
    """
    info = Info(service, Instances(service), service.mirror.cameras)
    return _application([*info.server_routes(), *Cameras(service).routes(info)], metrics.count(CAMERAS), host, access, service.mirror)


def pipeline_api(service: Service, host: str, access: Middleware, metrics: Metrics) -> web.Application:
    """Parameters as for :func:`camera_api`."""
    instances = Instances(service)
    info = Info(service, instances, service.mirror.pipelines)
    routes = [*info.server_routes(), *Pipelines(service, instances).routes(info)]
    return _application(routes, metrics.count(PIPELINES), host, access, service.mirror)


def _application(routes: list[web.RouteDef], count: Middleware, host: str, access: Middleware, mirror: Mirror) -> web.Application:
    app = web.Application(middlewares=[count, refusals_in_form, guard(host), access, _once_known(mirror)])
    app.add_routes(routes)
    return app


def _once_known(mirror: Mirror) -> Middleware:
    """A middleware that lets nobody ask before everything has been told once: nothing would seem to be there, and be made anew."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in OPEN_PATHS:
            try:
                await mirror.ready(READY_S)
            except TimeoutError as error:
                words = "the objects are not known yet: who keeps them has not answered; ask again"
                raise web.HTTPServiceUnavailable(text=words) from error
        return await handler(request)

    return middleware
