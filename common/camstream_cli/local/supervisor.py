"""Keeps one worker running per object: what the operator and Kubernetes do on a cluster."""

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from camstream.decide import Seen, decide_status, stopped, wanted_background
from camstream.errors import BrokenReference, ImmutableField, SpecError
from camstream.resolve import camera_name
from camstream.spec.key import Key
from camstream.spec.objects import Camera, Pipeline
from camstream.spec.status import CameraStatus, PipelineStatus, WorkerStatus
from camstream.spec.worker import StoredBackground, WorkerConfig, camera_of
from camstream_cli.local.backgrounds import BackgroundFolder
from camstream_cli.local.build import Endpoints, build_config, refusal, stream_address
from camstream_cli.local.files import replace_file
from camstream_cli.local.ports import Endpoint, Ports, replica_keys
from camstream_cli.local.view import ObjectView, view_of
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
        self._endpoints = self._ports.assign(wanted.values())
        self._changed.set()

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
                await asyncio.gather(*(worker.stop() for worker in self._workers.values()))
                self._workers.clear()

    def views(self) -> list[ObjectView]:
        """How everything is, now."""
        now = datetime.now(UTC)
        return [self._view(key, thing, now) for key, thing in self._objects.items()]

    async def _wait(self, stopping: asyncio.Task[bool]) -> None:
        changed = asyncio.create_task(self._changed.wait())
        await asyncio.wait({changed, stopping}, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
        changed.cancel()

    async def _reconcile(self, http: aiohttp.ClientSession) -> None:
        wanted = {key: thing for thing in self._objects.values() if not stopped(thing) for key in replica_keys(thing)}
        leaving = self._workers.keys() - wanted.keys()
        await asyncio.gather(*(self._workers[key].stop() for key in leaving))
        for key in leaving:
            del self._workers[key]
        for key, thing in wanted.items():
            config = self._config_of_replica(key, thing)
            if isinstance(config, SpecError):
                continue
            if worker := self._workers.get(key):
                with contextlib.suppress(OSError):
                    # A full disk is no reason to stop cameras. The status says that the edit is not applied; it is tried again.
                    worker.use(config)
            else:
                self._workers[key] = WorkerProcess(self._folder / key.folder, config, http, self._changed.set, self._log_level)

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
        wanted = thing.spec.script.config_map if isinstance(thing, Pipeline) and thing.spec.script else None
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
        config = self._refused.get(key) or self._config(key, thing)
        seen = Seen(
            report=worker.report if worker else None,
            exit=worker.exit if worker else None,
            worker=WorkerStatus(restarts=worker.restarts if worker else 0),
            address=stream_address(thing, endpoint),
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
