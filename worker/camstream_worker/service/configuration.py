"""The configuration file: reading it, preparing a job from it, and following its changes."""

import copy
import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy.typing as npt
from pydantic import ValidationError
from watchfiles import watch

from camstream.errors import BackgroundError, CamstreamError, NeedsRestart, ScriptError, ScriptTimeout, SpecError, StoreUnavailable
from camstream.spec import WorkerConfig, changes
from camstream.spec.base import FIXED, problems
from camstream.spec.pipeline import PipelineType
from camstream.spec.report import ConfigReport
from camstream_worker.counters import APPLIED, REJECTED
from camstream_worker.pipeline.plan import camera_plan, pipeline_plan
from camstream_worker.pipeline.streams import Refusal
from camstream_worker.runtime.job import Job, UserCode
from camstream_worker.runtime.own_program import OwnProgram
from camstream_worker.runtime.runner import Runner
from camstream_worker.scripts.loader import Script, load, module_path
from camstream_worker.scripts.signatures import (
    CUSTOM_FUNCTIONS,
    IMAGE_FUNCTIONS,
    RUN_FUNCTIONS,
    STREAM_FUNCTIONS,
    custom_function,
    image_function,
    run_function,
    stream_function,
)
from camstream_worker.service.backgrounds import load_background

log = logging.getLogger(__name__)

MAX_CONFIG_BYTES = 4 * 2**20

AGAIN_S = 5.0
"""[s] Until a background is asked for again that could not be fetched."""

SCRIPT_HASH = "scriptSha256"
"""In ``processing_parameters``: SHA-256 of the script's text."""

FUNCTIONS: dict[PipelineType, tuple[tuple[str, ...], Callable[[Script], Callable[..., Any]]]] = {
    PipelineType.PROCESSING: (IMAGE_FUNCTIONS, image_function),
    PipelineType.STREAM: (STREAM_FUNCTIONS, stream_function),
    PipelineType.CUSTOM: (CUSTOM_FUNCTIONS, custom_function),
    PipelineType.SCRIPT: (RUN_FUNCTIONS, run_function),
}
"""What a script of each type of pipeline is asked for, and how it is called."""


def read_config(path: Path) -> WorkerConfig:
    """:raises SpecError: if the file is not there, or is no valid configuration"""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise SpecError(f"cannot read the configuration {path}: {error.strerror}") from error
    if len(text) > MAX_CONFIG_BYTES:
        raise SpecError(f"the configuration {path} has {len(text)} bytes, expected at most {MAX_CONFIG_BYTES}")
    try:
        return WorkerConfig.model_validate_json(text)
    except ValidationError as error:
        raise SpecError(f"the configuration {path} is wrong: {'; '.join(problems(error))}") from error


def processing_parameters(config: WorkerConfig, script: UserCode | None = None) -> str:
    """The whole effective configuration as JSON text, as it travels in every message of a pipeline."""
    effective = config.spec.to_full_dict() | {
        "name": config.external_name,
        "camera": config.input_name,
        "configHash": config.digest(),
        "background": config.background.model_dump(include={"name", "sha256"}) if config.background else None,
    }
    if script is not None:
        effective[SCRIPT_HASH] = script.sha256
    return json.dumps(effective)


def read_script(config: WorkerConfig, known: UserCode | None) -> UserCode | None:
    """The user's program, where the configuration asks for one.

    :param known: the one that runs; where nothing has changed, it is kept with everything that it remembers
    :raises ScriptError: if it cannot be loaded, or does not take what it is called with
    """
    pipeline = config.pipeline
    if pipeline is None or pipeline.script is None:
        return None
    wanted = pipeline.script
    libraries = [Path(folder) for folder in wanted.libraries]
    where: Path | str = wanted.source or ""
    if config.script_path is not None:
        where = Path(config.script_path)
        if wanted.config_map is not None and not where.exists():
            raise ScriptError(
                f"script {config.name!r}: ConfigMap {wanted.config_map.name!r} of namespace {config.namespace!r} is not there, or has no "
                f"entry {wanted.config_map.key!r}; create it, and within about a minute it is found"
            )
    elif wanted.module is not None:
        where = module_path(wanted.module, libraries)
    identity = (wanted.function, wanted.libraries, text_hash(where))
    if known is not None and known.identity == identity:
        return known
    names, checked = FUNCTIONS[pipeline.type]
    name = wanted.module or config.name
    script = _in_time(lambda: load(where, name, wanted.function, names, libraries), name, wanted.timeout_seconds)
    return UserCode(script.name, script.sha256, checked(script), identity)


