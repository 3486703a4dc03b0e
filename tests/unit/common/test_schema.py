"""Models as structural schemas: what Kubernetes will know about a field is what Python knows."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import Field, TypeAdapter

from camstream.spec import KINDS, BackgroundSpec, CameraSpec, PipelineSpec
from camstream.spec.base import IMMUTABLE, LIVE, ROLLOUT, Change, Rule, Spec, exactly_one
from camstream.spec.crd import definition
from camstream.spec.fields import Backlog
from camstream.spec.report import WorkerReport
from camstream.spec.schema import Schema, member_docs, structural
from camstream.spec.source import CameraSource, SimulationSource

SPECS: tuple[type[Spec], ...] = (CameraSpec, PipelineSpec, BackgroundSpec)


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """A schema and all that are in it."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


class Inner(Spec):
    """The inner one."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one(("left", "right")),)

    left: int | None = None
    right: Annotated[float | None, LIVE] = Field(default=None, gt=0)
    """[mm]"""


class Outer(Spec):
    """The outer one."""

    name: Annotated[str, IMMUTABLE, Field(max_length=3)]
    note: Annotated[str | None, IMMUTABLE] = None
    inner: Inner = Inner(left=3)
    live: Annotated[Inner | None, LIVE] = None
    """A live one."""
    backlog: Backlog = Backlog.NEWEST
    many: list[Inner] = Field(default=[])


def test_schema_has_no_references_and_no_unions() -> None:
    schema = structural(Outer, ROLLOUT)
    assert schema["properties"]["inner"] == {
        "type": "object",
        "description": "The inner one.",
        "properties": {
            "left": {"type": "integer", "format": "int64", "description": "", "x-change": "rollout"},
            "right": {"type": "number", "minimum": 0, "exclusiveMinimum": True, "description": "[mm]", "x-change": "live"},
        },
        "x-kubernetes-validations": [
            {
                "rule": "[has(self.left), has(self.right)].exists_one(is_set, is_set)",
                "message": "set exactly one of left, right",
                "messageExpression": "'set exactly one of left, right; found' + (has(self.left) || has(self.right) ? "
                "(has(self.left) ? ' left' : '') + (has(self.right) ? ' right' : '') : ' none')",
            }
        ],
        "default": {"left": 3},
        "x-change": "rollout",
    }


def test_change_of_a_field_is_its_own_or_that_of_the_field_around_it() -> None:
    live = structural(Outer, ROLLOUT)["properties"]["live"]
    assert live["x-change"] == "live"
    assert live["properties"]["left"]["x-change"] == "live"
    assert live["description"] == "A live one."


def test_immutable_field_can_neither_come_nor_go() -> None:
    name, note = structural(Outer, ROLLOUT)["x-kubernetes-validations"]
    assert name["rule"] == "self.name == oldSelf.name"
    assert note["rule"] == "has(self.note) == has(oldSelf.note) && (!has(self.note) || self.note == oldSelf.note)"
    assert note["fieldPath"] == ".note"


def test_required_fields_are_those_without_a_default() -> None:
    assert structural(Outer, ROLLOUT)["required"] == ["name"]


def test_list_of_models_is_inlined() -> None:
    assert structural(Outer, ROLLOUT)["properties"]["many"]["items"]["properties"].keys() == {"left", "right"}


def test_status_has_no_defaults_and_no_changes() -> None:
    for path, schema in nodes(structural(WorkerReport)):
        assert not {"default", "x-change"} & set(schema), path


def test_only_what_the_first_version_told_is_required_of_a_report() -> None:
    """A worker of an older version does not tell what was added since, and is understood all the same."""
    required = {f"{path}.{name}" for path, schema in nodes(structural(WorkerReport)) for name in schema.get("required", [])}
    whole = {"kind", "name", "externalName", "pid", "startedAt", "phase", "config", "stream", "input"}
    parts = {"config.appliedHash", "config.appliedAt", "input.address", "lastFrame.pulseId", "lastFrame.ageSeconds"}
    parts |= {"background.name", "background.sha256", "exit.reason"}
    assert required == {f".{name}" for name in whole | parts}


def test_values_of_an_enumeration_are_explained() -> None:
    assert member_docs(Backlog)["Newest"].startswith("Process in order while the queue has room")
    backlog = structural(PipelineSpec, ROLLOUT)["properties"]["input"]["properties"]["backlog"]
    assert "Newest: Process in order" in backlog["description"]


@pytest.mark.parametrize("kind", [int | str, tuple[int, str]])
def test_type_that_kubernetes_does_not_know_is_refused(kind: Any) -> None:
    class Wrong(Spec):
        field: kind

    with pytest.raises(TypeError, match="has no structural schema"):
        structural(Wrong, ROLLOUT)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_says_what_it_means(kind: str) -> None:
    schema = definition(KINDS[kind])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    silent = [path for path, node in nodes(schema) if not re.sub(r"\(\w+\)$", "", node.get("description", "")).strip()]
    assert [path for path in silent if path != ".metadata" and not path.endswith("[]")] == []


@pytest.mark.parametrize("model", SPECS)
def test_every_text_and_list_of_a_spec_has_a_limit(model: type[Spec]) -> None:
    for path, node in nodes(structural(model, ROLLOUT)):
        if node["type"] == "string" and "enum" not in node:
            assert "maxLength" in node, path
        if node["type"] == "array":
            assert "maxItems" in node, path


@pytest.mark.parametrize("model", SPECS)
def test_every_field_of_a_spec_says_how_it_may_change(model: type[Spec]) -> None:
    for path, node in nodes(structural(model, ROLLOUT)):
        if path and not path.endswith("[]"):
            assert Change(node["x-change"]), path


@pytest.mark.parametrize("model", SPECS)
def test_no_name_and_no_word_is_a_boolean_for_kubectl(model: type[Spec]) -> None:
    # kubectl reads YAML 1.1: a bare y is the key "true", which the API server then drops.
    booleans = {"y", "n", "yes", "no", "on", "off", "true", "false"}
    for path, node in nodes(structural(model, ROLLOUT)):
        words = [*node.get("properties", {}), *node.get("enum", [])]
        assert not booleans & {word.lower() for word in words}, path


@pytest.mark.parametrize("model", SPECS)
def test_every_pattern_means_the_same_in_go(model: type[Spec]) -> None:
    # RE2 knows no look-around and no back references.
    for path, node in nodes(structural(model, ROLLOUT)):
        assert not re.search(r"\(\?[=!<]|\\[1-9]", node.get("pattern", "")), path


def test_model_fills_in_what_the_schema_says() -> None:
    for path, node in nodes(structural(SimulationSource, ROLLOUT)):
        if "default" in node:
            assert SimulationSource().to_full_dict()[path.removeprefix(".")] == node["default"]


def test_rule_is_kept_by_python_with_the_same_words() -> None:
    with pytest.raises(ValueError, match="set exactly one of simulation, bsread, epics, hdf5; found none"):
        CameraSource()
    with pytest.raises(ValueError, match="found simulation epics"):
        TypeAdapter(CameraSource).validate_python({"simulation": {}, "epics": {"prefix": "A"}})
