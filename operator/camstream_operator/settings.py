"""What those who run the installation decide: read once, at the start, from the file that the chart writes."""

from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from camstream.errors import ClassNotAllowed, SpecError
from camstream.spec.base import Spec, problems
from camstream.spec.output import Resources

DEFAULT_CLASS = "default"


class ClassResources(Spec):
    """What a worker of a class asks for, where its object says nothing else."""

    requests: Resources = Resources(cpu="100m", memory="256Mi")
    limits: Resources = Resources(memory="1Gi")


class EnvironmentVariable(Spec):
    """One variable for a worker."""

    name: str = Field(min_length=1)
    value: str


class WorkerClass(Spec):
    """A profile of worker pods: objects name it, and so nobody needs to be trusted with a pod template."""

    name: str = Field(min_length=1, max_length=63)
    image: str | None = None
    """Default: the image of the installation."""
    image_pull_secrets: list[str] = []
    node_selector: dict[str, str] = {}
    tolerations: list[dict[str, JsonValue]] = []
    """As in a pod."""
    priority_class_name: str | None = None
    runtime_class_name: str | None = None
    host_network: bool = False
    """For Channel Access by broadcast. Needs a namespace that allows it."""
    resources: ClassResources = ClassResources()
    env: list[EnvironmentVariable] = []
    volumes: list[dict[str, JsonValue]] = []
    """As in a pod: recorded files to replay, for example."""
    volume_mounts: list[dict[str, JsonValue]] = []
    """As in a container."""
    files_folder: str | None = None
    """Below which folder pipelines may write files (``output.file``); one of the volumes. None: nowhere."""
    namespaces: list[str] = []
    """Where it may be used. Empty: everywhere."""


class Settings(Spec):
    """The whole file."""

    namespaces: list[str] = []
    """Which namespaces to look after. Empty: all."""
    worker_image: str = Field(min_length=1)
    worker_image_pull_policy: str = Field(default="IfNotPresent", pattern="^(Always|IfNotPresent|Never)$")
    worker_classes: list[WorkerClass] = [WorkerClass(name=DEFAULT_CLASS)]
    lease_name: str = "camstream-operator"
    backgrounds_url: str | None = Field(default=None, pattern=r"^https?://[^/]")
    """Where workers get backgrounds: below it, a namespace and an id. None: nowhere."""

    @model_validator(mode="after")
    def _classes_are_told_apart(self) -> "Settings":
        names = [entry.name for entry in self.worker_classes]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"workerClasses: {', '.join(sorted(twice))} is there twice; give each class a name of its own")
        if DEFAULT_CLASS not in names:
            raise ValueError(f"workerClasses: none is named {DEFAULT_CLASS!r}, which objects use when they name none")
        return self

    def worker_class(self, name: str, namespace: str) -> WorkerClass:
        """:raises ClassNotAllowed: if there is no such class, or not for this namespace"""
        found = next((entry for entry in self.worker_classes if entry.name == name), None)
        if found is None:
            known = ", ".join(entry.name for entry in self.worker_classes)
            raise ClassNotAllowed(f"spec.worker.className {name!r} does not exist (there are: {known}); correct it, or have it added")
        if found.namespaces and namespace not in found.namespaces:
            raise ClassNotAllowed(
                f"spec.worker.className {name!r} may not be used in namespace {namespace!r} (only in: {', '.join(found.namespaces)}); "
                f"choose another class, or have this namespace added to it"
            )
        return found


def read_settings(path: Path) -> Settings:
    """:raises SpecError: if the file is not there or wrong"""
    try:
        content: Any = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        return Settings.model_validate(content)
    except (OSError, YAMLError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot read the settings {path}: {error}") from error
    except ValidationError as error:
        raise SpecError(f"the settings {path} are wrong: {'; '.join(problems(error))}") from error
