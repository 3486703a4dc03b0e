"""The camera API: ``/api/v1/cam``."""

from typing import Final

from aiohttp import web

from camstream.spec.objects import Camera
from camstream_gateway.cam_server import files
from camstream_gateway.cam_server.images import image_bytes, picture
from camstream_gateway.cam_server.info import Info
from camstream_gateway.cam_server.replies import Fields, answer, json_object
from camstream_gateway.cam_server.service import Service
from camstream_gateway.cam_server.translation import Unknown, aliases, groups

PREFIX: Final = "/api/v1/cam"


class Cameras:
    """What is asked about cameras."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self, info: Info) -> list[web.RouteDef]:
        # In this order: words that are reserved come before names.
        return [
            web.get(PREFIX, answer(self._names, "List of available cameras.")),
            web.delete(PREFIX, answer(self._stop_all, "All camera instances stopped.")),
            web.get(f"{PREFIX}/config_names", answer(self._config_names, "List of available configurations.")),
            web.get(f"{PREFIX}/aliases", answer(self._aliases, "List of camera aliases.")),
            web.get(f"{PREFIX}/groups", answer(self._groups, "List of camera groups.")),
            *info.routes(PREFIX),
            *info.proxy_routes(self._config_names, self._config, self._save, self._delete, self._stop),
            *files.routes(PREFIX, self._service),
            web.get(f"{PREFIX}/{{name}}", answer(self._stream, "Stream address of camera.")),
            web.delete(f"{PREFIX}/{{name}}", answer(self._stop, "Camera instance stopped.")),
            web.delete(f"{PREFIX}/{{name}}/del", answer(self._stop, "Camera instance stopped.")),
            web.get(f"{PREFIX}/{{name}}/config", answer(self._config, "Camera configuration.")),
            web.post(f"{PREFIX}/{{name}}/config", answer(self._save, "Camera configuration saved.")),
            web.delete(f"{PREFIX}/{{name}}/config", answer(self._delete, "Camera configuration deleted.")),
            web.get(f"{PREFIX}/{{name}}/geometry", answer(self._geometry, "Geometry of camera.")),
            web.get(f"{PREFIX}/{{name}}/is_online", answer(self._is_online, "Status of camera.")),
            web.get(f"{PREFIX}/{{name}}/image", answer(self._image, "Image of camera.")),
            web.get(f"{PREFIX}/{{name}}/image_bytes", answer(self._image_bytes, "Image of camera.")),
        ]

    def _camera(self, request: web.Request) -> Camera:
        return self._service.camera(request.match_info["name"])

    def _sorted(self) -> list[str]:
        return sorted(camera.external_name for camera in self._service.mirror.cameras())

    async def _names(self, _: web.Request) -> Fields:
        return {"cameras": self._sorted()}

    async def _config_names(self, _: web.Request) -> Fields:
        return {"config_names": self._sorted()}

    async def _aliases(self, _: web.Request) -> Fields:
        return {"aliases": aliases(self._service.mirror.cameras())}

    async def _groups(self, _: web.Request) -> Fields:
        return {"groups": groups(self._service.mirror.cameras())}

    async def _stream(self, request: web.Request) -> Fields:
        return {"stream": await self._service.camera_stream(self._camera(request))}

    async def _stop(self, request: web.Request) -> Fields:
        try:
            await self._service.stop(self._camera(request))
        except Unknown:
            return {}  # as cam_server: what is not there does not run
        return {}

    async def _stop_all(self, _: web.Request) -> Fields:
        await self._service.stop_all(self._service.mirror.cameras())
        return {}

    async def _config(self, request: web.Request) -> Fields:
        return {"config": self._service.config(self._camera(request))}

    async def _save(self, request: web.Request) -> Fields:
        return {"config": await self._service.save_camera(request.match_info["name"], await json_object(request))}

    async def _delete(self, request: web.Request) -> Fields:
        await self._service.remove(self._camera(request))
        return {}

    async def _geometry(self, request: web.Request) -> Fields:
        return {"geometry": await self._service.geometry(self._camera(request))}

    async def _is_online(self, request: web.Request) -> Fields | web.Response:
        why = await self._service.online(self._camera(request))
        return {"online": not why, **({"status": why} if why else {})}

    async def _image(self, request: web.Request) -> web.Response:
        return await picture(request, await self._service.image(self._camera(request)))

    async def _image_bytes(self, request: web.Request) -> Fields:
        return {"image": image_bytes(await self._service.image(self._camera(request)))}