def _in_time(make: Callable[[], Script], name: str, limit_s: int) -> Script:
    """Load a script, which may run for ever.

    :param limit_s: 0 for none
    :raises ScriptTimeout: if it takes longer; then it goes on in its thread, and only a new process gets rid of it
    """
    done: Future[Script] = Future()

    def work() -> None:
        try:
            done.set_result(make())
        except BaseException as error:  # noqa: BLE001 - whatever it is, who waits gets it
            done.set_exception(error)

    threading.Thread(target=work, name="script", daemon=True).start()
    try:
        return done.result(limit_s or None)
    except TimeoutError as error:
        if done.done():
            raise
        raise ScriptTimeout(
            f"script {name!r}: its text has been running for {limit_s} s (script.timeoutSeconds) without coming to its end; "
            "let it define its function and return"
        ) from error


def text_hash(where: Path | str) -> str:
    """Of a script's text, to see whether it has changed. A file that cannot be read is found out by loading it."""
    try:
        return hashlib.sha256(where.read_bytes() if isinstance(where, Path) else where.encode()).hexdigest()
    except OSError as error:
        return str(error)


def own_parameters(config: WorkerConfig, script: UserCode | None) -> dict[str, Any]:
    """What a script is told: what its user wrote, and beside it what cam_server's scripts are used to find."""
    assert config.pipeline is not None  # noqa: S101 - only pipelines have scripts
    given = config.pipeline.script.parameters if config.pipeline.script else {}
    told: dict[str, Any] = {
        "name": config.external_name,
        "camera_name": config.input_name,
        "pipeline_type": config.pipeline.type.value.lower(),
        **copy.deepcopy(given),
    }
    if script is not None:
        # Scripts that send their parameters as processing_parameters tell it, too.
        told[SCRIPT_HASH] = script.sha256
    wanted = config.pipeline.processing.background
    if wanted is not None:
        told["image_background"] = config.background.name if config.background else None
    return told


def prepare(config: WorkerConfig, known: UserCode | None = None) -> Job:
    """Make the plan of a configuration. Everything slow (files, libraries) happens here, and not on a frame.

    :param known: the script that runs
    :raises BackgroundError: if the background cannot be used
    :raises SpecError: if the configuration asks for something impossible
    """
    return _job(config, _wanted_background(config), known)


def prepare_first(config: WorkerConfig) -> Job:
    """As :func:`prepare`, for a worker that starts and so has nothing to keep instead.

    Without its background a camera runs uncorrected, as it must for one to be collected, and a pipeline refuses frame by frame, as it
    does where its script cannot be loaded: both say so in their report, and wait for an edit, or for the store to answer.
    """
    try:
        return prepare(config)
    except ScriptTimeout:
        raise
    except BackgroundError as error:
        log.warning("%s", error)
        return replace(_job(config, None, None), problem=str(error), lacks=isinstance(error, StoreUnavailable))
    except ScriptError as error:
        if config.pipeline is None or config.pipeline.type is PipelineType.SCRIPT:
            raise
        log.warning("%s", error)
        return Job(config, Refusal(error), problem=str(error))


def _job(config: WorkerConfig, background: npt.NDArray[Any] | None, known: UserCode | None) -> Job:
    if config.camera is not None:
        return Job(config, camera_plan(config.camera, background, config.external_name))
    assert config.pipeline is not None  # noqa: S101 - the model's validator saw to it
    script = read_script(config, known)
    own = own_parameters(config, script)
    if script is not None and config.pipeline.type is PipelineType.SCRIPT:
        return Job(config, OwnProgram(script.call, own, _port(config.stream_address)), script=script)
    parameters = processing_parameters(config, script)
    call = script.call if script else None
    first = script is not known
    plan = pipeline_plan(
        config.pipeline,
        background,
        parameters,
        camera=config.input_name or config.external_name,
        call=call,
        own_parameters=own,
        first=first,
    )
    return Job(config, plan, script=script)


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _wanted_background(config: WorkerConfig) -> npt.NDArray[Any] | None:
    wanted = config.camera.background if config.camera else config.pipeline and config.pipeline.processing.background
    if wanted and config.background is None:
        name = f"background {wanted.name!r}" if wanted.name else f"background of camera {config.input_name or config.external_name!r}"
        raise BackgroundError(f"there is no {name}: collect one, or remove the background from the spec")
    return load_background(config.background) if config.background else None


