"""cam_server's configurations into our specs, by the tables."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import ValidationError

from camstream.errors import SpecError
from camstream.spec.base import Spec
from camstream.spec.camera import CameraSpec
from camstream.spec.geometry import Calibration, CameraGeometry
from camstream.spec.legacy.keys import CAMERA_KEYS, PIPELINE_KEYS, READING, Fate, Key, Settings
from camstream.spec.legacy.values import NotYet, object_name
from camstream.spec.pipeline import PipelineSpec
from camstream.spec.processing import Processing

S = TypeVar("S", bound=Spec)


class Loss(NamedTuple):
    """One key that could not be carried over."""

    key: str
    value: Any
    fate: Fate
    reason: str

    def __str__(self) -> str:
        return f"{self.key} = {self.value!r}: {self.reason}"


@dataclass(frozen=True)
class Converted(Generic[S]):
    """A spec made from a configuration of cam_server."""

    name: str
    """Name of the object; the name in cam_server is in ``spec.external_name``, where it differs."""
    spec: S
    losses: tuple[Loss, ...]
    """What could not be carried over."""


class _Document:
    """A spec in the making: nested settings, and the key that each came from."""

    def __init__(self) -> None:
        self.content: dict[str, Any] = {}
        self.origins: dict[str, str] = {}

    def put(self, path: str, value: Any, key: str = "") -> None:
        *parents, last = path.split(".")
        here = self.content
        for parent in parents:
            here = here.setdefault(parent, {})
        here[last] = here[last] | value if isinstance(value, dict) and last in here else value
        self.origins[path] = key

    def remove(self, path: str) -> str:
        """Take a setting out again and tell the key it came from."""
        *parents, last = path.split(".")
        here = self.content
        for parent in parents:
            here = here[parent]
        del here[last]
        return self.origins.pop(path)

    def blamed(self, place: Iterable[int | str]) -> str | None:
        """The setting that an error at this place of the spec is about."""
        full = "".join(f"{part}." for part in place)
        found = [path for path in self.origins if full.startswith(path + ".")]
        return max(found, key=len, default=None)


def camera_from_cam_server(name: str, config: Mapping[str, Any]) -> Converted[CameraSpec]:
    """A camera of cam_server as a CameraSpec.

    :param name: of the camera, in cam_server
    :param config: its configuration; null means not set
    :raises SpecError: if no spec can be made of it, for example because its kind of source does not exist here
    """
    document, losses = _collect(CAMERA_KEYS, _settings(config))
    if "source" not in document.content:
        raise SpecError(f"camera {name!r}: {_reason('source_type', losses)}")
    return _converted(CameraSpec, name, document, losses)


def pipeline_from_cam_server(name: str, config: Mapping[str, Any]) -> Converted[PipelineSpec]:
    """A pipeline of cam_server as a PipelineSpec.

    Camera and pipeline names that it refers to become names of objects by :func:`object_name`.

    :param name: of the pipeline, in cam_server
    :param config: its configuration; null means not set
    :raises SpecError: if no spec can be made of it: an unknown pipeline_type, or no input, script or file where one is needed
    """
    settings = {"notify_on_error": name.endswith("_sp")} | _settings(config)
    kind = str(settings.get("pipeline_type", "processing")).lower()
    document, losses = _collect(PIPELINE_KEYS, settings)
    if any(loss.key == "pipeline_type" for loss in losses):
        raise SpecError(f"pipeline {name!r}: {_reason('pipeline_type', losses)}")
    if kind in READING and not {"camera", "pipeline", "address"} & document.content.get("input", {}).keys():
        wanted = "input_stream, bsread_address and input_pipeline" if kind == "stream" else "camera_name, input_stream and input_pipeline"
        raise SpecError(f"pipeline {name!r}: {wanted} are not set; set one of them")
    if kind in ("custom", "script") and "script" not in document.content:
        raise SpecError(f"pipeline {name!r}: pipeline_type {kind!r} needs a script; name it in function")
    if str(settings.get("mode", "")).lower() == "file" and "file" not in document.content.get("output", {}):
        raise SpecError(f"pipeline {name!r}: mode is FILE, but file is not set; name the file")
    return _converted(PipelineSpec, name, document, losses)


def processing_from_cam_server(parameters: Mapping[str, Any]) -> Processing:
    """The processing that the parameters of a pipeline ask for. Keys that are about other things are not looked at.

    :raises SpecError: if a value cannot be used
    """
    document = _strict([row for row in PIPELINE_KEYS if (row.path or "").startswith("processing.")], parameters)
    return _valid(Processing, document.content.get("processing", {}))


def camera_geometry_from_cam_server(config: Mapping[str, Any]) -> tuple[CameraGeometry, Calibration | None]:
    """The geometry and calibration that the configuration of a camera asks for. Other keys are not looked at.

    :raises SpecError: if a value cannot be used
    """
    document = _strict([row for row in CAMERA_KEYS if (row.path or "").startswith(("geometry.", "calibration"))], config)
    calibration = document.content.get("calibration")
    geometry = _valid(CameraGeometry, document.content.get("geometry", {}))
    return geometry, None if calibration is None else _valid(Calibration, calibration)


def _settings(config: Settings) -> dict[str, Any]:
    return {key: value for key, value in config.items() if value is not None and value != ""}


def _collect(table: Iterable[Key], settings: Settings) -> tuple[_Document, list[Loss]]:
    document, losses, seen = _Document(), [], set()
    for row in table:
        if row.name in seen or not row.counts(settings):
            continue
        seen.add(row.name)
        loss = _carry(row, settings.get(row.name, row.default), document)
        if loss is not None:
            losses.append(loss)
    unknown = [key for key in settings if key not in seen]
    if "script" in document.content:
        # Whatever cam_server does not know is for the user's function.
        document.content["script"].setdefault("parameters", {}).update({key: settings[key] for key in unknown})
        return document, losses
    losses += [Loss(key, settings[key], Fate.UNKNOWN, "no key of cam_server, and no script that could read it") for key in unknown]
    return document, losses


def _carry(row: Key, value: Any, document: _Document) -> Loss | None:
    if row.path is None:
        told = value is not None and str(value).lower() != str(row.default).lower() and row.fate is not Fate.IMPLIED
        return Loss(row.name, value, row.fate, row.note) if told else None
    if value is None:
        return None
    try:
        found = row.read(value)
    except NotYet as error:
        return Loss(row.name, value, Fate.LATER, str(error))
    except ValueError as error:
        return Loss(row.name, value, Fate.WRONG, str(error))
    if found is not None:
        document.put(row.path, found, row.name)
    return None


def _converted(model: type[S], name: str, document: _Document, losses: list[Loss]) -> Converted[S]:
    object_ = object_name(name)
    if object_ != name:
        document.put("externalName", name)
    while True:
        try:
            return Converted(object_, model.model_validate(document.content), tuple(losses))
        except ValidationError as error:
            losses += _refused(error, document, f"{model.__name__} of {name!r}")


def _refused(error: ValidationError, document: _Document, who: str) -> list[Loss]:
    """Take out the settings that the model refuses.

    :raises SpecError: if there is nothing to take out, or nothing would be left without it
    """
    refused: dict[str, Any] = {}
    for detail in error.errors():
        path = document.blamed(detail["loc"])
        if path is None or path.split(".")[0] in ("source", "input", "externalName"):
            place = ".".join(map(str, detail["loc"]))
            raise SpecError(f"{who}: {place}: {detail['msg']}, found {detail['input']!r}") from error
        refused.setdefault(path, detail)
    return [Loss(document.remove(path), detail["input"], Fate.WRONG, f"{path}: {detail['msg']}") for path, detail in refused.items()]


def _strict(table: list[Key], settings: Settings) -> _Document:
    given = _settings(settings)
    document, losses = _collect(table, {row.name: given[row.name] for row in table if row.name in given})
    for loss in losses:
        if loss.fate in (Fate.WRONG, Fate.LATER):
            raise SpecError(str(loss))
    return document


def _valid(model: type[S], content: Any) -> S:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        detail = error.errors()[0]
        raise SpecError(f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}, found {detail['input']!r}") from error


def _reason(key: str, losses: Iterable[Loss]) -> str:
    return next(str(loss) for loss in losses if loss.key == key)
