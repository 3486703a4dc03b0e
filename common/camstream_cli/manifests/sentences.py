"""What pydantic finds wrong, in plain words."""

import difflib
import functools
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from camstream.spec.base import Change
from camstream.spec.reference import TYPES, limits
from camstream.spec.schema import Schema, structural
from camstream_cli.manifests.documents import Place


def sentence(model: type[BaseModel], error: ErrorDetails) -> str:
    """One sentence about one error in a document of this model."""
    place, kind, found, facts = error["loc"], error["type"], error["input"], error.get("ctx", {})
    around, schema = _schema(model, place[:-1]), _schema(model, place)
    if kind == "extra_forbidden":
        return f"there is no such field{suggestion(str(place[-1]), around.get('properties', {}))}"
    if kind == "missing":
        return f"is missing; it is required: {schema.get('description', '')}".removesuffix(": ")
    if kind == "value_error":
        return str(facts["error"])
    if "enum" in schema:
        return f"{found!r} is not one of {', '.join(schema['enum'])}"
    if kind == "string_too_long":
        return f"has {len(found)} characters, and at most {facts['max_length']} are allowed"
    if kind == "string_too_short":
        return "must not be empty"
    if kind == "too_long":
        return f"has {facts['actual_length']} entries, and at most {facts['max_length']} are allowed"
    if schema.get("type") in TYPES:
        hint = "; write yes, no, on, off, y and n in quotes" if schema["type"] == "string" and isinstance(found, bool) else ""
        return f"expected {expected(schema)}, found {_shown(found)}{hint}"
    return error["msg"]


def suggestion(name: str, known: Mapping[str, Any]) -> str:
    """What a person may have meant, or else what there is."""
    near = difflib.get_close_matches(to_camel(name.replace("-", "_")), known, n=1, cutoff=0.6) or [
        option for option in known if option.lower() == name.lower()
    ]
    if near:
        return f"; did you mean {near[0]}?"
    return f"; there are {', '.join(known)}" if known else ""


def expected(schema: Schema) -> str:
    """What a field takes, in words: ``a whole number from 1 to 32768``."""
    article = "" if schema["type"] == "boolean" else "a "
    joint = " with " if "x-form" in schema else " "
    return f"{article}{TYPES[schema['type']]}{joint}{limits(schema)}".rstrip()


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else json.dumps(value) if isinstance(value, bool) else repr(value)


def _schema(model: type[BaseModel], place: Place) -> Schema:
    """What the schema says about a field; nothing where there is no such field."""
    here = _whole(model)
    for step in place:
        here = here.get("items", {}) if isinstance(step, int) else here.get("properties", {}).get(step, {})
    return here


@functools.cache
def _whole(model: type[BaseModel]) -> Schema:
    return structural(model, Change.ROLLOUT)
