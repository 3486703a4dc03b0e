"""Pipelines as cam_server's clients know them: saved ones, private instances, and streams that are shared."""

import asyncio
import contextlib
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from camstream.errors import BackgroundError, CamstreamError, SpecError
from camstream.idling import stamp
from camstream.names import INSTANCE_OF
from camstream.spec.key import Key
from camstream.spec.legacy import updated
from camstream.spec.legacy.objects import NO_CLIENT_TIMEOUT, Config, Streaming, Wanted, is_instance
from camstream.spec.legacy.scripts import script_name
from camstream.spec.legacy.values import BUILT_IN, SCRIPTS
from camstream.spec.objects import Pipeline
from camstream.spec.output import Lifecycle, LifecycleMode
from camstream.spec.status import ConditionType
from camstream.spec.worker import camera_of
from camstream_gateway.cam_server.service import Service
from camstream_gateway.cam_server.translation import (
    Unknown,
    check_may_be_saved,
    condition,
    is_permanent,
    is_read_only,
    is_running,
    is_true,
    pipeline_object,
    same_spec,
    woken,
)
from camstream_gateway.cam_server.uploaded import with_uploaded

APPLY_S: Final = 5.0
"""Longest wait for a worker to take over an edit."""

PRESENT: Final = "Instance with id '{}' is already present and running. Use another instance_id or stop the other one."

BUILT_IN_FUNCTIONS: Final = frozenset(name for table in (BUILT_IN, SCRIPTS) for names in table.values() for name in names)


