"""Documents into objects."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from camstream.names import API_VERSION, GROUP
from camstream.spec import KINDS, Background, Camera, Pipeline
from camstream_cli.manifests.documents import Document, Problem, plain
from camstream_cli.manifests.sentences import sentence, suggestion

AnyObject = Camera | Pipeline | Background
Key = tuple[str, str, str]
"""Kind, namespace and name: what must differ between any two objects."""


@dataclass(frozen=True)
class Placed:
    """One object, and the document it comes from."""

    object: AnyObject
    document: Document

    @property
    def kind(self) -> str:
        return self.object.kind

    @property
    def key(self) -> Key:
        return self.kind, self.object.metadata.namespace, self.object.name

    @property
    def file(self) -> Path:
        return self.document.file

    @property
    def line(self) -> int:
        """Line of its name."""
        return self.document.position(("metadata", "name"))[0]


@dataclass
class Manifests:
    """What was found in some files."""

    objects: list[Placed] = field(default_factory=list)
    """All that are right on their own."""
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)
    """What was left out, with nothing wrong about it."""
    config_maps: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    """Entries of every ConfigMap, by namespace and name: scripts refer to them."""
    broken: set[Key] = field(default_factory=set)
    """Objects with a problem, whether on their own or between them and others."""

    @property
    def fine(self) -> list[Placed]:
        """All with no problem."""
        return [placed for placed in self.objects if placed.key not in self.broken]


def read(document: Document, found: Manifests) -> None:
    """Add the object in a document, or what is wrong with it."""
    content = plain(document.content)
    if not isinstance(content, dict):
        found.problems.append(document.problem((), "expected an object with apiVersion, kind, metadata and spec"))
        return
    missing = [key for key in ("apiVersion", "kind") if not isinstance(content.get(key), str)]
    if missing:
        found.problems += [document.problem((key,), "is missing; expected a text") for key in missing]
        return
    if (content["apiVersion"], content["kind"]) == ("v1", "ConfigMap"):
        _read_config_map(content, document, found)
        return
    if content["apiVersion"].split("/")[0] != GROUP:
        note = f"{content['kind']} of {content['apiVersion']} is none of ours, and is left out"
        found.notes.append(document.problem((), note))
        return
    model = KINDS.get(content["kind"])
    if content["apiVersion"] != API_VERSION:
        found.problems.append(document.problem(("apiVersion",), f"{content['apiVersion']!r} is unknown; expected {API_VERSION}"))
    elif model is None:
        found.problems.append(document.problem(("kind",), f"{content['kind']!r} is unknown{suggestion(content['kind'], KINDS)}"))
    else:
        _validate(model, content, document, found)


def _read_config_map(content: dict[str, Any], document: Document, found: Manifests) -> None:
    match content:
        case {"metadata": {"name": str(name), **others}, **content}:
            data = content.get("data") or {}
            if not isinstance(data, dict):
                found.problems.append(document.problem(("data",), "expected keys and texts"))
                return
            if wrong := [key for key, value in data.items() if not isinstance(value, str)]:
                found.problems.append(document.problem(("data", wrong[0]), "expected a text"))
                return
            found.config_maps[str(others.get("namespace", "default")), name] = data
        case _:
            found.problems.append(document.problem((), "expected a ConfigMap with metadata.name"))


def _validate(model: type[AnyObject], content: Any, document: Document, found: Manifests) -> None:
    try:
        # As strict as the API server: no numbers in texts, and no names but those of the manifest.
        thing = model.model_validate_json(json.dumps(content), strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        found.problems += [document.problem(e["loc"], sentence(model, e)) for e in error.errors(include_url=False)]
        match content.get("metadata"):
            case {"name": str(name), **others}:
                found.broken.add((content["kind"], str(others.get("namespace", "default")), name))
        return
    found.objects.append(Placed(thing, document))
