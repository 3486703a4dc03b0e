"""What clients of cam_server ask for, done with our objects. No call waits for another one, and each has a time bound."""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
from pydantic import ValidationError

from camstream.errors import BackgroundError, CamstreamError, SpecError
from camstream.idling import NOBODY, asked_at, stamp
from camstream.names import INSTANCE_OF
from camstream.spec.fields import OutputMode
from camstream.spec.key import Key
from camstream.spec.legacy import updated
from camstream.spec.legacy.objects import NO_CLIENT_TIMEOUT, Config, Streaming, Wanted, config_of, is_instance
from camstream.spec.legacy.values import BUILT_IN
from camstream.spec.objects import Camera, Pipeline
from camstream.spec.output import Lifecycle, LifecycleMode
from camstream.spec.report import WorkerReport
from camstream.spec.status import ConditionType, Phase
from camstream.spec.worker import camera_of
from camstream_gateway.backgrounds import Backgrounds, Mean
from camstream_gateway.cam_server.translation import (
    Unknown,
    aliases,
    camera_object,
    condition,
    is_permanent,
    is_read_only,
    is_running,
    is_true,
    pipeline_object,
    prefix_of,
    same_spec,
    woken,
)
from camstream_gateway.frames import Image, NoFrames, take
from camstream_gateway.mirror import Mirror
from camstream_gateway.records import Records
from camstream_gateway.scripts import ScriptFolder
from camstream_gateway.store import Held

log = logging.getLogger(__name__)

PRESENT: Final = "Instance with id '{}' is already present and running. Use another instance_id or stop the other one."

BUILT_IN_FUNCTIONS: Final = frozenset(function for functions in BUILT_IN.values() for function in functions)

START_S: Final = 30.0
"""Longest wait for a worker to start."""
ONLINE_S: Final = 15.0
"""Longest wait for the first frame of a camera whose worker runs. A camera that tells that it is offline is not waited for."""
STOP_S: Final = 10.0
IMAGE_S: Final = 10.0
"""Longest wait for one image."""
APPLY_S: Final = 5.0
"""Longest wait for a worker to take over an edit."""
REPORT_S: Final = 1.0
"""How long a worker may take to tell how it is. One that takes longer is told about without its numbers."""
COLLECT_S: Final = 60.0
"""Longest wait for the images of a background, unless the client says otherwise."""
MOST_COLLECT_S: Final = 3600.0