class Instances:
    """All pipelines of one server."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._creating: set[str] = set()
        """Ids that are being made."""

    def saved_pipelines(self) -> list[Pipeline]:
        return [pipeline for pipeline in self._service.mirror.pipelines() if not is_instance(pipeline)]

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
        return next((pipeline for pipeline in self._service.mirror.pipelines() if pipeline.external_name == name), None)

    def pipeline_from(self, wanted: Wanted, config: Config, old: Pipeline | None) -> Pipeline:
        """A pipeline from its configuration, with uploaded scripts where they are.

        :raises SpecError: if no pipeline can be made of it
        """
        function = str(config.get("function") or "")
        script = self._service.scripts.path(function)
        holder = self._holder(function, old) if script is None else None
        known = function in BUILT_IN_FUNCTIONS or (old is not None and self._service.config(old).get("function") == function)
        if function and script is None and holder is None and not known:
            # Nor a path of this machine, which would run whatever lies there.
            raise SpecError(f"function '{function}' is no script of this server; upload it first")
        if script is not None:
            config = config | {"function": str(script)}
        wanted = wanted._replace(namespace=self._service.mirror.store.home)
        thing = pipeline_object(wanted, config, old, self._service.mirror.cameras(), self._service.mirror.pipelines())
        holds_text = holder is not None or (old is not None and script_name(old) is not None)
        if holds_text or not self._service.mirror.store.sees_files:
            return with_uploaded(thing, script, holder or old)
        libraries = self._service.scripts.libraries().folder
        found = thing.spec.script
        if script is None or found is None or found.libraries or not libraries.is_dir():
            return thing
        found = found.model_copy(update={"libraries": [str(libraries)]})
        return thing.model_copy(update={"spec": thing.spec.model_copy(update={"script": found})})

    def _holder(self, function: str, old: Pipeline | None) -> Pipeline | None:
        """The pipeline that holds the text of a function which is no file here: it was imported so, or the file is gone."""
        home = self._service.mirror.store.home
        others = [one for one in self._service.mirror.pipelines() if one.metadata.namespace == home]
        return next((one for one in ([old] if old else []) + others if script_name(one) in (function, f"{function}.py")), None)

    async def save_pipeline(self, name: str, config: Config) -> Config:
        """:raises CamstreamError: if no pipeline can be made of it"""
        old = self._pipeline(name)
        if old and is_instance(old):
            raise SpecError(f"'{name}' is the id of a running instance; stop it, or choose another name")
        check_may_be_saved(old)
        thing = self.pipeline_from(Wanted(name), config, old)
        await self._service.mirror.apply(thing)
        return self._service.config(thing)

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
            await self._service.mirror.delete(Key.of(old))
        asked = datetime.now(UTC)
        await self._service.mirror.apply(woken(thing, stamp(asked)))
        try:
            opened = await self._service.opened(Key.of(thing), asked)
        except CamstreamError:
            with contextlib.suppress(CamstreamError):
                await self._service.mirror.delete(Key.of(thing))
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
        base = self._service.config(saved)
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
        for other in self._service.mirror.pipelines():
            if is_running(other) and is_read_only(other) and same_spec(other.spec, wanted.spec):
                return _pipeline(await self._service.start(other))
        return await self.create(config, None, "", read_only=True)

    async def shared(self, name: str) -> Pipeline:
        """A running instance or, where there is none, the saved pipeline of that name, started.

        :raises CamstreamError: if there is none, or it does not start
        """
        found = self._pipeline(name)
        if found is None:
            raise Unknown(f"Instance '{name}' is not present on server and it is not a saved pipeline name.")
        if not is_running(found):
            await self._check_camera(self._service.config(found))
        return _pipeline(await self._service.start(found))

    async def change(self, name: str, updates: Config) -> Config:
        """Change a running instance, and wait until its worker has taken the change over.

        :raises CamstreamError: if it cannot be changed so; it goes on as it was then
        """
        old = self.instance(name)
        if not updates:
            raise SpecError("Config updates cannot be empty.")
        if is_read_only(old):
            raise SpecError("Cannot set config on a read only instance.")
        before = self._service.config(old)
        if "camera_name" in updates and updates["camera_name"] != before.get("camera_name"):
            raise SpecError("Cannot change the camera name on a running instance. Stop the instance first.")
        config = updated(before, updates)
        wanted = Wanted(name, is_instance(old), old.metadata.annotations.get(INSTANCE_OF), False)
        if is_permanent(old) and NO_CLIENT_TIMEOUT not in updates:
            config.pop(NO_CLIENT_TIMEOUT, None)
        thing = self.pipeline_from(wanted, config, old)
        await self._check_background(thing)
        await self._service.mirror.apply(thing)
        await self._applied(thing, old)
        return self._service.config(thing)

    async def _applied(self, thing: Pipeline, old: Pipeline) -> None:
        """Wait until the worker runs with this spec. It is the newest word anyway: one that is slow is not waited for."""
        key, before = Key.of(thing), old.status.config.desired_hash
        if thing.spec == old.spec:
            return

        def look() -> str | None:
            now = self._service.held(key).thing
            if now.spec != thing.spec:
                return ""  # somebody else changed it again
            if now.status.config.desired_hash == before:
                return None  # nobody has looked at it yet
            found = condition(now.status, ConditionType.CONFIG_APPLIED)
            if found and found.reason == "Rejected":
                return found.message
            return "" if is_true(now.status, ConditionType.CONFIG_APPLIED) else None

        if why := await self._service.mirror.wait(look, APPLY_S):
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
        elif name in self._service.mirror.gone:
            ended = self._service.mirror.gone[name]
        else:
            raise Unknown(f"Instance '{name}' does not exist.")
        return ended.exit_code if ended else 0

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
        for key in [Key.of(thing) for thing in things]:
            held = self._service.mirror.get(key)
            if held is None:
                continue
            thing = held.thing
            name, always = thing.external_name, is_permanent(thing)
            keeps = name in wanted and wanted[name] == (thing.metadata.annotations.get(INSTANCE_OF) or name)
            if is_instance(thing) and always and not keeps:
                await self._service.mirror.delete(key)
            elif not is_instance(thing) and always != keeps:
                mode = LifecycleMode.ALWAYS if keeps else LifecycleMode.ON_DEMAND
                lifecycle = Lifecycle(mode=mode, idle_timeout_seconds=thing.spec.lifecycle.idle_timeout_seconds)
                await self._service.mirror.apply(thing.model_copy(update={"spec": thing.spec.model_copy(update={"lifecycle": lifecycle})}))
        for name, saved in wanted.items():
            if name != saved and self._pipeline(name) is None and any(other.external_name == saved for other in self.saved_pipelines()):
                config = self._service.config(self.saved_pipeline(saved)) | {"name": name, NO_CLIENT_TIMEOUT: 0}
                made = Wanted(name, instance_of=saved)
                await self._service.mirror.apply(self.pipeline_from(made, config, None))

    async def _check_camera(self, config: Mapping[str, Any]) -> None:
        """:raises CamstreamError: if a pipeline would read a camera that is not there, or sends nothing"""
        name = config.get("camera_name")
        if not name or config.get("input_stream") or config.get("input_pipeline"):
            return
        try:
            why = await self._service.online(self._service.camera(str(name)))
        except Unknown:
            why = "it does not exist"
        if why:
            raise CamstreamError(f"Camera {name} is not online. Cannot start pipeline. ({why})")

    async def _check_background(self, thing: Pipeline) -> None:
        """:raises BackgroundError: if the pipeline names a background that does not exist, or that its camera's images cannot have"""
        wanted = thing.spec.processing.background
        if not wanted or not wanted.name:
            return
        background = await asyncio.to_thread(self._service.backgrounds.load, wanted.name)
        camera = camera_of(thing, self._service.things())
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
