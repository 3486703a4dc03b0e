"""An OpenAPI document, checked by what the specification of version 3.1 demands of the parts that ours has, and values by its schemas."""

import re
from typing import Any

METHODS = {"get", "post", "put", "patch", "delete"}
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
KNOWN = {
    *("$ref", "additionalProperties", "anyOf", "const", "default", "description", "enum", "exclusiveMaximum", "exclusiveMinimum"),
    *("format", "items", "maxItems", "maxLength", "maxProperties", "maximum", "minItems", "minLength", "minimum", "pattern", "prefixItems"),
    *("properties", "propertyNames", "required", "title", "type", "uniqueItems"),
}
"""Words of JSON schema that ours use: another one would be checked by nobody here."""


def check(document: dict[str, Any]) -> None:
    """Raise an AssertionError unless this is an OpenAPI 3.1 document."""
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert document["info"]["title"]
    assert document["info"]["version"]
    ids = []
    for path, methods in document["paths"].items():
        assert path.startswith("/")
        for method, operation in methods.items():
            assert method in METHODS
            ids.append(operation["operationId"])
            _check_operation(path, operation, document)
    assert len(ids) == len(set(ids))
    for name, schema in document["components"]["schemas"].items():
        assert re.fullmatch(r"[A-Za-z0-9._-]+", name)
        _check_schema(schema, document)
    for requirement in document["security"]:
        assert requirement.keys() <= document["components"]["securitySchemes"].keys()


def _check_operation(path: str, operation: dict[str, Any], document: dict[str, Any]) -> None:
    assert operation["summary"].endswith(".")
    parameters = operation.get("parameters", [])
    names = [(one["in"], one["name"]) for one in parameters]
    assert len(names) == len(set(names))
    assert {name for place, name in names if place == "path"} == set(re.findall(r"{(\w+)}", path))
    for one in parameters:
        assert one["in"] in ("path", "query", "header")
        assert one.get("required") or one["in"] != "path"
        _check_schema(one["schema"], document)
    contents = [operation["requestBody"]["content"]] if "requestBody" in operation else []
    assert operation["responses"]
    for status, answer in operation["responses"].items():
        assert re.fullmatch(r"[1-5]\d\d", status)
        assert answer["description"]
        contents.append(answer.get("content", {}))
        for header in answer.get("headers", {}).values():
            _check_schema(header["schema"], document)
    for content in contents:
        for media in content.values():
            _check_schema(media["schema"], document)


def _check_schema(schema: Any, document: dict[str, Any]) -> None:
    if isinstance(schema, bool):
        return
    unknown = {word for word in schema if not word.startswith("x-")} - KNOWN
    assert not unknown, f"{unknown} in {schema}"
    if "$ref" in schema:
        _resolved(schema["$ref"], document)
    kind = schema.get("type", "object")
    assert kind in TYPES, kind
    if "pattern" in schema:
        re.compile(schema["pattern"])
    assert set(schema.get("required", ())) <= schema.get("properties", {}).keys()
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ()), *schema.get("prefixItems", ())]
    for word in ("items", "additionalProperties", "propertyNames"):
        inner += [schema[word]] if word in schema else []
    for one in inner:
        _check_schema(one, document)


def _resolved(reference: str, document: dict[str, Any]) -> dict[str, Any]:
    found: Any = document
    start, *parts = reference.split("/")
    assert start == "#", reference
    for part in parts:
        found = found[part]
    assert isinstance(found, dict)
    return found


def matches(value: Any, schema: Any, document: dict[str, Any], where: str = "answer") -> None:
    """Raise an AssertionError unless a value has the form of a schema."""
    if schema is True:
        return
    if "$ref" in schema:
        matches(value, _resolved(schema["$ref"], document), document, where)
    if "anyOf" in schema:
        assert any(_is(value, one, document) for one in schema["anyOf"]), f"{where}: {value!r} is none of {schema['anyOf']}"
    if "type" in schema:
        assert isinstance(value, TYPES[schema["type"]]), f"{where}: expected {schema['type']}, found {value!r}"
        assert not isinstance(value, bool) or schema["type"] == "boolean", f"{where}: expected {schema['type']}, found {value!r}"
    if "enum" in schema:
        assert value in schema["enum"], f"{where}: {value!r} is none of {schema['enum']}"
    if "const" in schema:
        assert value == schema["const"], f"{where}: expected {schema['const']!r}, found {value!r}"
    if isinstance(value, str):
        assert re.search(schema.get("pattern", ""), value), f"{where}: {value!r} does not match {schema['pattern']}"
    if isinstance(value, list) and "items" in schema:
        for index, one in enumerate(value):
            matches(one, schema["items"], document, f"{where}[{index}]")
    if isinstance(value, dict):
        _matches_members(value, schema, document, where)


def _matches_members(value: dict[str, Any], schema: dict[str, Any], document: dict[str, Any], where: str) -> None:
    missing = set(schema.get("required", ())) - value.keys()
    assert not missing, f"{where}: {missing} missing"
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name, one in value.items():
        if name in known:
            matches(one, known[name], document, f"{where}.{name}")
        else:
            assert others is not False, f"{where}: {name} is not in the schema"
            matches(one, others, document, f"{where}.{name}")


def _is(value: Any, schema: Any, document: dict[str, Any]) -> bool:
    try:
        matches(value, schema, document)
    except AssertionError:
        return False
    return True
