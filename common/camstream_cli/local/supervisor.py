"""Keeps one worker running per object: what the operator and Kubernetes do on a cluster."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from camstream.decide import Seen, decide_status, stopped, wanted_background
from camstream.errors import BrokenReference, ImmutableField, SpecError
from camstream.idling import Activity, asked_at, awake
from camstream.resolve import camera_name, wanted_config_map
from camstream.spec.key import Key
from camstream.spec.objects import Camera, Pipeline
from camstream.spec.output import LifecycleMode
from camstream.spec.status import CameraStatus, PipelineStatus, WorkerStatus
from camstream.spec.view import ObjectView
from camstream.spec.worker import StoredBackground, WorkerConfig, camera_of
from camstream.view import view_of
from camstream_cli.local.backgrounds import BackgroundFolder
from camstream_cli.local.build import Endpoints, build_config, refusal, stream_address
from camstream_cli.local.files import replace_file
from camstream_cli.local.ports import Endpoint, Ports, replica_keys
from camstream_cli.local.worker import WorkerProcess

EMPTY: Mapping[tuple[str, str], dict[str, str]] = {}

LOOK_S = 1.0
"""How often everything is compared with what is wanted, for what nobody announces: a background that is collected."""

ASK_S = 2.0
"""How long one answer of a worker may take."""


class Supervisor:
    """Compares what is wanted with what runs, does what is missing, and tells about it."""

    def __init__(
        self, folder: Path, ports: Ports, backgrounds: BackgroundFolder, log_level: str = "info", files: Path | None = None
    ) -> None:
        """
        :param folder: for the files of the workers; whoever made it removes it
        :param files: below which workers may write what pipelines put out
        """
        self._folder, self._ports, self._backgrounds, self._log_level = folder, ports, backgrounds, log_level
        self._files = files
        self._objects: dict[Key, Camera | Pipeline] = {}
        self._scripts: dict[tuple[str, str], dict[str, str]] = {}
        self._refused: dict[Key, ImmutableField] = {}
        self._endpoints: Endpoints = {}
        self._workers: dict[Key, WorkerProcess] = {}
        self._statuses: dict[Key, CameraStatus | PipelineStatus] = {}
        self._changed = asyncio.Event()
        self._awake: set[Key] = set()
        self._leaving: dict[asyncio.Task[None], tuple[Key, WorkerProcess]] = {}
        self._slept: dict[Key, datetime] = {}
        """When objects became idle."""
        self.when_idle: Callable[[Key], None] = lambda _: None
        """Called with an object that asks to be deleted when it is idle, and is."""

    def apply(self, objects: Collection[Camera | Pipeline], config_maps: Mapping[tuple[str, str], dict[str, str]] = EMPTY) -> None:
        """Want exactly these objects from now on. One whose immutable fields were edited stays as it was.

        :param config_maps: entries by namespace and name of the ConfigMap, for scripts
        """
        self._scripts = dict(config_maps)
        self._refused = {}
        wanted = {}
        for thing in objects:
            key = Key.of(thing)
            old = self._objects.get(key)
            refused = refusal(old, thing) if old else None
            if old and refused:
                self._refused[key] = refused
            wanted[key] = old if old and refused else thing
        self._objects = wanted
        self._statuses = {key: status for key, status in self._statuses.items() if key in wanted}
        self._slept = {key: when for key, when in self._slept.items() if key in wanted}
        self._assign_ports()
        self._awake = self._who_runs()
        self._changed.set()

    def _assign_ports(self) -> None:
        # Ports are given back when the worker that has them is gone: who comes next need not wait for its end.
        self._endpoints = self._ports.assign(self._objects.values(), {*self._workers, *(key for key, _ in self._leaving.values())})

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop, and return when no worker is left."""
        stopping = asyncio.create_task(stop.wait())
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_S)) as http:
            try:
                while not stop.is_set():
                    self._changed.clear()
                    await self._reconcile(http)
                    await self._wait(stopping)
            finally:
                stopping.cancel()
                for key in list(self._workers):
                    self._dismiss(key)
                await asyncio.gather(*self._leaving)

    def told(self) -> dict[Key, str]:
        """Every object with its status, and where its worker answers, as JSON."""
        self.views()
        return {key: self._line(key, thing) for key, thing in self._objects.items()}

    def log_file(self, key: Key) -> Path | None:
        """The log of the worker of an object, where there has been one."""
        file = WorkerProcess.log_file_in(self._folder / key.folder)
        return file if file.exists() else None

    def _line(self, key: Key, thing: Camera | Pipeline) -> str:
        endpoint = self._endpoints[key]
        told = thing.model_copy(update={"status": self._statuses[key]})
        http = endpoint.http if isinstance(endpoint, Endpoint) else None
        return json.dumps({"object": told.model_dump(mode="json", by_alias=True), "http": http})

    def views(self) -> list[ObjectView]:
        """How everything is, now."""
        now = datetime.now(UTC)
        return [self._view(key, thing, now) for key, thing in self._objects.items()]

    async def _wait(self, stopping: asyncio.Task[bool]) -> None:
        changed = asyncio.create_task(self._changed.wait())
        await asyncio.wait({changed, stopping}, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
        changed.cancel()

    async def _reconcile(self, http: aiohttp.ClientSession) -> None:
        self._awake = self._who_runs()
        self._delete_idle()
        wanted = {key: self._objects[own] for own in self._awake for key in replica_keys(self._objects[own])}
        for key in [key for key in self._workers if key not in wanted or self._asked_again(key, wanted[key])]:
            if key not in wanted:
                self._slept[key] = datetime.now(UTC)
            self._dismiss(key)
        for key, thing in wanted.items():
            config = self._config_of_replica(key, thing)
            if isinstance(config, SpecError):
                continue
            if worker := self._workers.get(key):
                with contextlib.suppress(OSError):
                    # A full disk is no reason to stop cameras. The status says that the edit is not applied; it is tried again.
                    worker.use(config)
            elif not self._in_the_way(config):
                self._workers[key] = WorkerProcess(self._folder / key.folder, config, http, self._changed.set, self._log_level)

    def _who_runs(self) -> set[Key]:
        activities = {key: Activity(slept_at=when) for key, when in self._slept.items()}
        activities |= {key: Activity(worker.report, worker.heard_at, worker.answered_at) for key, worker in self._workers.items()}
        found = awake(self._objects, activities, datetime.now(UTC))
        return {key for key in found if not stopped(self._objects[key])}

    def _delete_idle(self) -> None:
        idle = [key for key, thing in self._objects.items() if key not in self._awake and thing.spec.lifecycle.delete_when_idle]
        for key in idle:
            self.when_idle(key)

    def _asked_again(self, key: Key, thing: Camera | Pipeline) -> bool:
        """Whether somebody asks for a stream that came to its end."""
        ended, asked = self._workers[key].ended_at, asked_at(thing)
        return ended is not None and asked is not None and asked > ended

    def _dismiss(self, key: Key) -> None:
        """Stop a worker. Nobody waits for it but its successor."""
        worker = self._workers.pop(key)
        task = asyncio.create_task(worker.stop())
        self._leaving[task] = key, worker

        def gone(_: asyncio.Task[None]) -> None:
            del self._leaving[task]
            if key not in self._workers and key not in self._objects:
                worker.remove_files()
            self._assign_ports()
            self._changed.set()

        task.add_done_callback(gone)

    def _in_the_way(self, config: WorkerConfig) -> bool:
        """Whether a worker that is about to end still has the ports of this one."""
        leaving = [worker.config for _, worker in self._leaving.values()]
        return any(other.stream_address == config.stream_address or other.http_port == config.http_port for other in leaving)

    def _config_of_replica(self, key: Key, thing: Camera | Pipeline) -> WorkerConfig | SpecError:
        """That of the object, for one of its workers."""
        config, endpoint = self._config(Key.of(thing), thing), self._endpoints[key]
        if isinstance(config, SpecError) or isinstance(endpoint, SpecError):
            return endpoint if isinstance(endpoint, SpecError) else config
        return config.model_copy(update={"stream_address": endpoint.listen, "http_port": endpoint.http_port})

    def _config(self, key: Key, thing: Camera | Pipeline) -> WorkerConfig | SpecError:
        try:
            script, files = self._script(key, thing), self._files_folder(thing)
            return build_config(thing, self._objects, self._endpoints, self._background(key, thing), script, files)
        except SpecError as error:
            return error

    def _files_folder(self, thing: Camera | Pipeline) -> Path | None:
        """Where the object may write files, made where it is needed.

        :raises SpecError: if it cannot be made
        """
        if self._files is None or not isinstance(thing, Pipeline) or thing.spec.output.file is None:
            return None
        try:
            self._files.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SpecError(
                f"{Key.of(thing)}: cannot make the folder {self._files}: {error.strerror}; name another with --files"
            ) from error
        return self._files.absolute()

    def _script(self, key: Key, thing: Camera | Pipeline) -> Path | None:
        """The script of a ConfigMap as a file, written where it is new.

        :raises SpecError: if there is no such entry
        """
        wanted = wanted_config_map(thing)
        if wanted is None:
            return None
        text = self._scripts.get((key.namespace, wanted.name), {}).get(wanted.key)
        if text is None:
            raise SpecError(f"{key}: there is no ConfigMap {wanted.name!r} with an entry {wanted.key!r}; add it to the manifests")
        path = self._folder / f"{key.folder}.{wanted.key}"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            replace_file(path, text)
        return path

    def _camera(self, thing: Camera | Pipeline) -> Camera | None:
        try:
            return camera_of(thing, self._objects)
        except BrokenReference:
            return None

    def _background(self, key: Key, thing: Camera | Pipeline) -> StoredBackground | None:
        wanted = wanted_background(thing)
        if wanted is None:
            return None
        worker = self._workers.get(key)
        if worker and worker.config.background and worker.config.spec == thing.spec:
            # "The latest" means: when the configuration was applied. A newer one waits for the next edit.
            return worker.config.background
        try:
            return self._backgrounds.find(wanted.name, camera_name(thing, self._objects))
        except BrokenReference:
            return None  # told by the configuration, which breaks on the same reference

    def _view(self, key: Key, thing: Camera | Pipeline, now: datetime) -> ObjectView:
        worker, endpoint = self._workers.get(key), self._endpoints[key]
        if worker and self._asked_again(key, thing):
            worker = None  # the next one is about to start
        config = self._refused.get(key) or self._config(key, thing)
        seen = Seen(
            report=worker.report if worker else None,
            exit=worker.exit if worker else None,
            final=worker is not None and worker.ended_for_good,
            worker=WorkerStatus(restarts=worker.restarts if worker else 0),
            address=stream_address(thing, endpoint),
            idle=key not in self._awake and thing.spec.lifecycle.mode is LifecycleMode.ON_DEMAND,
            replicas=len(self._workers.keys() & set(replica_keys(thing))) if isinstance(thing, Pipeline) else None,
        )
        status = decide_status(thing, config, seen, self._statuses.get(key) or thing.status, now)
        self._statuses[key] = status
        return view_of(
            thing,
            status,
            seen.report,
            reported_at=worker.reported_at if worker else 0.0,
            camera=self._camera(thing),
            http_address=endpoint.http if isinstance(endpoint, Endpoint) else None,
            pid=worker.pid if worker else None,
            log_file=str(worker.log_file) if worker else None,
        )
