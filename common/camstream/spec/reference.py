"""Reference pages in Markdown, made from the models and from the tables of cam_server's keys."""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel

from camstream.names import API_VERSION
from camstream.spec.base import Change
from camstream.spec.legacy import CAMERA_KEYS, PIPELINE_KEYS, Fate, Key
from camstream.spec.objects import Background, Camera, Pipeline
from camstream.spec.report import WorkerReport
from camstream.spec.schema import Schema, member_docs, nested_model, plain, structural

NOTE = "<!-- Made by `make generate` from common/camstream/spec. Do not edit. -->"

EDITED = (
    "The column *Edited* says what happens when a field of a running object is edited; where a row leads to a table of its own, the rows "
    "of that table count. On a cluster `kubectl explain` says the same in brackets, and "
    "[Run cameras on Kubernetes](../how-to/kubernetes.md#change-it) says how it comes about."
)

TYPES = {
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "string": "text",
    "array": "list",
    "object": "mapping",
}


def pages() -> dict[str, str]:
    """All pages, by file name."""
    kinds = {kind.__name__.lower(): _kind_page(kind) for kind in (Camera, Pipeline, Background)}
    return {f"{name}.md": text for name, text in {**kinds, "worker_status": _status_page(), "cam_server_keys": _keys_page()}.items()}


def limits(schema: Schema) -> str:
    """What a field takes beyond its type, in words: ``from 1 to 32768``; nothing where it takes everything."""
    if "x-form" in schema:
        return str(schema["x-form"])
    if "pattern" in schema:
        return f"that matches {schema['pattern']}"
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum", False), schema.get("exclusiveMaximum", False)
    if low is not None and high is not None and not (above or below):
        return f"from {low} to {high}"
    words = []
    if low is not None:
        words.append(f"{'above' if above else 'of at least'} {low}")
    if high is not None:
        words.append(f"{'below' if below else 'of at most'} {high}")
    return " and ".join(words)


def _kind_page(kind: type[Camera] | type[Pipeline] | type[Background]) -> str:
    name = kind.__name__
    head = [
        NOTE,
        f"# {name}",
        plain(kind.__doc__),
        f"`apiVersion: {API_VERSION}`, `kind: {name}`; on the command line `{kind.plural}`, `{name.lower()}` or `{kind.short_name}`.",
    ]
    schema = structural(_model(kind, "spec"), Change.ROLLOUT)
    used = set(_changes(schema))
    head += [
        EDITED,
        "\n".join(f"- **{change}**: {text}" for change, text in member_docs(Change).items() if change in used),
    ]
    spec = _sections("spec", schema)
    status = _sections("status", structural(_model(kind, "status")))
    return _joined([*head, *spec, *status])


def _changes(schema: Schema) -> Iterator[str]:
    """How the fields of a model and of those in it may change."""
    for field in schema["properties"].values():
        inner = field.get("items", field)
        if "properties" in inner:
            yield from _changes(inner)
        else:
            yield field["x-change"]


def _status_page() -> str:
    head = [
        NOTE,
        "# Status of a worker",
        "What a worker tells about itself at `GET /status`, as JSON.",
    ]
    return _joined([*head, *_sections("status", structural(WorkerReport))])


def _keys_page() -> str:
    head = [
        NOTE,
        "# Keys of cam_server",
        "Where each key of cam_server's JSON configurations is found here. "
        "Texts that hold numbers or booleans are read as such, and null is not set. Of several rows for a key, the first that fits counts.",
    ]
    tables = [
        _keys_table("Cameras", "Camera", CAMERA_KEYS),
        _keys_table("Pipelines", "Pipeline", PIPELINE_KEYS),
    ]
    return _joined(head + tables)


def _keys_table(title: str, kind: str, keys: Iterable[Key]) -> str:
    rows = []
    for key in keys:
        here = f"`spec.{key.path}`" if key.path else ("-" if key.fate is Fate.IMPLIED else f"- ({key.fate})")
        words = [f"if {key.when.words}" if key.when else "", key.note]
        remark = "; ".join(filter(None, words))
        rows.append([f"`{key.name}`", here, remark])
    return f"## {title}\n\n" + _table(["Key", f"Field of the {kind}", "Remark"], rows)


def _model(kind: type[Camera] | type[Pipeline] | type[Background], name: str) -> type[BaseModel]:
    model = nested_model(kind.model_fields[name])
    assert model is not None  # noqa: S101
    return model


def _sections(path: str, schema: Schema) -> Iterator[str]:
    """One section with a table for a model, and then one for each model in it."""
    yield f"## {path}"
    yield schema["description"]
    rules = [f"- {rule['message']}" for rule in schema.get("x-kubernetes-validations", [])]
    if rules:
        yield "Rules:\n\n" + "\n".join(rules)
    edited = any("x-change" in field for field in schema["properties"].values())
    head = ["Field", "Type", "Default", *(["Edited"] if edited else []), "Meaning"]
    required = schema.get("required", [])
    yield _table(head, (_row(name, field, path, required, edited) for name, field in schema["properties"].items()))
    for name, field in schema["properties"].items():
        inner = field.get("items", field)
        if "properties" in inner:
            yield from _sections(f"{path}.{name}" + ("[]" if inner is not field else ""), inner)


def _row(name: str, field: Schema, path: str, required: list[str], edited: bool) -> list[str]:
    default = "required" if name in required else _shown(field.get("default"))
    return [f"`{name}`", _type(name, field, path), default, *([field["x-change"]] if edited else []), field["description"]]


def _type(name: str, field: Schema, path: str) -> str:
    inner = field.get("items", field)
    if "properties" in inner:
        title = f"{path}.{name}" + ("[]" if inner is not field else "")
        anchor = title.lower().replace(".", "").replace("[]", "")
        return f"[{title}](#{anchor})"
    if "enum" in inner:
        words = ", ".join(f"`{value}`" for value in inner["enum"])
    elif "additionalProperties" in inner:
        words = f"{TYPES[inner['additionalProperties']['type']]} by name"
    else:
        words = ", ".join(filter(None, [TYPES[inner["type"]], _code(inner) or limits(inner)]))
    return words if inner is field else f"list of {words}"


def _code(schema: Schema) -> str:
    return f"`{schema['pattern']}`" if "pattern" in schema and "x-form" not in schema else ""


def _shown(default: Any) -> str:
    if default is None or default == {}:
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(parts) + "\n"
