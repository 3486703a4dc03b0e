"""Scripts, libraries and uploaded backgrounds: what clients store as files."""

import asyncio
import base64

from aiohttp import web

from camstream.errors import CamstreamError
from camstream_gateway.cam_server.replies import ARRAY_TIMES, FILE_TIMES, MOST_FILE, MOST_IMAGE, Fields, answer, upload
from camstream_gateway.cam_server.service import Service
from camstream_gateway.scripts import SUFFIXES, ScriptFolder
from camstream_gateway.uploads import array_from


def routes(prefix: str, service: Service) -> list[web.RouteDef]:
    """The same for both APIs."""
    uploads = Files(service)
    scripts = f"{prefix}/script"
    libraries = f"{prefix}/lib"
    return [
        web.get(scripts, answer(uploads.scripts, "List of user scripts.")),
        web.get(f"{scripts}/{{name}}/script_bytes", answer(uploads.script, "User script.")),
        web.put(f"{scripts}/{{name}}/script_bytes", answer(uploads.put_script, "User script stored.")),
        web.delete(f"{scripts}/{{name}}/script_bytes", answer(uploads.delete_script, "User script deleted.")),
        web.get(libraries, answer(uploads.libraries, "List of user libraries.")),
        web.get(f"{libraries}/{{name}}/lib_bytes", answer(uploads.library, "User library.")),
        web.put(f"{libraries}/{{name}}/lib_bytes", answer(uploads.put_library, "User library stored.")),
        web.delete(f"{libraries}/{{name}}/lib_bytes", answer(uploads.delete_library, "User library deleted.")),
        web.put(f"{prefix}/background/{{name}}/image_bytes", answer(uploads.put_background, "Background stored.")),
    ]


class Files:
    """Files by their names."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def _libraries(self) -> ScriptFolder:
        return self._service.scripts.libraries()

    async def scripts(self, _: web.Request) -> Fields:
        return {"scripts": await asyncio.to_thread(self._service.scripts.names, SUFFIXES)}

    async def script(self, request: web.Request) -> Fields:
        content = await asyncio.to_thread(self._service.scripts.read, request.match_info["name"])
        return {"script": content.decode(errors="replace")}

    async def put_script(self, request: web.Request) -> Fields:
        async with upload(request, self._service.memory, MOST_FILE, FILE_TIMES) as content:
            await self._service.put_script(request.match_info["name"], content)
        return {}

    async def delete_script(self, request: web.Request) -> Fields:
        await asyncio.to_thread(self._service.scripts.delete, request.match_info["name"])
        return {}

    async def libraries(self, _: web.Request) -> Fields:
        return {"libs": await asyncio.to_thread(self._libraries.names)}

    async def library(self, request: web.Request) -> Fields:
        content = await asyncio.to_thread(self._libraries.read, request.match_info["name"])
        try:
            return {"lib": content.decode()}
        except UnicodeDecodeError:
            return {"lib": base64.b64encode(content).decode(), "base64": True}

    async def put_library(self, request: web.Request) -> Fields:
        name = request.match_info["name"]
        if not self._service.mirror.store.sees_files:
            raise CamstreamError(
                f"library '{name}' would reach no worker: on a cluster only the text of a script travels to them; "
                "put it into the script, or install it in the image of a worker class"
            )
        async with upload(request, self._service.memory, MOST_FILE, FILE_TIMES) as content:
            await asyncio.to_thread(self._libraries.write, name, content)
        return {}

    async def delete_library(self, request: web.Request) -> Fields:
        await asyncio.to_thread(self._libraries.delete, request.match_info["name"])
        return {}

    async def put_background(self, request: web.Request) -> Fields:
        async with upload(request, self._service.memory, MOST_IMAGE, ARRAY_TIMES) as data:
            pixels = await asyncio.to_thread(array_from, data, self._service.allow_pickle)
            await self._service.keep(request.match_info["name"], pixels)
        return {}
