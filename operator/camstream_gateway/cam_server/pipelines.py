"""The pipeline API: ``/api/v1/pipeline``."""

import asyncio
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from aiohttp import web

from camstream.errors import BackgroundError
from camstream.spec.objects import Pipeline
from camstream_gateway.cam_server import files
from camstream_gateway.cam_server.images import image_bytes, picture
from camstream_gateway.cam_server.info import Info
from camstream_gateway.cam_server.instances import Instances
from camstream_gateway.cam_server.replies import (
    JSON_TIMES,
    MOST_IMAGE,
    BadRequest,
    Fields,
    answer,
    json_object,
    json_text,
    number,
    parsed,
    upload,
)
from camstream_gateway.cam_server.service import COLLECT_S, FRAMES, MOST_FRAMES, Service
from camstream_gateway.cam_server.translation import Unknown, groups, instance_info

PREFIX: Final = "/api/v1/pipeline"
INSTANCE: Final = f"{PREFIX}/instance"


class Pipelines:
    """What is asked about pipelines and their instances."""

    def __init__(self, service: Service, instances: Instances) -> None:
        self._service, self._instances = service, instances

    def routes(self, info: Info) -> list[web.RouteDef]:
        # In this order: words that are reserved come before names.
        return [
            web.get(PREFIX, answer(self._names, "List of available pipelines.")),
            web.post(PREFIX, answer(self._create_from_config, "Pipeline instance created.")),
            web.delete(PREFIX, answer(self._stop_all, "All pipeline instances stopped.")),
            web.get(f"{PREFIX}/config_names", answer(self._config_names, "List of available configurations.")),
            web.get(f"{PREFIX}/groups", answer(self._groups, "List of pipeline groups.")),
            web.get(f"{PREFIX}/camera", answer(self._cameras, "List of available cameras.")),
            *info.routes(PREFIX),
            *info.proxy_routes(self._config_names, self._config, self._save, self._delete, self._stop),
            *files.routes(PREFIX, self._service),
            web.post(f"{PREFIX}/camera/{{name}}/background", answer(self._collect, "Background collected.")),
            web.get(f"{PREFIX}/camera/{{name}}/background", answer(self._latest, "Latest background.")),
            web.get(f"{PREFIX}/camera/{{name}}/backgrounds", answer(self._backgrounds, "List of backgrounds.")),
            web.get(f"{PREFIX}/background/{{name}}/image", answer(self._background_image, "Image of background.")),
            web.get(f"{PREFIX}/background/{{name}}/image_bytes", answer(self._background_bytes, "Image of background.")),
            web.post(f"{PREFIX}/background", answer(self._set_background, "Background stored.")),
            *(web.post(path, answer(self._shared_from_config, "Stream of instance.")) for path in (INSTANCE, f"{INSTANCE}/")),
            web.get(f"{INSTANCE}/{{name}}", answer(self._stream, "Stream address of instance.")),
            web.get(f"{INSTANCE}/{{name}}/info", answer(self._info, "Information about instance.")),
            web.get(f"{INSTANCE}/{{name}}/exitcode", answer(self._exit_code, "Exit code of instance.")),
            web.get(f"{INSTANCE}/{{name}}/config", answer(self._instance_config, "Configuration of instance.")),
            web.post(f"{INSTANCE}/{{name}}/config", answer(self._change, "Configuration of instance changed.")),
            web.post(f"{PREFIX}/{{name}}", answer(self._create_from_name, "Pipeline instance created.")),
            web.delete(f"{PREFIX}/{{name}}", answer(self._stop, "Pipeline instance stopped.")),
            web.delete(f"{PREFIX}/{{name}}/del", answer(self._stop, "Pipeline instance stopped and deleted.")),
            web.get(f"{PREFIX}/{{name}}/config", answer(self._config, "Pipeline configuration.")),
            web.post(f"{PREFIX}/{{name}}/config", answer(self._save, "Pipeline configuration saved.")),
            web.delete(f"{PREFIX}/{{name}}/config", answer(self._delete, "Pipeline configuration deleted.")),
        ]

    # ------------------------------------------------------------------ saved

    def _sorted(self) -> list[str]:
        return sorted(pipeline.external_name for pipeline in self._instances.saved_pipelines())

    async def _names(self, _: web.Request) -> Fields:
        return {"pipelines": self._sorted()}

    async def _config_names(self, _: web.Request) -> Fields:
        return {"config_names": self._sorted()}

    async def _groups(self, _: web.Request) -> Fields:
        return {"groups": groups(self._instances.saved_pipelines())}

    async def _cameras(self, _: web.Request) -> Fields:
        return {"cameras": sorted(camera.external_name for camera in self._service.mirror.cameras())}

    async def _config(self, request: web.Request) -> Fields:
        return {"config": self._service.config(self._instances.saved_pipeline(_name(request)))}

    async def _save(self, request: web.Request) -> Fields:
        return {"config": await self._instances.save_pipeline(_name(request), await json_object(request))}

    async def _delete(self, request: web.Request) -> Fields:
        await self._service.remove(self._instances.saved_pipeline(_name(request)))
        return {}

    # ------------------------------------------------------------------ instances

    def _told(self, pipeline: Pipeline) -> Fields:
        return {
            "instance_id": pipeline.external_name,
            "stream": pipeline.status.stream.address,
            "config": self._service.config(pipeline),
        }

    async def _create_from_config(self, request: web.Request) -> Fields:
        config = await json_object(request)
        if not config:
            raise BadRequest("You must specify either the pipeline name or the configuration for the pipeline.")
        return self._told(await self._instances.create_from_config(config, request.query.get("instance_id") or None))

    async def _create_from_name(self, request: web.Request) -> Fields:
        additional = json_text(request.query.get("additional_config") or "", "additional_config")
        return self._told(await self._instances.create_from_name(_name(request), request.query.get("instance_id") or None, additional))

    async def _shared_from_config(self, request: web.Request) -> Fields:
        return self._told(await self._instances.shared_from_config(await json_object(request)))

    async def _stream(self, request: web.Request) -> Fields:
        return {"stream": (await self._instances.shared(_name(request))).status.stream.address}

    async def _info(self, request: web.Request) -> Fields:
        return {"info": await self._service.info(self._instances.instance(_name(request)), instance_info)}

    async def _exit_code(self, request: web.Request) -> Fields:
        return {"exitcode": self._instances.exit_code(_name(request))}

    async def _instance_config(self, request: web.Request) -> Fields:
        return {"config": self._service.config(self._instances.instance(_name(request)))}

    async def _change(self, request: web.Request) -> Fields:
        return {"config": await self._instances.change(_name(request), await json_object(request))}

    async def _stop(self, request: web.Request) -> Fields:
        try:
            await self._service.stop(self._instances.instance(_name(request)))
        except Unknown:
            return {}  # as cam_server: what is not there does not run
        return {}

    async def _stop_all(self, _: web.Request) -> Fields:
        await self._service.stop_all(self._service.mirror.pipelines())
        return {}

    # ------------------------------------------------------------------ backgrounds

    async def _collect(self, request: web.Request) -> Fields:
        count, timeout_s = _frames(request.query.get("n_images")), number(request, "timeout")
        camera = self._service.camera(_name(request))
        return {"background_id": await self._service.collect(camera, count, timeout_s or COLLECT_S)}

    async def _latest(self, request: web.Request) -> Fields:
        return {"background_id": await asyncio.to_thread(self._service.backgrounds.latest, _name(request))}

    async def _backgrounds(self, request: web.Request) -> Fields:
        return {"background_ids": await asyncio.to_thread(self._service.backgrounds.of, _name(request))}

    async def _background_image(self, request: web.Request) -> web.Response:
        return await picture(request, await asyncio.to_thread(self._service.backgrounds.load, _name(request)))

    async def _background_bytes(self, request: web.Request) -> Fields:
        return {"image": image_bytes(await asyncio.to_thread(self._service.backgrounds.load, _name(request)))}

    async def _set_background(self, request: web.Request) -> Fields:
        async with upload(request, self._service.memory, MOST_IMAGE, JSON_TIMES) as text:
            name, pixels = await asyncio.to_thread(_background, text)
            await self._service.keep(name, pixels)
        return {}


def _background(text: bytes) -> tuple[str, npt.NDArray[np.uint16]]:
    given = parsed(text)
    name, data = given.get("filename"), given.get("data")
    if not name or data is None:
        raise BadRequest("expected filename and data, rows of numbers; a background is never cleared, take it out of the configuration")
    return str(name), _pixels(str(name), data)


def _pixels(name: str, data: Any) -> npt.NDArray[np.uint16]:
    try:
        pixels = np.array(data, np.float64)
    except (TypeError, ValueError) as error:
        raise BackgroundError(f"background '{name}': expected rows of numbers, all of one length: {error}") from error
    whole: npt.NDArray[np.uint16] = np.clip(np.nan_to_num(pixels), 0, 65535).astype(np.uint16)
    return whole


def _name(request: web.Request) -> str:
    return request.match_info["name"]


def _frames(text: str | None) -> int:
    if text in (None, "", "None"):
        return FRAMES
    if not str(text).isdecimal() or not 1 <= int(str(text)) <= MOST_FRAMES:
        raise BadRequest(f"n_images must be a number. Expected 1 to {MOST_FRAMES}, found {text!r}.")
    return int(str(text))
