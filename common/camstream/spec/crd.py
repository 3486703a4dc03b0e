"""Models as CustomResourceDefinitions."""

from collections.abc import Iterator
from typing import Final

from camstream.names import GROUP, VERSION
from camstream.spec.base import Change
from camstream.spec.objects import KINDS, Background, Camera, Metadata, Pipeline
from camstream.spec.schema import Schema, nested_model, plain, structural

LONGEST_TEXT: Final = 32_768
"""Of a text in a status; texts in a spec have limits of their own."""


def definitions() -> dict[str, Schema]:
    """All CRDs, by plural name."""
    return {kind.plural: definition(kind) for kind in KINDS.values()}


def definition(kind: type[Camera] | type[Pipeline] | type[Background]) -> Schema:
    """The CRD of one kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.__name__,
                "listKind": f"{kind.__name__}List",
                "plural": kind.plural,
                "singular": kind.__name__.lower(),
                "shortNames": [kind.short_name],
                "categories": ["camstream"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}} | SCALE.get(kind.__name__, {}),
                    "additionalPrinterColumns": COLUMNS[kind.__name__],
                    "selectableFields": [{"jsonPath": path} for path in SELECTABLE[kind.__name__]],
                    "schema": {"openAPIV3Schema": _object(kind)},
                }
            ],
        },
    }


def _object(kind: type[Camera] | type[Pipeline] | type[Background]) -> Schema:
    return {
        "description": plain(kind.__doc__),
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"description": f"{GROUP}/{VERSION}", "type": "string"},
            "kind": {"description": kind.__name__, "type": "string"},
            "metadata": {"type": "object"},
            "spec": _cleaned(_part(kind, "spec", Change.ROLLOUT)),
            "status": _cleaned(_part(kind, "status", None)),
        },
        "x-kubernetes-validations": list(_name_rules()),
    }


def _part(kind: type[Camera] | type[Pipeline] | type[Background], name: str, around: Change | None) -> Schema:
    model = nested_model(kind.model_fields[name])
    assert model is not None  # noqa: S101
    return structural(model, around)


def _name_rules() -> Iterator[Schema]:
    # The API server knows no schema for metadata, but rules at the root can see the name.
    name = structural(Metadata)["properties"]["name"]
    longest = name["maxLength"]
    yield {
        "rule": f"self.metadata.name.size() <= {longest}",
        "message": f"metadata.name: at most {longest} characters, because names of Services are made from it",
    }
    yield {"rule": f"self.metadata.name.matches('{name['pattern']}')", "message": f"metadata.name: only {name['x-form']}"}


def _cleaned(schema: Schema) -> Schema:
    """Without our own keys, with the change in the description, and with a limit on every text."""
    form, change = schema.get("x-form"), schema.get("x-change")
    words = [schema.get("description"), form and f"With {form}.", change and f"({change})"]
    text = " ".join(filter(None, words))
    clean: Schema = {"description": text} if text else {}
    clean |= {key: schema[key] for key in ORDER if key in schema}
    if clean["type"] == "string" and not {"enum", "format", "maxLength"} & set(clean):
        clean["maxLength"] = LONGEST_TEXT
    if "items" in schema:
        clean["items"] = _cleaned(schema["items"])
    if "properties" in schema:
        clean["properties"] = {name: _cleaned(inner) for name, inner in schema["properties"].items()}
    return clean


ORDER: Final = (
    "type",
    "format",
    "enum",
    "default",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "pattern",
    "maxItems",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-validations",
    "required",
)


def _column(name: str, path: str, kind: str = "string", *, wide: bool = False, description: str = "") -> Schema:
    column: Schema = {"name": name, "type": kind, "jsonPath": path}
    return column | ({"description": description} if description else {}) | ({"priority": 1} if wide else {})


def _condition(name: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{name}")].{field}'


def _streaming(reads: str) -> list[Schema]:
    return [
        _column("Phase", ".status.phase"),
        _column("Ready", _condition("Ready", "status"), description="Whether a client that connects now gets data."),
        _column(reads, ".status.input", description="What the worker reads."),
        _column("Size", ".status.image.size", description="Width and height of the images."),
        _column("Clients", ".status.clients", "integer", description="Readers that are connected."),
        _column("Address", ".status.stream.address", wide=True, description="Where clients connect."),
        _column("External-Name", ".spec.externalName", wide=True),
        _column("Node", ".status.worker.nodeName", wide=True),
        _column("Message", _condition("Ready", "message"), wide=True),
        _column("Age", ".metadata.creationTimestamp", "date"),
    ]


COLUMNS: Final[dict[str, list[Schema]]] = {
    "Camera": _streaming("Source"),
    "Pipeline": _streaming("Input"),
    "Background": [
        _column("Phase", ".status.phase"),
        _column("Camera", ".spec.camera.name"),
        _column("Frames", ".status.frames", "integer", description="How many were averaged."),
        _column("Size", ".status.image.size", description="Width and height of the image."),
        _column("Id", ".status.name", description="Id under which workers find it."),
        _column("Message", _condition("Ready", "message"), wide=True),
        _column("Age", ".metadata.creationTimestamp", "date"),
    ],
}

SCALE: Final[dict[str, Schema]] = {
    "Pipeline": {
        "scale": {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }
    }
}

SELECTABLE: Final[dict[str, list[str]]] = {
    "Camera": [".spec.externalName", ".spec.worker.className", ".status.phase"],
    "Pipeline": [".spec.externalName", ".spec.worker.className", ".status.phase"],
    "Background": [".spec.camera.name", ".status.phase"],
}
