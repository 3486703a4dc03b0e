"""Models as structural schemas: the part of JSON schema that Kubernetes knows, without references and unions.

Two keys of our own tell more than Kubernetes wants to know: ``x-change`` (a :class:`Change`) and ``x-form`` (a pattern in words).
"""

import ast
import functools
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from camstream.spec.base import Change, Spec, change_of

Schema = dict[str, Any]

DROPPED = ("title", "additionalProperties", "discriminator", "default")
LARGEST_INTEGER = 2**63 - 1


def structural(model: type[BaseModel], around: Change | None = None) -> Schema:
    """The schema of a model, with all that is inside it.

    :param around: how its fields change where they say nothing themselves; None where nobody edits them, as in a status
    :raises TypeError: for a field that Kubernetes has no type for: a tuple, or a union of two types
    """
    raw = model.model_json_schema(by_alias=True)
    definitions = raw.get("$defs", {})
    properties = {
        info.alias or name: _field(model, name, raw["properties"][info.alias or name], definitions, around)
        for name, info in model.model_fields.items()
    }
    schema: Schema = {"type": "object", "description": plain(model.__doc__), "properties": properties}
    required = [alias for alias in raw.get("required", []) if "default" not in properties[alias]]
    if required:
        schema["required"] = required
    rules = [*_rules(model), *(_immutability(model) if around is not None else ())]
    if rules:
        schema["x-kubernetes-validations"] = rules
    return schema


def plain(text: str | None) -> str:
    """A docstring as text: one paragraph, single backticks."""
    return " ".join(inspect.cleandoc(text or "").split()).replace("``", "`")


def nested_model(info: FieldInfo) -> type[BaseModel] | None:
    """The model that a field holds, alone or in a list."""
    return next((kind for kind in _types(info.annotation) if issubclass(kind, BaseModel)), None)


@functools.cache
def member_docs(enum: type[Enum]) -> Mapping[str, str]:
    """What the docstrings below the members of an enumeration say, by value."""
    body = ast.parse(textwrap.dedent(inspect.getsource(enum))).body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101
    found = {}
    for member, below in zip(body.body, body.body[1:], strict=False):
        match member, below:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str(text))):
                found[enum[name].value] = plain(text)
    return found


def _field(model: type[BaseModel], name: str, raw: Schema, definitions: Schema, around: Change | None) -> Schema:
    info = model.model_fields[name]
    change = None if around is None else change_of(model, name, around)
    inner = nested_model(info)
    if inner is None:
        schema = _simple(raw, definitions)
    elif raw.get("type") == "array":
        schema = {key: value for key, value in raw.items() if key not in (*DROPPED, "items")} | {"items": structural(inner, change)}
    else:
        schema = structural(inner, change)
    schema["description"] = _meaning(info, inner)
    default = info.get_default()
    # Lists and maps are left out where they are empty, and what is None has no default.
    if not info.is_required() and default is not None and default not in ([], {}) and around is not None:
        schema["default"] = default.to_dict() if isinstance(default, Spec) else raw["default"]
    if change is not None:
        schema["x-change"] = change.value
    return schema


def _meaning(info: FieldInfo, inner: type[BaseModel] | None) -> str:
    """What a field says about itself, else what its type says; then what each value of an enumeration means."""
    enums = [kind for kind in _types(info.annotation) if issubclass(kind, Enum)]
    types = [inner, *enums]
    texts = [plain(info.description) or next((plain(kind.__doc__) for kind in types if kind is not None), "")]
    for enum in enums:
        texts += [f"{value}: {text}" for value, text in member_docs(enum).items()]
    return " ".join(texts)


def _simple(raw: Schema, definitions: Schema) -> Schema:
    """A field that holds no model."""
    schema = {key: value for key, value in raw.items() if key not in DROPPED}
    if "$ref" in schema:
        referred = definitions[schema.pop("$ref").rpartition("/")[2]]
        schema = _simple(referred, definitions) | schema
    if "anyOf" in schema:
        options = [option for option in schema.pop("anyOf") if option != {"type": "null"}]
        if len(options) != 1:
            raise TypeError(f"a union of {len(options)} types has no structural schema: {raw}")
        schema = _simple(options[0], definitions) | schema
    if "prefixItems" in schema:
        raise TypeError(f"a tuple has no structural schema: {raw}")
    if "items" in schema:
        schema["items"] = _simple(schema["items"], definitions)
    if schema.get("type") == "object" and "$ref" in str(raw["additionalProperties"]):
        # Free JSON: anything goes.
        schema["x-kubernetes-preserve-unknown-fields"] = True
    elif schema.get("type") == "object":
        schema["additionalProperties"] = _simple(raw["additionalProperties"], definitions)
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    return _numbers(schema)


def _numbers(schema: Schema) -> Schema:
    """Exclusive limits are flags in Kubernetes, and a whole number has 64 bits."""
    for exclusive, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if not isinstance(schema.get(exclusive, True), bool):
            schema |= {limit: schema[exclusive], exclusive: True}
    if schema.get("maximum") == LARGEST_INTEGER:
        del schema["maximum"]
    if schema.get("type") == "integer":
        schema["format"] = "int64"
    return schema


def _rules(model: type[BaseModel]) -> Iterator[Schema]:
    for rule in model.rules if issubclass(model, Spec) else ():
        found = {} if rule.cel_found is None else {"messageExpression": f"'{rule.message}; found' + {rule.cel_found}"}
        yield {"rule": rule.cel, "message": rule.message} | found


def _immutability(model: type[BaseModel]) -> Iterator[Schema]:
    """Rules for the fields of a model that are marked as immutable. An optional one cannot come or go later either."""
    advice = "cannot be added, changed or removed later; delete the object and create it anew"
    marked = {info.alias or name: info.is_required() for name, info in model.model_fields.items() if Change.IMMUTABLE in info.metadata}
    if marked and len(marked) == len(model.model_fields):
        yield {"rule": "self == oldSelf", "message": "a background cannot change; delete it and create another one"}
        return
    for name, required in marked.items():
        same = f"self.{name} == oldSelf.{name}"
        rule = same if required else f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || {same})"
        yield {"rule": rule, "message": f"{name}: {advice}", "fieldPath": f".{name}", "reason": "FieldValueInvalid"}


def _types(annotation: Any) -> Iterator[type]:
    """All types in an annotation, outermost first."""
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    for inner in get_args(annotation):
        yield from _types(inner)