class Service:
    """Everything behind the two APIs."""

    def __init__(
        self,
        mirror: Mirror,
        http: aiohttp.ClientSession,
        backgrounds: Backgrounds,
        scripts: ScriptFolder,
        records: Records,
        allow_pickle: bool = False,
    ) -> None:
        self.mirror, self.backgrounds, self.scripts, self.records = mirror, backgrounds, scripts, records
        self.allow_pickle = allow_pickle
        self.started_at = time.time()
        self._http = http
        self._creating: set[str] = set()

    # ------------------------------------------------------------------ what there is

    def things(self) -> dict[Key, Streaming]:
        return {held.key: held.thing for held in self.mirror.all()}

    def camera(self, name: str) -> Camera:
        """A camera by its name or one of its aliases.

        :raises Unknown: if there is none
        """
        cameras = {camera.external_name: camera for camera in self.mirror.cameras()}
        found = cameras.get(name) or cameras.get(aliases(cameras.values()).get(name, ""))
        if found is None:
            raise Unknown(f"Unable to load config. Config '{name}' does not exist.")
        return found

    def saved_pipelines(self) -> list[Pipeline]:
        return [pipeline for pipeline in self.mirror.pipelines() if not is_instance(pipeline)]

    def saved_pipeline(self, name: str) -> Pipeline:
        """:raises Unknown: if there is none"""
        found = next((pipeline for pipeline in self.saved_pipelines() if pipeline.external_name == name), None)
        if found is None:
            raise Unknown(f"Unable to load config. Config '{name}' does not exist. Pipeline '{name}' does not exist.")
        return found

    def instance(self, name: str) -> Pipeline:
        """A pipeline that runs, or one that a client made and that has ended.

        :raises Unknown: if there is none
        """
        found = self._pipeline(name)
        if found is None or not (is_running(found) or is_instance(found)):
            raise Unknown(f"Instance '{name}' does not exist.")
        return found

    def _pipeline(self, name: str) -> Pipeline | None:
        return next((pipeline for pipeline in self.mirror.pipelines() if pipeline.external_name == name), None)

    def config(self, thing: Streaming) -> Config:
        """As a client would write it: an uploaded script by its name only."""
        found = config_of(thing, self.things())
        function = found.get("function")
        if isinstance(function, str) and Path(function).parent == self.scripts.folder:
            found["function"] = Path(function).name
        return found

    def pipeline_from(self, wanted: Wanted, config: Config, old: Pipeline | None) -> Pipeline:
        """A pipeline from its configuration, with uploaded scripts where they are.

        :raises SpecError: if no pipeline can be made of it
        """
        function = str(config.get("function") or "")
        script = self.scripts.path(function)
        known = function in BUILT_IN_FUNCTIONS or (old is not None and self.config(old).get("function") == function)
        if function and script is None and not known:
            # Nor a path of this machine, which would run whatever lies there.
            raise SpecError(f"function '{function}' is no script of this server; upload it first")
        if script is not None:
            config = config | {"function": str(script)}
        thing = pipeline_object(wanted, config, old, self.mirror.cameras(), self.mirror.pipelines())
        libraries = self.scripts.libraries().folder
        found = thing.spec.script
        if script is None or found is None or found.libraries or not libraries.is_dir():
            return thing
        found = found.model_copy(update={"libraries": [str(libraries)]})
        return thing.model_copy(update={"spec": thing.spec.model_copy(update={"script": found})})

    async def reports(self, things: Iterable[Streaming]) -> dict[Key, WorkerReport | None]:
        """What workers tell about themselves, all asked at once."""
        helds = [held for thing in things if (held := self.mirror.get(Key.of(thing)))]
        answers = await asyncio.gather(*(self._report(held) for held in helds))
        return {held.key: answer for held, answer in zip(helds, answers, strict=True)}

    async def _report(self, held: Held) -> WorkerReport | None:
        if held.http_address is None:
            return None
        try:
            async with self._http.get(f"{held.http_address}/status", timeout=aiohttp.ClientTimeout(total=REPORT_S)) as answer:
                return WorkerReport.model_validate_json(await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError, ValidationError):
            return None

    async def infos(self, things: Sequence[Streaming], form: Callable[..., Config]) -> list[Config]:
        """What is told about some objects, in one of the forms of the translation."""
        reports, others, now = await self.reports(things), self.things(), time.time()
        return [form(thing, reports.get(Key.of(thing)), others, now) for thing in things]

    async def info(self, thing: Streaming, form: Callable[..., Config]) -> Config:
        return (await self.infos([thing], form))[0]

    # ------------------------------------------------------------------ start and stop

    async def start(self, thing: Streaming) -> Streaming:
        """Ask for an object and wait until its stream is open.

        :raises CamstreamError: if its worker does not start; the message says why
        """
        asked = None
        if thing.spec.lifecycle.mode is LifecycleMode.ON_DEMAND:
            asked = datetime.now(UTC)
            await self.mirror.apply(woken(thing, stamp(asked)))
        elif thing.spec.lifecycle.mode is LifecycleMode.STOPPED:
            raise CamstreamError(f"{Key.of(thing)} is stopped on request; set spec.lifecycle.mode to Always or OnDemand to start it")
        return await self._opened(Key.of(thing), asked)

    async def _opened(self, key: Key, asked: datetime | None) -> Streaming:
        def look() -> Held | None:
            held = self._held(key)
            status = held.thing.status
            if asked is not None and (asked_at(held.thing) or asked) < asked:
                return None  # what was told before it was asked for
            if status.phase in (Phase.FAILED, Phase.COMPLETED):
                raise CamstreamError(f"{key}: instance terminated. {_why(held.thing)}")
            return held if is_true(status, ConditionType.ACTIVE) else None

        held = await self.mirror.wait(look, START_S)
        if held is None:
            raise CamstreamError(f"{key} did not start within {START_S:.0f} s; it is {_state(self._held(key).thing)}")
        return held.thing

    async def online(self, camera: Camera) -> str:
        """Ask for a camera and wait for its first frame.

        :returns: nothing, or why it sends none
        """
        try:
            await self.start(camera)
        except CamstreamError as error:
            return str(error)
        key = Key.of(camera)

        def look() -> str | None:
            status = self._held(key).thing.status
            found = condition(status, ConditionType.INPUT_CONNECTED)
            if is_true(status, ConditionType.INPUT_CONNECTED):
                return ""
            return found.message or "no frames" if found and found.reason == "NoFrames" else None

        why = await self.mirror.wait(look, ONLINE_S)
        return f"no frame within {ONLINE_S:.0f} s; it is {_state(self._held(key).thing)}" if why is None else why

    async def camera_stream(self, camera: Camera) -> str:
        """Address of the stream of a camera, started where it does not run.

        :raises CamstreamError: if it is offline
        """
        if why := await self.online(camera):
            raise CamstreamError(f"Camera with prefix {prefix_of(camera)} is offline: {why}")
        return self._address(Key.of(camera))

    async def stop(self, thing: Streaming) -> None:
        """Stop what a client made for good, and what is shared until somebody asks for it again. What is permanent goes on."""
        key = Key.of(thing)
        if is_instance(thing):
            await self.mirror.delete(key)
        elif not is_permanent(thing) and thing.spec.lifecycle.mode is not LifecycleMode.STOPPED:
            await self.mirror.apply(woken(thing, NOBODY))
            await self.mirror.wait(lambda: None if (held := self.mirror.get(key)) and is_running(held.thing) else True, STOP_S)

    async def remove(self, thing: Streaming) -> None:
        """Delete what was saved. Its stream ends."""
        await self.mirror.delete(Key.of(thing))

    async def stop_all(self, things: Iterable[Streaming]) -> None:
        await asyncio.gather(*(self.stop(thing) for thing in things if is_running(thing) or is_instance(thing)))

    def _held(self, key: Key) -> Held:
        held = self.mirror.get(key)
        if held is None:
            raise CamstreamError(f"{key} was deleted meanwhile")
        return held

    def _address(self, key: Key) -> str:
        address = self._held(key).thing.status.stream.address
        if address is None:
            raise CamstreamError(f"{key} has no address yet; ask again")
        return address

    # ------------------------------------------------------------------ cameras

    async def save_camera(self, name: str, config: Config) -> Config:
        """:raises CamstreamError: if no camera can be made of it"""
        cameras = self.mirror.cameras()
        old = next((camera for camera in cameras if camera.external_name == name), None)
        thing = camera_object(Wanted(name), config, old, cameras)
        await self.mirror.apply(thing)
        return self.config(thing)

    async def image(self, camera: Camera) -> Image:
        """The next image, shape (y, x).

        :raises CamstreamError: if none comes
        """
        found: list[Image] = []
        await take(await self._readable(camera), 1, IMAGE_S, f"camera {camera.external_name}", found.append)
        return found[0]

    async def _readable(self, camera: Camera) -> str:
        """Address of a stream that may be looked at.

        :raises CamstreamError: if there is none, or each message that is looked at would be taken from somebody
        """
        if camera.spec.output.mode is OutputMode.PUSH:
            raise CamstreamError(f"camera {camera.external_name} pushes each image to one reader; look at a pipeline that reads it")
        return await self.camera_stream(camera)

    async def geometry(self, camera: Camera) -> list[int]:
        """Width and height of its images.

        :raises CamstreamError: if none comes
        """
        await self.camera_stream(camera)
        key = Key.of(camera)

        def look() -> list[int] | None:
            image = self._held(key).thing.status.image
            return [image.width, image.height] if image.width and image.height else None

        found = await self.mirror.wait(look, IMAGE_S)
        if found is None:
            raise NoFrames(f"camera {camera.external_name} sent no image within {IMAGE_S:.0f} s")
        return found

    async def collect(self, camera: Camera, count: int, timeout_s: float = COLLECT_S) -> str:
        """Keep the mean of the next images as a background; returns its id.

        :raises CamstreamError: if too few come in time, their size changes, or it cannot be written. Nothing is kept then
        """
        address = await self._readable(camera)
        mean, name = Mean(), camera.external_name
        await take(address, count, min(timeout_s, MOST_COLLECT_S), f"camera {name}", mean.add)
        return await asyncio.to_thread(self._keep, name, mean)

    def _keep(self, camera: str, mean: Mean) -> str:
        name = self.backgrounds.new_name(camera, datetime.now())
        self.backgrounds.save(name, mean.result())
        return name

    # ------------------------------------------------------------------ pipelines

    async def save_pipeline(self, name: str, config: Config) -> Config:
        """:raises CamstreamError: if no pipeline can be made of it"""
        pipelines = self.mirror.pipelines()
        old = next((pipeline for pipeline in pipelines if pipeline.external_name == name), None)
        if old and is_instance(old):
            raise SpecError(f"'{name}' is the id of a running instance; stop it, or choose another name")
        thing = self.pipeline_from(Wanted(name), config, old)
        await self.mirror.apply(thing)
        return self.config(thing)

    async def create(self, config: Config, instance_id: str | None, instance_of: str, read_only: bool = False) -> Pipeline:
        """Make a pipeline for one client and wait until its stream is open.

        :param instance_of: saved pipeline that the configuration is of; empty where it is of none
        :raises CamstreamError: if it cannot be made, or does not start; nothing is left of it then
        """
        name = instance_id or str(uuid.uuid4())
        if name in self._creating:
            raise SpecError(PRESENT.format(name))
        self._creating.add(name)
        try:
            return await self._create(config, Wanted(name, True, instance_of, read_only))
        finally:
            self._creating.discard(name)

    async def _create(self, config: Config, wanted: Wanted) -> Pipeline:
        old = self._pipeline(wanted.name)
        if old is not None and (is_running(old) or not is_instance(old)):
            raise SpecError(PRESENT.format(wanted.name))
        thing = self.pipeline_from(wanted, config, None)
        await self._check_background(thing)
        await self._check_camera(config)
        if old is not None:
            await self.mirror.delete(Key.of(old))
        asked = datetime.now(UTC)
        await self.mirror.apply(woken(thing, stamp(asked)))
        try:
            opened = await self._opened(Key.of(thing), asked)
        except CamstreamError:
            with contextlib.suppress(CamstreamError):
                await self.mirror.delete(Key.of(thing))
            raise
        assert isinstance(opened, Pipeline)  # noqa: S101 - its key says so
        return opened

    async def create_from_name(self, name: str, instance_id: str | None, additional: Config) -> Pipeline:
        """An instance of a saved pipeline, with some keys of its own.

        :raises CamstreamError: if it cannot be made
        """
        saved = self.saved_pipeline(name)
        if instance_id == name and not additional and not is_running(saved):
            # The saved pipeline itself, then: two objects cannot have one name.
            return await self.shared(name)
        base = self.config(saved)
        if is_permanent(saved):
            base.pop(NO_CLIENT_TIMEOUT)
        return await self.create(base | additional, instance_id, name, _says_read_only(additional, base))

    async def create_from_config(self, config: Config, instance_id: str | None) -> Pipeline:
        """:raises CamstreamError: if it cannot be made"""
        return await self.create(config, instance_id, "", _says_read_only(config))

    async def shared_from_config(self, config: Config) -> Pipeline:
        """A running shared instance of this configuration, or a new one.

        :raises CamstreamError: if it cannot be made
        """
        wanted = self.pipeline_from(Wanted("wanted"), config, None)
        for other in self.mirror.pipelines():
            if is_running(other) and is_read_only(other) and same_spec(other.spec, wanted.spec):
                return _pipeline(await self.start(other))
        return await self.create(config, None, "", read_only=True)

    async def shared(self, name: str) -> Pipeline:
        """A running instance or, where there is none, the saved pipeline of that name, started.

        :raises CamstreamError: if there is none, or it does not start
        """
        found = self._pipeline(name)
        if found is None:
            raise Unknown(f"Instance '{name}' is not present on server and it is not a saved pipeline name.")
        if not is_running(found):
            await self._check_camera(self.config(found))
        return _pipeline(await self.start(found))

    async def change(self, name: str, updates: Config) -> Config:
        """Change a running instance, and wait until its worker has taken the change over.

        :raises CamstreamError: if it cannot be changed so; it goes on as it was then
        """
        old = self.instance(name)
        if not updates:
            raise SpecError("Config updates cannot be empty.")
        if is_read_only(old):
            raise SpecError("Cannot set config on a read only instance.")
        before = self.config(old)
        if "camera_name" in updates and updates["camera_name"] != before.get("camera_name"):
            raise SpecError("Cannot change the camera name on a running instance. Stop the instance first.")
        config = updated(before, updates)
        wanted = Wanted(name, is_instance(old), old.metadata.annotations.get(INSTANCE_OF), False)
        if is_permanent(old) and NO_CLIENT_TIMEOUT not in updates:
            config.pop(NO_CLIENT_TIMEOUT, None)
        thing = self.pipeline_from(wanted, config, old)
        await self._check_background(thing)
        await self.mirror.apply(thing)
        await self._applied(thing, old)
        return self.config(thing)

    async def _applied(self, thing: Pipeline, old: Pipeline) -> None:
        """Wait until the worker runs with this spec. It is the newest word anyway: one that is slow is not waited for."""
        key, before = Key.of(thing), old.status.config.desired_hash
        if thing.spec == old.spec:
            return

        def look() -> str | None:
            now = self._held(key).thing
            if now.spec != thing.spec:
                return ""  # somebody else changed it again
            if now.status.config.desired_hash == before:
                return None  # nobody has looked at it yet
            found = condition(now.status, ConditionType.CONFIG_APPLIED)
            if found and found.reason == "Rejected":
                return found.message
            return "" if is_true(now.status, ConditionType.CONFIG_APPLIED) else None

        if why := await self.mirror.wait(look, APPLY_S):
            raise SpecError(f"{key}: {why}")

    def exit_code(self, name: str) -> int | None:
        """How an instance ended: 0 as intended, 2 by a wrong configuration, 1 by a failure.

        :raises CamstreamError: if there is none, or it runs
        """
        found = self._pipeline(name)
        if found is not None and is_running(found):
            raise CamstreamError(f"Instance '{name}' still running.")
        if found is not None:
            ended = found.status.worker.last_exit
        elif name in self.mirror.gone:
            ended = self.mirror.gone[name]
        else:
            raise Unknown(f"Instance '{name}' does not exist.")
        return ended.exit_code if ended else 0

    async def logs(self, thing: Streaming) -> list[str]:
        return await self.mirror.store.logs(Key.of(thing))

    def permanent(self, things: Iterable[Streaming]) -> dict[str, str]:
        """What runs always: name of what is saved, by name of the instance."""
        return {
            thing.external_name: thing.metadata.annotations.get(INSTANCE_OF) or thing.external_name
            for thing in things
            if is_permanent(thing)
        }

    async def set_permanent(self, wanted: Mapping[str, str], things: Iterable[Streaming]) -> None:
        """Let exactly these run always. Names of what is not saved are dropped, as in cam_server.

        :param wanted: name of what is saved, by name of the instance
        :param things: all cameras, or all pipelines
        """
        things = list(things)
        for thing in things:
            name, always = thing.external_name, is_permanent(thing)
            keeps = name in wanted and wanted[name] == (thing.metadata.annotations.get(INSTANCE_OF) or name)
            if is_instance(thing) and always and not keeps:
                await self.mirror.delete(Key.of(thing))
            elif not is_instance(thing) and always != keeps:
                mode = LifecycleMode.ALWAYS if keeps else LifecycleMode.ON_DEMAND
                lifecycle = Lifecycle(mode=mode, idle_timeout_seconds=thing.spec.lifecycle.idle_timeout_seconds)
                await self.mirror.apply(thing.model_copy(update={"spec": thing.spec.model_copy(update={"lifecycle": lifecycle})}))
        for name, saved in wanted.items():
            if name != saved and self._pipeline(name) is None and any(other.external_name == saved for other in self.saved_pipelines()):
                config = self.config(self.saved_pipeline(saved)) | {"name": name, NO_CLIENT_TIMEOUT: 0}
                made = Wanted(name, instance_of=saved)
                await self.mirror.apply(self.pipeline_from(made, config, None))

    async def _check_camera(self, config: Mapping[str, Any]) -> None:
        """:raises CamstreamError: if a pipeline would read a camera that is not there, or sends nothing"""
        name = config.get("camera_name")
        if not name or config.get("input_stream") or config.get("input_pipeline"):
            return
        try:
            why = await self.online(self.camera(str(name)))
        except Unknown:
            why = "it does not exist"
        if why:
            raise CamstreamError(f"Camera {name} is not online. Cannot start pipeline. ({why})")

    async def _check_background(self, thing: Pipeline) -> None:
        """:raises BackgroundError: if the pipeline names a background that does not exist, or that its camera's images cannot have"""
        wanted = thing.spec.processing.background
        if not wanted or not wanted.name:
            return
        background = await asyncio.to_thread(self.backgrounds.load, wanted.name)
        camera = camera_of(thing, self.things())
        image = camera.status.image if camera else None
        sent = (image.height, image.width) if image else background.shape
        # A pipeline that notifies sends the reason in its messages instead.
        if None not in sent and background.shape != sent and not thing.spec.failure.notify_on_error:
            raise BackgroundError(
                f"background '{wanted.name}' has shape {background.shape}, camera '{camera.external_name if camera else ''}' sends {sent}; "
                "collect a new one"
            )


def _says_read_only(*configs: Mapping[str, Any]) -> bool:
    return next((str(config["read_only"]).lower() == "true" for config in configs if config.get("read_only") is not None), False)


def _pipeline(thing: Streaming) -> Pipeline:
    assert isinstance(thing, Pipeline)  # noqa: S101 - a pipeline stays one
    return thing


def _state(thing: Streaming) -> str:
    why = _why(thing)
    return f"{thing.status.phase.value}: {why}" if why else thing.status.phase.value


def _why(thing: Streaming) -> str:
    """The first thing that is not as it should be, in words."""
    return next((found.message for found in thing.status.conditions if found.status.value != "True" and found.message), "")