Signature = tuple[int, int, int] | None


def _signature(path: Path) -> Signature:
    """What differs when a file was replaced or written to; None where it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


class Reloader:
    """Follows the configuration file and hands every acceptable change to the runner."""

    def __init__(self, path: Path, runner: Runner) -> None:
        self._path = path
        self._runner = runner
        self._stop = threading.Event()
        self._seen: tuple[Signature, Signature] | None = None
        self._again_at = time.monotonic() + AGAIN_S if runner.job.lacks else None
        """When the same configuration is tried again: what it needs may be there by then."""
        self.report = ConfigReport(applied_hash=runner.job.config.digest(), applied_at=time.time())

    def follow(self) -> None:
        """Watch until :meth:`stop`. The folder is watched, since Kubernetes and careful writers replace the file."""
        # It looks every half second, too: a change that comes while the watch is being set up is told by nobody, and a script is
        # somewhere else.
        for _ in watch(
            self._path.parent, stop_event=self._stop, debounce=50, step=20, rust_timeout=500, yield_on_timeout=True, recursive=False
        ):
            self.look()

    def stop(self) -> None:
        self._stop.set()

    def look(self) -> None:
        """Read the file if it has changed; apply it, or keep the old configuration and say why."""
        if self._runner.finished.is_set():
            return  # what has ended, ended with the configuration that was applied
        script = self._runner.job.config.script_path
        found = _signature(self._path), _signature(Path(script)) if script else None
        again = self._again_at is not None and time.monotonic() >= self._again_at
        if found[0] is not None and found == self._seen and not again:
            return
        self._seen = found
        runs = self._runner.job.script
        edited = script is not None and (runs is None or text_hash(Path(script)) != runs.sha256)
        try:
            config = read_config(self._path)
        except SpecError as error:
            self._reject(None, error)
            return
        digest = config.digest()
        if digest == self.report.applied_hash and not edited and not again:
            self.report = ConfigReport(applied_hash=digest, applied_at=self.report.applied_at)
            return
        if digest == self.report.rejected_hash and not edited and not again:
            return
        self._again_at = None
        try:
            self._check(config)
            job = prepare(config, runs)
            if isinstance(job.plan, OwnProgram) and job.script is not runs:
                raise NeedsRestart("a script of type Script cannot change while it runs; start the worker anew")
            self._runner.apply(job)
        except ScriptTimeout as error:
            self._runner.fail(error)
        except CamstreamError as error:
            if isinstance(error, StoreUnavailable):
                self._again_at = time.monotonic() + AGAIN_S
                if digest == self.report.applied_hash and not edited:
                    return  # it runs without its background, and the report of its job says so
            self._reject(digest, error)
        else:
            log.info("configuration %s applied", digest)
            self._runner.counters.config_applies[APPLIED] += 1
            self.report = ConfigReport(applied_hash=digest, applied_at=time.time())

    def _check(self, config: WorkerConfig) -> None:
        fixed = [str(change) for change in changes(self._runner.job.config, config) if change.change in FIXED]
        if fixed:
            raise NeedsRestart(f"cannot change in a running worker: {', '.join(fixed)}; start the worker anew")

    def _reject(self, digest: str | None, error: CamstreamError) -> None:
        if str(error) != self.report.rejected_reason:
            log.warning("configuration rejected, the one before goes on: %s", error)
        if (digest, str(error)) != (self.report.rejected_hash, self.report.rejected_reason):
            # One that is only tried again is not counted again.
            self._runner.counters.config_applies[REJECTED] += 1
        self.report = self.report.model_copy(update={"rejected_hash": digest, "rejected_reason": str(error)})
